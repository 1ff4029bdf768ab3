"""Tasks of shards, and shards in parts: where pictures are in memory, only so many bytes of them are under way at once.

Items of a compressed archive hold the files that they were made of, which may be gigabytes for a single shard. Such a
shard is cut into parts, each a small set in a folder of its own, and put together when all of them are written. What is
written does not depend on where it was cut.
"""

from __future__ import annotations

import collections
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import google_crc32c
import numpy as np

from stylegan_tf.data.prepared import FileCheck
from stylegan_tf.data.shards import WORK, ShardNote, ShardTask, note_path, write_index, write_note
from stylegan_tf.data.sources.base import Item, Source, in_batches
from stylegan_tf.files import written_whole

_BLOCK_BYTES = 2**22

MakeTask = Callable[[int, list[Item], Path], ShardTask]


class ShardTasks:
    """Makes tasks of the shards that are to be written, and puts those together that are written in parts.

    Args:
        source: The pictures.
        shards: Where each shard begins and ends.
        pending: Those to write, in their order.
        directory: The prepared set.
        part_bytes: How many bytes of pictures a task may hold before another one is begun.
        make: Makes a task of a shard's number, items and a folder to write to.
    """

    def __init__(
        self,
        source: Source,
        shards: list[tuple[int, int]],
        pending: list[int],
        directory: Path,
        part_bytes: int,
        make: MakeTask,
    ) -> None:
        self._source, self._shards, self._pending = source, shards, pending
        self._directory, self._part_bytes, self._make = directory, part_bytes, make
        self._parts: collections.Counter[int] = collections.Counter()  # of shards that have some
        self._written: collections.Counter[int] = collections.Counter()
        self._cut: set[int] = set()  # shards of which all parts are given out

    def __iter__(self) -> Iterator[ShardTask]:
        """Gives the tasks, reading on from one shard to the next without starting anew."""
        items: Iterator[Item] = iter(())
        position = -1
        for shard in self._pending:
            start, end = self._shards[shard]
            if position != start:
                items = self._source.items(start)
            yield from self._tasks(shard, items, end - start)
            position = end

    def finish(self, shard: int) -> None:
        """Takes notice that a task of a shard is done; after the last of several, puts the shard together."""
        if not self._parts[shard]:
            return
        self._written[shard] += 1
        if shard in self._cut and self._written[shard] == self._parts[shard]:
            parts = [self._folder(shard, part) for part in range(self._parts[shard])]
            join_parts(self._directory, shard, parts)
            shutil.rmtree(parts[0].parent)

    def _tasks(self, shard: int, items: Iterator[Item], count: int) -> Iterator[ShardTask]:
        done = 0
        # No batch may take pictures of the next shard, which is read from the same iterator.
        for batch in in_batches(itertools.islice(items, count), count, self._part_bytes):
            done += len(batch)
            if done == count and not self._parts[shard]:
                yield self._make(shard, batch, self._directory)
                return
            self._parts[shard] += 1
            if done == count:
                self._cut.add(shard)
            yield self._make(shard, batch, self._folder(shard, self._parts[shard] - 1))

    def _folder(self, shard: int, part: int) -> Path:
        return part_folder(self._directory, shard) / f"{part:05d}"


def part_folder(directory: Path, shard: int) -> Path:
    """Where the parts of a shard lie."""
    return directory / WORK / f"parts-{shard:05d}"


def remove_parts(directory: Path) -> None:
    """Removes what killed calls left half-written."""
    for part in [*directory.glob(".*.part"), *directory.glob("*/.*.part")]:
        part.unlink()
    for folder in (directory / WORK).glob("parts-*"):
        shutil.rmtree(folder)


def join_parts(directory: Path, shard: int, parts: list[Path]) -> None:
    """Writes a shard, and its note, of folders in each of which `write_shard` wrote some of its pictures."""
    notes = [ShardNote.read(note_path(part, shard)) for part in parts]
    files = {}
    for name in notes[0].files:
        if name.endswith(".npy"):
            files[name] = _join_indices(directory / name, [part / name for part in parts])
        else:
            files[name] = _join_records(directory / name, [part / name for part in parts])
    write_note(
        directory,
        shard,
        ShardNote(
            sum(note.count for note in notes),
            "".join(note.digests for note in notes),
            [label for note in notes for label in note.labels],
            [picture for note in notes for picture in note.left_out],
            files,
        ),
    )


def _join_records(path: Path, parts: list[Path]) -> FileCheck:
    size = crc = 0
    with written_whole(path) as beside, beside.open("wb") as joined:
        for part in parts:
            with part.open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    joined.write(block)
                    size, crc = size + len(block), google_crc32c.extend(crc, block)
    return FileCheck(size, crc)


def _join_indices(path: Path, parts: list[Path]) -> FileCheck:
    starts = [0]
    for part in parts:
        starts += (np.load(part)[1:] + starts[-1]).tolist()
    return write_index(path, starts)
