"""Writes prepared sets: decode, convert, halve, and write every resolution; in parallel, and resumable.

Worker processes write the shards (`shards.py`). The same command goes on with those that are not finished, or begins
anew where the pictures have changed. The manifest comes last.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stylegan_tf.data import workers
from stylegan_tf.data.decode import PictureForm
from stylegan_tf.data.image_set import images_fingerprint, labels_fingerprint
from stylegan_tf.data.prepared import INCOMPLETE, LEFT_OUT, MANIFEST, Making, Manifest, PreparedImageSet, level_folder
from stylegan_tf.data.shard_parts import ShardTasks, remove_parts
from stylegan_tf.data.shards import WORK, ShardNote, ShardTask, note_path, write_shard
from stylegan_tf.data.sources.base import Item, Source, digest
from stylegan_tf.data.unreadable import unreadable_error
from stylegan_tf.errors import UserError
from stylegan_tf.files import disk_errors, write_text, written_whole
from stylegan_tf.json_files import as_record, read_json
from stylegan_tf.locks import try_lock
from stylegan_tf.progress import counted

# A set has at most so many shards, and a shard at least so many pictures (but for the last one). A training run keeps
# two resolutions open, and 1,024 open files are what a process usually may have.
MAX_SHARDS = 256
MIN_SHARD_PICTURES = 256

_LOCK = ".lock"
_LONGEST_VALUE = 80  # characters of a value that an error tells


def prepare(
    source: Source,
    directory: str | os.PathLike[str],
    form: PictureForm,
    num_levels: int,
    *,
    encoding: str = "raw",
    on_error: str = "fail",
    max_workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PreparedImageSet:
    """Prepares a set, or goes on where an earlier call with the same arguments stopped.

    Where pictures were added, removed or renamed since then, a set that is not complete is begun anew.
    The files depend on the pictures and the arguments alone, not on the number of workers or on interruptions.

    Args:
        source: The pictures.
        directory: Where the set is written: new, empty, or what an earlier call left.
        form: Size, channels and so on; the size is the largest.
        num_levels: Number of sizes to write, each half of the one before.
        encoding: "raw", which is read fastest, or "png", which takes less room.
        on_error: What becomes of pictures that cannot be read. "fail": all others are read, then an error names them,
            and the set stays incomplete. "skip": they are left out. They are listed in `left_out.csv` either way.
        max_workers: Number of processes; None for one for each core.
        progress: Called now and then with the numbers of pictures that are done and of all.

    Returns:
        The set. One that was already complete is returned as it is.

    Raises:
        ValueError: The directory holds something else, the disk is too small, nothing could be read, or, with
            "fail", pictures could not be read.
        DiskError: The disk took no more. What is finished stays and is used by the next call.
        OSError: The directory cannot be written.
    """
    directory = Path(directory)
    sizes = tuple((form.size[0] >> level, form.size[1] >> level) for level in range(num_levels))
    plan = _plan(source, form, sizes, encoding)
    if (complete := _complete_set(directory, plan, on_error)) is not None:
        return complete
    _check_directory(directory, plan)
    shards = _shard_ranges(len(source))
    with disk_errors(directory), _locked(directory):
        if (complete := _complete_set(directory, plan, on_error)) is not None:  # by another process, just now
            return complete
        remove_parts(directory)
        _remove_outdated(directory, plan)
        pending = _pending(directory, len(shards), on_error)
        share = sum(len(range(*shards[shard])) for shard in pending)
        if encoding == "raw":
            _check_space(directory, share * form.channels * sum(height * width for height, width in sizes))
        write_text(directory / INCOMPLETE, json.dumps(plan, indent=1) + "\n")
        for size in sizes:
            (directory / level_folder(size)).mkdir(exist_ok=True)
        done = len(source) - share

        def make_task(shard: int, items: list[Item], folder: Path) -> ShardTask:
            return ShardTask(shard, items, str(folder), form, sizes, encoding, bool(source.label_names))

        with workers.pool(min(max_workers or workers.core_count(), max(1, len(pending)))) as pool:

            def report(count: int) -> None:
                if progress is not None:
                    progress(done + count, len(source))

            part_bytes = workers.IN_FLIGHT_BYTES // (2 * pool.size)
            tasks = ShardTasks(source, shards, pending, directory, part_bytes, make_task)
            for shard in pool.run(write_shard, tasks, report, lambda task: task.held_bytes):
                tasks.finish(shard)
            report(pool.done)
        notes = [ShardNote.read(note_path(directory, shard)) for shard in range(len(shards))]
        return _finish(directory, source, plan, notes, on_error)


def _plan(source: Source, form: PictureForm, sizes: tuple[tuple[int, int], ...], encoding: str) -> dict[str, Any]:
    """What a set is made from and how: the same for a call that goes on where another stopped.

    Of sources that can be read from anywhere, it holds the names and labels of the pictures, not their contents, so
    that a broken one can be repaired in between.
    """
    if source.random_access:
        pictures = digest(part for item in source.items() for part in (item.name, str(item.label)))
    else:
        pictures = source.signature()
    return {
        "data": source.name,
        "kind": source.kind,
        "count": len(source),
        "pictures": pictures,
        "label_names": list(source.label_names),
        "sizes": [list(size) for size in sizes],
        "channels": form.channels,
        "crop": form.crop,
        "background": form.background,
        "encoding": encoding,
    }


def _complete_set(directory: Path, plan: dict[str, Any], on_error: str) -> PreparedImageSet | None:
    """The set where it is complete, without what a kill may have left beside it; None where it is not complete."""
    if not (directory / MANIFEST).is_file():
        return None
    known = Manifest.read(directory).source
    _refuse_differences(directory, known, plan)
    if on_error == "fail" and known.get("left_out"):
        raise UserError(
            f"When this set was prepared, --on_error=skip left out {counted(known['left_out'], 'picture')} that could "
            f"not be read (see {LEFT_OUT} there); accept this with --on_error=skip, or repair what was left out, "
            f"delete the set and prepare it again. Received: {directory}."
        )
    _remove_work(directory)
    return PreparedImageSet(directory)


def _check_directory(directory: Path, plan: dict[str, Any]) -> None:
    if directory.exists() and not directory.is_dir():
        raise UserError(f"output must be a directory. Received: {directory}, a file.")
    known = _read_begun(directory)
    if known is not None:
        if not _is_outdated(known, plan):
            _refuse_differences(directory, known, plan)
    elif directory.is_dir() and any(not _is_ours(name) for name in os.listdir(directory)):
        raise UserError(
            f"output must be a new or empty directory, or one that this command began. Received: {directory}, which "
            "holds other files."
        )


def _read_begun(directory: Path) -> dict[str, Any] | None:
    """The plan of a set that was begun; None where there is none."""
    path = directory / INCOMPLETE
    if not path.is_file():
        return None
    try:
        known = read_json(path)
        as_record(Making, known)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} could not be read; delete the directory ({error}).") from error
    return dict(known)


def _differences(known: dict[str, Any], plan: dict[str, Any]) -> list[str]:
    return [name for name in plan if name != "data" and known.get(name) != plan[name]]


def _is_outdated(known: dict[str, Any], plan: dict[str, Any]) -> bool:
    """Whether the source that a begun set is made from has other pictures now, and nothing else is different."""
    return known.get("data") == plan["data"] and {"pictures"} <= set(_differences(known, plan)) <= {"count", "pictures"}


def _is_ours(name: str) -> bool:
    """Whether a call that was killed before anything else was written may have left such a file."""
    return name == _LOCK or (name.startswith(f".{INCOMPLETE}.") and name.endswith(".part"))


def _refuse_differences(directory: Path, known: dict[str, Any], plan: dict[str, Any]) -> None:
    if differences := _differences(known, plan):
        values = "; ".join(f"{name} was {_shown(known.get(name))}, is now {_shown(plan[name])}" for name in differences)
        raise UserError(
            f"{directory} holds a set that was prepared, or begun, otherwise; delete it or choose another --output. "
            f"Received: {values}."
        )


def _shown(value: Any) -> str:
    text = repr(value)
    if len(text) <= _LONGEST_VALUE:
        return text
    return (f"{len(value):,} of them, " if isinstance(value, list) else "") + text[: _LONGEST_VALUE - 1] + "…"


def _shard_ranges(count: int) -> list[tuple[int, int]]:
    size = max(MIN_SHARD_PICTURES, -(-count // MAX_SHARDS))
    return [(start, min(start + size, count)) for start in range(0, count, size)]


def _pending(directory: Path, num_shards: int, on_error: str) -> list[int]:
    """Shards that are not finished; with "fail", those with pictures that could not be read are tried again."""
    pending = []
    for shard in range(num_shards):
        path = note_path(directory, shard)
        note = _finished(directory, path)
        if note is None or (on_error == "fail" and note.left_out):
            path.unlink(missing_ok=True)
            pending.append(shard)
    return pending


def _finished(directory: Path, path: Path) -> ShardNote | None:
    """The note of a shard that is wholly there; None where the note or a file is missing or damaged."""
    try:
        note = ShardNote.read(path)
        whole = all((directory / name).stat().st_size == check.bytes for name, check in note.files.items())
    except (OSError, ValueError):  # whatever became of them, the shard is written again
        return None
    return note if whole else None


def _check_space(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise UserError(
            f"The disk is too small: the set needs {needed / 2**20:,.1f} MiB more, {free / 2**20:,.1f} MiB are free. "
            "Use another disk, a smaller --resolution, or --encoding=png, which takes less. "
            f"Received: {directory}."
        )


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keeps other processes from preparing into the same directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / _LOCK).open("w") as file:
        if not try_lock(file):
            raise UserError(
                f"Another process is preparing this set; wait for it or choose another --output. Received: {directory}."
            )
        yield  # the file goes with the set's completion alone, when nobody needs it any more


def _remove_outdated(directory: Path, plan: dict[str, Any]) -> None:
    """Removes what was written where the source has other pictures now.

    The old plan stays meanwhile: after a kill in the midst of it, the next call does the same.
    """
    known = _read_begun(directory)
    if known is not None and _is_outdated(known, plan):
        for name in (WORK, *(level_folder((height, width)) for height, width in plan["sizes"])):
            if (directory / name).is_dir():
                shutil.rmtree(directory / name)


def _remove_work(directory: Path) -> None:
    """Removes what only a set that is being prepared needs."""
    with contextlib.suppress(OSError):  # one that cannot be written to, or another process did it just now
        (directory / INCOMPLETE).unlink(missing_ok=True)
        (directory / _LOCK).unlink(missing_ok=True)
        shutil.rmtree(directory / WORK, ignore_errors=True)


def _finish(
    directory: Path, source: Source, plan: dict[str, Any], notes: list[ShardNote], on_error: str
) -> PreparedImageSet:
    """Makes the manifest from the notes on the shards."""
    left_out = [entry for note in notes for entry in note.left_out]
    _write_left_out(directory, left_out)
    if left_out and (on_error == "fail" or len(left_out) == len(source)):
        raise unreadable_error(left_out, len(source), f"All are listed in {directory / LEFT_OUT}")
    labels = [np.array(note.labels, np.int32) for note in notes]
    counts = np.bincount(np.concatenate(labels), minlength=len(source.label_names)).tolist()
    sizes = tuple((height, width) for height, width in plan["sizes"])
    manifest = Manifest(
        sizes=sizes,
        channels=plan["channels"],
        encoding=plan["encoding"],
        shard_counts=tuple(note.count for note in notes),
        label_names=source.label_names,
        label_counts=tuple(counts),
        fingerprint=images_fingerprint((*sizes[0], plan["channels"]), (bytes.fromhex(note.digests) for note in notes)),
        labels_fingerprint=labels_fingerprint(source.label_names, labels),
        source={**plan, "left_out": len(left_out)},
        files={name: check for note in notes for name, check in sorted(note.files.items())},
    )
    write_text(directory / MANIFEST, manifest.to_json())
    _remove_work(directory)
    return PreparedImageSet(directory)


def _write_left_out(directory: Path, left_out: list[tuple[str, str]]) -> None:
    path = directory / LEFT_OUT
    if not left_out:
        path.unlink(missing_ok=True)
        return
    text = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
    with written_whole(path) as beside, beside.open("w", **text) as file:  # type: ignore[call-overload]
        csv.writer(file).writerows([("picture", "reason"), *left_out])
