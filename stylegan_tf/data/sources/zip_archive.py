"""Zip archives, those of StyleGAN2-ADA's dataset tool among them. Nothing is unpacked."""

from __future__ import annotations

import dataclasses
import functools
import os
import stat
import zipfile
from collections.abc import Iterator

from PIL import Image

from stylegan_tf.data.image_file import UnusableImageError
from stylegan_tf.data.sources import archive
from stylegan_tf.data.sources.archive import Member
from stylegan_tf.data.sources.base import Item, Source, digest
from stylegan_tf.data.sources.labels_file import LARGEST_LABELS_BYTES
from stylegan_tf.data.sources.listing import file_state, state_text
from stylegan_tf.zip_files import read_member

_ENCRYPTED = 0x1
_UTF8_NAME = 0x800


@dataclasses.dataclass(frozen=True)
class ZipItem(Item):
    """A picture in a zip archive.

    Attributes:
        path: The archive.
        number: The member's place in the archive's directory.
        fault: Why it cannot be opened; empty where it can be.
    """

    path: str
    number: int
    fault: str

    def open(self) -> Image.Image:
        """Reads the member, and checks its size and checksum.

        Raises:
            UnusableImageError: A member that cannot be trusted or read, or is no picture.
        """
        archive.refuse(self.fault)
        opened = _open_archive(self.path, file_state(self.path), os.getpid())
        info = next(iter(opened.infolist()[self.number : self.number + 1]), None)
        if info is None or not archive.clean_name(member_name(info))[0].endswith(self.name):
            raise UnusableImageError("the archive has changed since it was listed")
        try:
            content = read_member(opened, info, archive.MAX_MEMBER_BYTES)
        except ValueError as error:
            kind = type(error.__cause__ or error).__name__
            raise UnusableImageError(f"it cannot be read from the archive ({kind}: {error})") from error
        return archive.open_bytes(content, info.file_size)


class ZipSource(Source):
    """The pictures of a zip archive, as `archive.select_members` finds them.

    Args:
        data: The user's word for the archive.
        path: Its path.
        use_labels: Whether folders become classes where there is no dataset.json.

    Raises:
        ValueError: A damaged archive or one without images, or labels that cannot be had.
    """

    kind = "zip archive"

    def __init__(self, data: str, path: str, *, use_labels: bool = False) -> None:
        self.name = data
        self._path = os.path.abspath(path)
        try:
            opened = zipfile.ZipFile(path)
        except Exception as error:  # a damaged archive raises as many types as a damaged image
            raise archive.damaged(error, data) from error
        with opened:
            members = opened.infolist()

            def read(member: Member) -> bytes:
                return read_member(opened, members[member.number], LARGEST_LABELS_BYTES)

            selection = archive.select_members(
                (_describe(info, number) for number, info in enumerate(members) if not _is_folder(info)),
                read,
                [member_name(info) for info in members if _is_folder(info)],
                use_labels=use_labels,
                data=data,
            )
        self._members, self._labels, self.ignored = selection.members, selection.labels, selection.ignored
        self.label_names, self.label_notes = self._labels.names, self._labels.notes

    def __len__(self) -> int:
        return len(self._members)

    def items(self, start: int = 0) -> Iterator[Item]:
        """Gives the members from number `start` on."""
        for number in range(start, len(self._members)):
            member = self._members[number]
            yield ZipItem(member.name, self._labels[number], self._path, member.number, member.fault)

    def signature(self) -> str:
        """Of the archive's size and time of change, and of the labels."""
        return digest([state_text(self._path), *self._labels.parts()])


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.filename.endswith("/")  # the library's own is_dir fails for an empty name


def member_name(info: zipfile.ZipInfo) -> str:
    """A member's name; one that is not marked as UTF-8 but is valid UTF-8 is read so, and not as code page 437."""
    if not info.flag_bits & _UTF8_NAME:
        try:
            return info.filename.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return info.filename


def _describe(info: zipfile.ZipInfo, number: int) -> Member:
    fault = archive.size_fault(info.file_size)
    if info.flag_bits & _ENCRYPTED:
        fault = "it is encrypted; pack it again without a password"
    mode = info.external_attr >> 16
    regular = stat.S_IFMT(mode) in (0, stat.S_IFREG)
    return Member(member_name(info), number, info.header_offset, info.file_size, fault, regular)


@functools.lru_cache(maxsize=4)
def _open_archive(path: str, state: tuple[int, int], process: int) -> zipfile.ZipFile:
    """Kept open by each process (a fork's would share its position in the file), while the file stays as it was."""
    return zipfile.ZipFile(path)
