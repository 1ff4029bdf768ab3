"""The shards of a prepared set: runs of pictures, each of which one worker process reads and writes by itself.

A shard that is written is noted in the folder `.work`, with all that the manifest has to say of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np

from stylegan_tf.data import workers
from stylegan_tf.data.decode import PictureForm, to_pixels
from stylegan_tf.data.image_file import reason
from stylegan_tf.data.image_set import DIGEST_BYTES, image_digest
from stylegan_tf.data.prepared import FileCheck, encode_png, index_name, level_folder, shard_name
from stylegan_tf.data.pyramid import image_pyramid
from stylegan_tf.data.records import frame, image_example
from stylegan_tf.data.sources.base import Item
from stylegan_tf.errors import UserError
from stylegan_tf.files import write_text, written_whole
from stylegan_tf.json_files import as_record, read_json

WORK = ".work"

_CHUNK_BYTES = 2**24  # of images that are halved and written at once


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """A shard to write.

    Attributes:
        shard: Its number.
        items: Its pictures, or some that come one after the other.
        directory: Where it is written.
        form: What the pictures become, at the largest size.
        sizes: Height and width by the number of halvings.
        encoding: "raw" or "png".
        labelled: Whether labels are written.
    """

    shard: int
    items: list[Item]
    directory: str
    form: PictureForm
    sizes: tuple[tuple[int, int], ...]
    encoding: str
    labelled: bool

    @property
    def held_bytes(self) -> int:
        """Bytes of pictures that come along with the task."""
        return sum(item.held_bytes for item in self.items)


@dataclasses.dataclass(frozen=True)
class ShardNote:
    """A shard that was written.

    Attributes:
        count: Number of its images.
        digests: `image_digest` of the images, one after the other, in hexadecimal digits.
        labels: Of the images; empty without labels.
        left_out: Names and reasons of the pictures that could not be read.
        files: By path within the set.
    """

    count: int
    digests: str
    labels: list[int]
    left_out: list[tuple[str, str]]
    files: dict[str, FileCheck]

    @classmethod
    def read(cls, path: Path) -> ShardNote:
        """Reads what `write_shard` wrote. Raises ValueError where it is something else."""
        note = as_record(cls, read_json(path))
        digests = bytes.fromhex(note.digests)
        if len(digests) != note.count * DIGEST_BYTES or len(note.labels) not in (0, note.count):
            raise UserError("it does not have a digest and a label for each image")
        if not all(0 <= label < 2**31 for label in note.labels):
            raise UserError("labels must lie from 0 to 2^31 - 1")
        return note


def note_path(directory: Path, shard: int) -> Path:
    """The file of a shard's note."""
    return directory / WORK / f"shard-{shard:05d}.json"


def write_shard(task: ShardTask) -> int:
    """Reads the pictures of a shard and writes their images at every size, then its note; in a worker process.

    Returns:
        The shard's number.
    """
    directory = Path(task.directory)
    left_out: list[tuple[str, str]] = []
    digests: list[bytes] = []
    labels: list[int] = []
    with contextlib.ExitStack() as stack:
        files = [_LevelFile(stack, directory, size, task) for size in task.sizes]
        for images, chunk_labels in _decoded_chunks(task, left_out):
            digests += map(image_digest, images)
            labels += chunk_labels
            for file, level in zip(files, image_pyramid(images, len(task.sizes)), strict=True):
                file.write(level, chunk_labels if task.labelled else None)
        for file in files:
            file.close()
    checks = {name: check for file in files for name, check in file.checks.items()}
    note = ShardNote(len(digests), b"".join(digests).hex(), labels if task.labelled else [], left_out, checks)
    write_note(directory, task.shard, note)
    return task.shard


def write_note(directory: Path, shard: int, note: ShardNote) -> None:
    """Writes the note of a shard, which says that it is finished."""
    write_text(note_path(directory, shard), json.dumps(dataclasses.asdict(note)))


def write_index(path: Path, starts: list[int]) -> FileCheck:
    """Writes where the records of a shard begin, and where the last one ends."""
    with written_whole(path) as beside, beside.open("wb") as file:
        np.save(file, np.array(starts, np.int64))
    data = path.read_bytes()
    return FileCheck(len(data), google_crc32c.value(data))


def _decoded_chunks(task: ShardTask, left_out: list[tuple[str, str]]) -> Iterator[tuple[np.ndarray, list[int]]]:
    """The pictures of a shard as images, a few at a time; those that cannot be read are added to `left_out`."""
    shape = (*task.sizes[0], task.form.channels)
    limit = max(1, _CHUNK_BYTES // int(np.prod(shape)))
    images: list[np.ndarray] = []
    labels: list[int] = []
    for item in task.items:
        workers.check_stop()
        try:
            with item.open() as picture:
                images.append(to_pixels(picture, task.form))
            labels.append(item.label)
        except Exception as error:  # Pillow's readers raise nearly every type there is
            left_out.append((item.name, reason(error)))
        workers.advance()
        if len(images) == limit:
            yield np.stack(images), labels
            images, labels = [], []
    if images:
        yield np.stack(images), labels


class _LevelFile:
    """The file of one shard at one size, and its index where there is one; in place once closed."""

    def __init__(self, stack: contextlib.ExitStack, directory: Path, size: tuple[int, int], task: ShardTask) -> None:
        self._folder = directory / level_folder(size)
        self._encode = encode_png if task.encoding == "png" else np.ndarray.tobytes
        self._shard = task.shard
        self._starts = [0] if task.encoding == "png" else None
        self._bytes = 0
        self._crc = 0
        # Each file has a stack of its own, so that closing it puts it in place.
        self._own = stack.enter_context(contextlib.ExitStack())
        path = self._own.enter_context(written_whole(self._folder / shard_name(task.shard)))
        self._file: BinaryIO = self._own.enter_context(path.open("wb"))
        self.checks: dict[str, FileCheck] = {}

    def write(self, images: np.ndarray, labels: list[int] | None) -> None:
        for number, image in enumerate(images):
            record = frame(image_example(self._encode(image), None if labels is None else labels[number]))
            self._file.write(record)
            self._bytes += len(record)
            self._crc = google_crc32c.extend(self._crc, record)
            if self._starts is not None:
                self._starts.append(self._bytes)

    def close(self) -> None:
        self._own.close()
        folder = self._folder.name
        self.checks[f"{folder}/{shard_name(self._shard)}"] = FileCheck(self._bytes, self._crc)
        if self._starts is not None:
            name = index_name(self._shard)
            self.checks[f"{folder}/{name}"] = write_index(self._folder / name, self._starts)
