"""Tar archives, plain and compressed. Nothing is unpacked."""

from __future__ import annotations

import dataclasses
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator
from tarfile import GNUTYPE_LONGLINK, GNUTYPE_LONGNAME, SOLARIS_XHDTYPE, XGLTYPE, XHDTYPE, HeaderError, TarFile

import numpy as np
from PIL import Image

from stylegan_tf.data.sources import archive
from stylegan_tf.data.sources.archive import Member
from stylegan_tf.data.sources.base import Item, Source, digest
from stylegan_tf.data.sources.listing import state_text
from stylegan_tf.errors import UserError

_HELD_BYTES = 2**28  # of members of a compressed archive that come before their turn
_NOTES_BYTES = 2**20  # of long names and PAX headers before a member, and of global headers in an archive
_LONGEST_NAME = 2**12  # characters; no file system has longer ones
# What the list of members may take, in bytes, and how much more for each byte of the archive. A member of an archive
# that is not compressed has more bytes in it than its place in the list.
_LISTING_BYTES = 2**28
_LISTING_RATIO = 4
_MEMBER_BYTES = 2**8
_NOTE_TYPES = (GNUTYPE_LONGNAME, GNUTYPE_LONGLINK, XHDTYPE, XGLTYPE, SOLARIS_XHDTYPE)
# What unpacking and reading headers raises.
_DAMAGE = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RecursionError)
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
            UnusableImageError: A member that cannot be trusted, or is no picture.
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

    @property
    def held_bytes(self) -> int:
        return len(self.content)

    def open(self) -> Image.Image:
        """Opens the picture."""
        archive.refuse(self.fault)
        return archive.open_bytes(self.content, self.size)


class TarSource(Source):
    """The pictures of a tar archive, as `archive.select_members` finds them.

    A compressed archive can only be read from its beginning. Where its members lie in another order than that of
    their names, up to a quarter of a gigabyte of them is held until it is their turn, and the archive is read again
    for what lies farther off.

    Args:
        data: The user's word for the archive.
        path: Its path.
        use_labels: Whether folders become classes where there is no dataset.json.

    Raises:
        ValueError: A damaged archive or one without images, or labels that cannot be had.
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
            yield TarItem(member.name, self._labels[number], self._path, member.offset, member.size, member.fault)

    def signature(self) -> str:
        """Of the archive's size and time of change, and of the labels."""
        return digest([state_text(self._path), *self._labels.parts()])

    def _list(self, folders: list[str]) -> Iterator[Member]:
        """Describes all members but folders, whose names it keeps."""
        left = _LISTING_BYTES + _LISTING_RATIO * os.path.getsize(self._path)
        for number, _, info in _scan(self._path):
            left -= _MEMBER_BYTES + len(info.name)
            if left < 0:
                raise UserError(f"its list of files takes more than {_LISTING_BYTES:,} bytes")
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
            try:
                for item in self._read_once(position):
                    yield item
                    position += 1
            except _DAMAGE as error:  # it was read whole when it was listed
                raise self._changed() from error
            if position == before:
                raise self._changed()

    def _changed(self) -> UserError:
        return UserError(f"The archive has changed since it was listed. Received: {self._path!r}.")

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
        with tarfile.open(path, "r:*", tarinfo=_FirstInfo):
            return True
    except Exception:  # what is no archive raises as many types as a damaged one
        return False


class _FirstInfo(tarfile.TarInfo):
    """Of the first member, the header alone: what follows it may be anything."""

    def _proc_member(self, tarfile: TarFile) -> tarfile.TarInfo:
        return self


class _StrictInfo(tarfile.TarInfo):
    """The library takes a damaged header for the end, and reads long ones into memory; this one tells of both."""

    @classmethod
    def fromtarfile(cls, tarfile: _StrictArchive) -> _StrictInfo:  # type: ignore[override]
        try:
            return super().fromtarfile(tarfile)
        except HeaderError as error:
            if type(error).__name__ in ("EOFHeaderError", "EmptyHeaderError"):  # the two regular ends
                raise
            raise UserError(f"damaged header at byte {tarfile.offset}: {error}") from error

    def _proc_member(self, tarfile: _StrictArchive) -> tarfile.TarInfo:
        """Reads what follows the header of a member, as the library does; it names this to be overridden."""
        if self.type in _NOTE_TYPES:
            tarfile.count_note(self.size, is_global=self.type == XGLTYPE)
        return super()._proc_member(tarfile)  # type: ignore[misc]


class _StrictArchive(TarFile):
    """An archive that counts the bytes of headers that are no members."""

    tarinfo = _StrictInfo
    _notes = _global_notes = 0

    def count_note(self, size: int, *, is_global: bool) -> None:
        """Raises ValueError where the headers before a member, or all global ones, have too many bytes."""
        self._notes += size
        self._global_notes += size if is_global else 0
        if not 0 <= max(self._notes, self._global_notes) <= _NOTES_BYTES or size < 0:
            raise UserError(f"a long name or PAX header at byte {self.offset} has more than {_NOTES_BYTES:,} bytes")

    def forget(self) -> None:
        """Begins with the next member; the library would keep them all."""
        self._notes = 0
        self.members: list[tarfile.TarInfo] = []


def _scan(path: str) -> Iterator[tuple[int, TarFile, tarfile.TarInfo]]:
    """Gives number, archive and description of each member, from first to last."""
    with _StrictArchive.open(path, "r:*") as opened:
        number, last = 0, -1
        while (info := opened.next()) is not None:
            if info.offset <= last or info.size < 0:
                raise UserError(f"impossible size at byte {info.offset}")
            last = info.offset
            if len(info.name) > _LONGEST_NAME:
                raise UserError(f"a name has {len(info.name):,} characters, and names have at most {_LONGEST_NAME:,}")
            opened.forget()
            yield number, opened, info
            number += 1


def _read(opened: TarFile, info: tarfile.TarInfo) -> bytes:
    file = opened.extractfile(info)
    if file is None:
        raise UserError(f"{info.name!r} is no file")
    with file:
        return file.read(info.size)
