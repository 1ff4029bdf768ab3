"""What a source of pictures is: a countable row of items that can be opened anywhere, in any process."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import itertools
import types
from collections.abc import Iterable, Iterator, Mapping

from PIL import Image


@dataclasses.dataclass(frozen=True)
class Item(abc.ABC):
    """One picture of a source, not read yet. Items are small and can be sent to another process.

    Attributes:
        name: Where in the source the picture is, for messages: a relative path, or a number.
        label: Index into the source's `label_names`; -1 without labels.
    """

    name: str
    label: int

    @property
    def held_bytes(self) -> int:
        """Bytes of the picture that the item itself holds, and takes along to another process."""
        return 0

    @abc.abstractmethod
    def open(self) -> Image.Image:
        """Opens the picture; the pixels may be decoded later, when they are asked for.

        Raises:
            Exception: Of any kind, as Pillow's readers raise nearly every type there is.
        """


class Source(abc.ABC):
    """Pictures in a fixed order, each with a label or none of them.

    Attributes:
        name: As the user gave it.
        kind: What it was found to be, such as "folder" or "zip archive", for messages.
        label_names: What the labels mean; empty without labels.
        channels: 1, 3 or 4 where all pictures have as many; None where each may differ.
        label_notes: What a user should know of how the labels were found, or of why there are none.
        ignored: Numbers of the files in the source that are not read as pictures, by ending; see `listing`.
        random_access: Whether `items` can start anywhere at once; False where it must read what comes before.
    """

    name: str
    kind: str
    label_names: tuple[str, ...] = ()
    label_notes: tuple[str, ...] = ()
    channels: int | None = None
    ignored: Mapping[str, int] = types.MappingProxyType({})
    random_access: bool = True

    @abc.abstractmethod
    def __len__(self) -> int:
        """Number of pictures, at least 1."""

    @abc.abstractmethod
    def items(self, start: int = 0) -> Iterator[Item]:
        """Gives the pictures from number `start` on, in order, without holding all of them."""

    @abc.abstractmethod
    def signature(self) -> str:
        """16 hexadecimal digits that change when files are added, removed, renamed or changed.

        It is made from names, sizes and times of change where there are such, and must be quick: no picture is
        decoded for it.
        """


def in_batches(items: Iterable[Item], most: int, most_bytes: int) -> Iterator[list[Item]]:
    """Items in lists of at most `most`, each of which ends when its items hold `most_bytes` bytes."""
    batch: list[Item] = []
    held = 0
    for item in items:
        batch.append(item)
        held += item.held_bytes
        if len(batch) == most or held >= most_bytes:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def digest(parts: Iterable[str | bytes]) -> str:
    """16 hexadecimal digits over texts and bytes, and over where one ends and the next begins."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()[:16]


def spread_items(source: Source, count: int) -> Iterator[Item]:
    """At most `count` items at equal distances; the first ones where a source must be read from its beginning."""
    if not source.random_access:
        yield from itertools.islice(source.items(), count)
        return
    step = -(-len(source) // count)
    for start in range(0, len(source), step):
        yield next(source.items(start))
