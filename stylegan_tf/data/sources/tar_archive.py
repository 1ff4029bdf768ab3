"""Tar archives, plain and compressed. Nothing is unpacked."""

from __future__ import annotations

import dataclasses
import os
import tarfile
from collections.abc import Iterator
from tarfile import HeaderError, TarFile

import numpy as np
from PIL import Image

from stylegan_tf.data.sources import archive
from stylegan_tf.data.sources.archive import Member
from stylegan_tf.data.sources.base import Item, Source, digest
from stylegan_tf.data.sources.listing import state_text

_HELD_BYTES = 2**29  # of members of a compressed archive that come before their turn
_COMPRESSIONS = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz"}


@dataclasses.dataclass(frozen=True)
class TarItem(Item):
    """A picture in a plain tar archive.

    Attributes:
        path: The archive.
        offset: Where its bytes begin.
        size: How many they are.
        fault: Why it cannot be opened; empty where it can be.
    """

    path: str
    offset: int
    size: int
    fault: str

    def open(self) -> Image.Image:
        """Reads the member.

        Raises:
            UnusableImageError: a member that cannot be trusted, or is no picture.
        """
        archive.refuse(self.fault)
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            content = file.read(self.size)
        return archive.open_bytes(content, self.size)


@dataclasses.dataclass(frozen=True)
class BytesItem(Item):
    """A picture whose file was read already.

    Attributes:
        content: The file's bytes.
        size: How many they should be.
        fault: Why it cannot be opened; empty where it can be.
    """

    content: bytes = dataclasses.field(repr=False)
    size: int
    fault: str = ""

    def open(self) -> Image.Image:
        """Opens the picture."""
        archive.refuse(self.fault)
        return archive.open_bytes(self.content, self.size)


class TarSource(Source):
    """The pictures of a tar archive, as `archive.select_members` finds them.

    A compressed archive can only be read from its beginning. Where its members lie in another order than that of
    their names, up to half a gigabyte of them is held until it is their turn, and the archive is read again for what
    lies farther off.

    Args:
        data: The user's word for the archive.
        path: Its path.
        use_labels: Whether folders become classes where there is no dataset.json.

    Raises:
        ValueError: a damaged archive or one without images, or labels that cannot be had.
    """

    def __init__(self, data: str, path: str, *, use_labels: bool = False) -> None:
        self.name = data
        self._path = os.path.abspath(path)
        with open(path, "rb") as file:
            self.random_access = find_compression(file.read(6)) is None
        self.kind = "tar archive" if self.random_access else "compressed tar archive"
        folders: list[str] = []
        try:
            members = list(self._list(folders))
        except Exception as error:  # a damaged archive raises as many types as a damaged image
            raise archive.damaged(error, data) from error
        selection = archive.select_members(members, self._read_again, folders, use_labels=use_labels, data=data)
        self._members, self._labels, self.ignored = selection.members, selection.labels, selection.ignored
        self.label_names, self.label_notes = self._labels.names, self._labels.notes

    def __len__(self) -> int:
        return len(self._members)

    def items(self, start: int = 0) -> Iterator[Item]:
        """Gives the members from number `start` on; reads all before them if the archive is compressed."""
        if not self.random_access:
            yield from self._stream(start)
            return
        for number in range(start, len(self._members)):
            member = self._members[number]
            yield TarItem(
                member.name, self._labels[number], self._path, member.offset, member.size, member.fault
            )

    def signature(self) -> str:
        """Of the archive's size and time of change, and of the labels."""
        return digest([state_text(self._path), *self._labels.parts()])

    def _list(self, folders: list[str]) -> Iterator[Member]:
        """Describes all members but folders, whose names it keeps."""
        for number, _, info in _scan(self._path):
            if info.isdir():
                folders.append(info.name)
                continue
            fault = archive.size_fault(info.size)
            if info.issparse():
                fault = "it is stored as a sparse file; pack it again without --sparse"
            yield Member(info.name, number, info.offset_data, info.size, fault, info.isreg())

    def _read_again(self, member: Member) -> bytes:
        """A member's bytes, once all are listed."""
        if self.random_access:
            with open(self._path, "rb") as file:
                file.seek(member.offset)
                return file.read(member.size)
        return next(_read(opened, info) for number, opened, info in _scan(self._path) if number == member.number)

    def _stream(self, start: int) -> Iterator[Item]:
        position = start
        while position < len(self._members):
            before = position
            for item in self._read_once(position):
                yield item
                position += 1
            if position == before:
                raise ValueError(f"The archive has changed since it was listed. Received: {self._path!r}.")

    def _read_once(self, position: int) -> Iterator[Item]:
        """Gives pictures from `position` on, until the archive's end is reached."""
        sizes = [0 if member.fault else member.size for member in self._members]
        ends = np.cumsum([0, *sizes], dtype=np.int64)
        positions = {member.number: place for place, member in enumerate(self._members) if place >= position}
        held: dict[int, Item] = {}
        for number, opened, info in _scan(self._path):
            place = positions.get(number)
            if place is None or (place > position and ends[place + 1] - ends[position] > _HELD_BYTES):
                continue
            member = self._members[place]
            content = b"" if member.fault else _read(opened, info)
            held[place] = BytesItem(member.name, self._labels[place], content, member.size, member.fault)
            while position in held:
                yield held.pop(position)
                position += 1
            if position == len(self._members):
                return


def find_compression(header: bytes) -> str | None:
    """How a file is compressed, from its first six bytes: "gz", "bz2", "xz", or None."""
    return next((name for magic, name in _COMPRESSIONS.items() if header.startswith(magic)), None)


def is_tar(path: str) -> bool:
    """Whether a file is a tar archive, plain or compressed, whole or damaged further on."""
    try:
        with tarfile.open(path, "r:*"):
            return True
    except Exception:  # what is no archive raises as many types as a damaged one
        return False


class _StrictInfo(tarfile.TarInfo):
    """The library takes a damaged header for the archive's end; this one tells."""

    @classmethod
    def fromtarfile(cls, tarfile: TarFile) -> _StrictInfo:
        try:
            return super().fromtarfile(tarfile)
        except HeaderError as error:
            if type(error).__name__ in ("EOFHeaderError", "EmptyHeaderError"):  # the two regular ends
                raise
            raise ValueError(f"damaged header at byte {tarfile.offset}: {error}") from error


def _scan(path: str) -> Iterator[tuple[int, TarFile, tarfile.TarInfo]]:
    """Gives number, archive and description of each member, from first to last."""
    with tarfile.open(path, "r:*", tarinfo=_StrictInfo) as opened:
        number, last = 0, -1
        while (info := opened.next()) is not None:
            if info.offset <= last or info.size < 0:
                raise ValueError(f"impossible size at byte {info.offset}")
            last = info.offset
            opened.members = []  # type: ignore[attr-defined]  # the library would keep them all
            yield number, opened, info
            number += 1


def _read(opened: TarFile, info: tarfile.TarInfo) -> bytes:
    file = opened.extractfile(info)
    if file is None:
        raise ValueError(f"{info.name!r} is no file")
    with file:
        return file.read(info.size)
