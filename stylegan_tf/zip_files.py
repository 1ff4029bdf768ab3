"""Zip archives that others wrote, read within bounds: pictures, arrays, checkpoints and models lie in such.

A member tells how large it is, and may lie; and little that is packed may be much when it is unpacked. Nothing here
takes more memory than it is told to, and whatever is wrong with an archive is an `ArchiveError` in plain words.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from stylegan_tf.errors import UserError

# What may be unpacked of a file, unless the file itself is larger.
MAX_UNPACKED_BYTES = 2**32

# What the library raises for damaged archives, unknown compression (NotImplementedError) and encryption (RuntimeError).
_DAMAGE = (
    zipfile.BadZipFile, RuntimeError, zlib.error, lzma.LZMAError, EOFError, OSError, struct.error, ValueError,
    OverflowError, IndexError, KeyError, MemoryError,
)  # fmt: skip

_ENCRYPTED = 0x1
_BOUNDED_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# With other methods the library unpacks at once what it reads at once; 64 bytes of bzip2 may be a hundred megabytes.
_FEW_BYTES = 64


class ArchiveError(UserError):
    """What is wrong with a zip archive."""


@contextlib.contextmanager
def opened_zip(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    """Opens an archive.

    Raises:
        ArchiveError: The archive is damaged.
        FileNotFoundError, PermissionError, IsADirectoryError: It cannot be opened.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except _DAMAGE as error:
        raise ArchiveError(f"it is damaged or cut off ({_told(error)})") from error
    with archive:
        yield archive


def unpacked_limit(path: str | os.PathLike[str], least: int = MAX_UNPACKED_BYTES) -> int:
    """How many bytes may be unpacked of a file in all: `least`, or as many as the file itself has."""
    return max(least, os.path.getsize(path))


def check_total(archive: zipfile.ZipFile, limit: int) -> None:
    """Makes sure that a reader of somebody else's may unpack all of an archive.

    Raises:
        ArchiveError: It claims to hold more than `limit` bytes, or is packed so that it may hold more than it claims.
    """
    members = archive.infolist()
    total = sum(info.file_size for info in members)
    if total > limit:
        raise ArchiveError(f"it would unpack to {total:,} bytes; at most {limit:,} are read")
    for info in members:
        if info.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"{info.filename!r} is encrypted")
        if info.compress_type not in _BOUNDED_METHODS:
            raise ArchiveError(f"{info.filename!r} is neither stored nor deflated")


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """The contents of a member.

    Raises:
        ArchiveError: It claims more than `limit` bytes, has another number than it claims, or cannot be read.
    """
    with opened_member(archive, info, limit) as file:
        return file.read()


@contextlib.contextmanager
def opened_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> Iterator[OpenedMember]:
    """Opens a member to be read once, from its beginning; raises as `read_member` does."""
    if info.flag_bits & _ENCRYPTED:
        raise ArchiveError(f"{info.filename!r} is encrypted; pack it again without a password")
    if info.file_size > limit:
        raise ArchiveError(f"{info.filename!r} claims to have {info.file_size:,} bytes; at most {limit:,} are read")
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(archive.open(info))
        except _DAMAGE as error:
            raise ArchiveError(f"{_told(error)} (in {info.filename!r})") from error
        yield OpenedMember(file, info)


class OpenedMember:
    """A member that is read from its beginning to its end.

    Attributes:
        left: Number of bytes that are still to come.
    """

    def __init__(self, file: IO[bytes], info: zipfile.ZipInfo) -> None:
        self._file, self._info = file, info
        self.left = info.file_size
        self._step = 2**24
        if info.compress_type not in _BOUNDED_METHODS:
            self._step = file.MIN_READ_SIZE = _FEW_BYTES  # type: ignore[attr-defined]

    def read(self, size: int | None = None) -> bytes:
        """The next `size` bytes, or all that are left.

        Raises:
            ArchiveError: There are fewer, or they cannot be unpacked.
        """
        wanted = self.left if size is None else min(size, self.left)
        parts = []
        while wanted:
            part = self._next(wanted)
            parts.append(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_into(self, target: memoryview) -> None:
        """Fills bytes with those that come next; raises as `read` does."""
        done = 0
        while done < len(target):
            part = self._next(len(target) - done)
            target[done : done + len(part)] = part
            done += len(part)

    def _next(self, most: int) -> bytes:
        try:
            part = self._file.read(min(most, self._step))
        except _DAMAGE as error:
            raise ArchiveError(f"{_told(error)} (in {self._info.filename!r})") from error
        if not part:
            name, size = self._info.filename, self._info.file_size
            raise ArchiveError(f"{name!r} has {size - self.left:,} bytes where the archive says {size:,}")
        self.left -= len(part)
        return part


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
