"""Checkpoints: saved whole, known by name and checksum, and verified before they are read.

    ckpt-N.index, ckpt-N.data-*    TensorFlow's files; N is the number of images seen
    ckpt-N.sha256                  their checksums, written last, as `sha256sum -c` reads them
    checkpoint                     which one is the newest, for `tf.train.latest_checkpoint`; not read here

Checkpoints of earlier versions have no checksums; TensorFlow's own, one for each tensor, are checked then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from stylegan_tf.errors import UserError
from stylegan_tf.files import disk_errors, without_patterns, write_text

if TYPE_CHECKING:
    import tensorflow as tf

# What TensorFlow puts behind the name of a variable that a checkpoint holds.
VARIABLE_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_NAME = re.compile(r"ckpt-(\d+)\.(?:index|data-\d+-of-\d+|sha256)")
_RESTS = re.compile(r"\.ckpt-\d+\.part|ckpt-\d+_temp.*")


@contextlib.contextmanager
def readable(prefix: str) -> Iterator[str]:
    """A prefix of the same checkpoint that TensorFlow can read, which takes signs such as [ in a path for patterns."""
    path = Path(prefix)
    with without_patterns(path.parent) as folder:
        yield str(folder / path.name)


@dataclasses.dataclass(frozen=True)
class Found:
    """A whole checkpoint.

    Attributes:
        prefix: Of its files.
        passed_over: Newer ones that are damaged, and why, as text; empty when there are none.
    """

    prefix: str
    passed_over: str = ""


class CheckpointFolder:
    """The checkpoints of a folder.

    Args:
        path: The folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def numbers(self) -> list[int]:
        """Images seen of every checkpoint of which there is a file, whole or not; in ascending order."""
        names = os.listdir(self.path) if self.path.is_dir() else []
        return sorted({int(match[1]) for match in map(_NAME.fullmatch, names) if match})

    def prefix(self, number: int) -> str:
        """Path of a checkpoint without the endings of its files."""
        return str(self.path / f"ckpt-{number}")

    def damage(self, number: int) -> str:
        """What is wrong with a checkpoint, as text; empty when it is whole."""
        try:
            checksums = _read_checksums(self.path, number)
            if not checksums:
                return self._damage_by_reading(number)
            return next(filter(None, (_file_damage(self.path / name, known) for name, known in checksums)), "")
        except OSError as error:
            return f"{error.strerror}: {error.filename}"

    def _damage_by_reading(self, number: int) -> str:
        import tensorflow as tf  # here, so that what a run has can be told without waiting for it

        index = self.path / f"ckpt-{number}.index"
        if not index.is_file():
            return f"{index.name} is missing"
        data = sum(file.stat().st_size for file in self._files(number) if ".data-" in file.name)
        try:
            with readable(self.prefix(number)) as prefix:
                reader = tf.train.load_checkpoint(prefix)
                shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
                if sum(math.prod(shape) * types[name].size for name, shape in shapes.items()) > data:
                    return "its data is missing or cut short"
                for name in shapes:
                    reader.get_tensor(name)
        except (tf.errors.OpError, ValueError, RuntimeError):
            return "TensorFlow cannot read it whole"
        return ""

    def save(self, checkpoint: tf.train.Checkpoint, number: int, keep: int) -> str:
        """Saves a checkpoint, whole or not at all, and removes those that are older than the newest `keep`.

        Returns:
            Its prefix.

        Raises:
            DiskError: When the disk took no more; nothing of the others is lost then.
        """
        part = self.path / f".ckpt-{number}.part"
        try:
            with disk_errors(self.path):
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                _ = checkpoint.save_counter  # made by its first use; earlier versions saved it, too
                checkpoint.write(str(part / f"ckpt-{number}"))
                self._put_in_place(part, number)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        for old in [other for other in self.numbers() if other <= number][:-keep]:
            self._remove(old)
        return self.prefix(number)

    def remove_rests(self) -> None:
        """Removes what was left half-written. Only for who holds the run's lock."""
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if _RESTS.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)

    def _put_in_place(self, part: Path, number: int) -> None:
        files = sorted(part.glob("ckpt-*"))  # the data before the index
        checksums = "".join(f"{_durable_checksum(file)}  {file.name}\n" for file in files)
        self._remove(number)
        for file in files:
            os.replace(file, self.path / file.name)
        write_text(self.path / f"ckpt-{number}.sha256", checksums)
        every = "".join(f'all_model_checkpoint_paths: "ckpt-{one}"\n' for one in self.numbers() if one <= number)
        write_text(self.path / "checkpoint", f'model_checkpoint_path: "ckpt-{number}"\n{every}')

    def _files(self, number: int) -> list[Path]:
        """Files of a checkpoint, its checksums first."""
        matches = (match for match in map(_NAME.fullmatch, os.listdir(self.path)) if match and int(match[1]) == number)
        return sorted((self.path / match[0] for match in matches), key=lambda path: path.suffix != ".sha256")

    def _remove(self, number: int) -> None:
        for file in self._files(number):
            file.unlink(missing_ok=True)


def newest_whole(*folders: CheckpointFolder) -> Found | None:
    """The newest whole checkpoint of some folders, or None where there is none, whole or not.

    Raises:
        ValueError: When all are damaged.
    """
    damaged: list[str] = []
    every = [(number, folder) for folder in folders for number in folder.numbers()]
    for number, folder in sorted(every, key=lambda pair: pair[0], reverse=True):
        reason = folder.damage(number)
        if not reason:
            return Found(folder.prefix(number), "; ".join(damaged))
        damaged.append(f"{folder.path.name}/ckpt-{number} is damaged ({reason})")
    if damaged:
        raise UserError(
            "a run must have a whole checkpoint; copy its files again from where they are whole, or choose another "
            f"--run_dir. Received: {folders[0].path.parent}: {'; '.join(damaged)}."
        )
    return None


def tell_passed_over(found: Found | None) -> str:
    """One line on stderr about damaged checkpoints that were passed over; returns it."""
    if found is None or not found.passed_over:
        return ""
    line = f"WARNING: {found.passed_over}: {Path(found.prefix).name} is taken instead."
    print(line, file=sys.stderr, flush=True)
    return line


def _read_checksums(folder: Path, number: int) -> list[tuple[str, str]]:
    """Names of a checkpoint's files and their checksums; empty where there is no whole list of them."""
    try:
        lines = (folder / f"ckpt-{number}.sha256").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return []
    line = re.compile(rf"([0-9a-f]{{64}})  (ckpt-{number}\.(?:index|data-\d+-of-\d+))")
    pairs = [(match[2], match[1]) for match in map(line.fullmatch, lines) if match]
    complete = len(pairs) == len(lines) and any(name.endswith(".index") for name, _ in pairs)
    return pairs if complete else []


def _file_damage(file: Path, checksum: str) -> str:
    if not file.is_file():
        return f"{file.name} is missing"
    if not file.stat().st_size:
        return f"{file.name} is empty"
    with file.open("rb") as opened:
        whole = hashlib.file_digest(opened, "sha256").hexdigest() == checksum
    return "" if whole else f"{file.name} does not have its checksum"


def _durable_checksum(file: Path) -> str:
    """The SHA-256 of a file that was just written, once the disk has it."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        return hashlib.file_digest(opened, "sha256").hexdigest()
