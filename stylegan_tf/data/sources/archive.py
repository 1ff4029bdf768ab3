"""What zip and tar archives share: whose names can be trusted, and which members are pictures, in which order."""

from __future__ import annotations

import collections
import dataclasses
import functools
import io
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from PIL import Image

from stylegan_tf.data.image_file import UnusableImageError, open_image
from stylegan_tf.data.sources.class_folders import find_labels
from stylegan_tf.data.sources.labels import Labels
from stylegan_tf.data.sources.labels_file import is_labels_file, require_readable_size
from stylegan_tf.data.sources.listing import (
    is_container,
    is_hidden_image,
    is_image_name,
    is_left_out,
    kind_of_other,
    no_images_error,
)
from stylegan_tf.errors import UserError

MAX_MEMBER_BYTES = 2**30  # an image file that says it is larger is none


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        name: Its path; below the archive's one top folder, if there is one, after `select_members`.
        number: Its place among all members of the archive.
        offset: Where its bytes begin in the archive, if that can be told.
        size: Its size in bytes, as the archive says.
        fault: Why it cannot be opened; empty where it can be.
        regular: Whether it is a file, and no link or device.
    """

    name: str
    number: int
    offset: int
    size: int
    fault: str = ""
    regular: bool = True


@dataclasses.dataclass(frozen=True)
class Selection:
    """The pictures of an archive.

    Attributes:
        members: In the order of their names.
        labels: Of these members.
        ignored: Numbers of the files that are not read as pictures, by ending.
    """

    members: list[Member]
    labels: Labels
    ignored: Mapping[str, int]


def select_members(
    members: Iterable[Member],
    read: Callable[[Member], bytes],
    folders: Collection[str] = (),
    *,
    use_labels: bool,
    data: str,
) -> Selection:
    """Picks the pictures, as they would be found if the archive were unpacked into a folder.

    Where all files lie in one top folder, names are taken from there. Of two members with one name the later counts.
    A member whose name leads out of the archive is kept without a label, and with a fault.

    Args:
        members: Every file of the archive, with the names it has there; links and devices too, folders not.
        read: Reads a member's bytes; called for a dataset.json only.
        folders: Names of the folders that the archive lists; read once all members are.
        use_labels: Whether folders are classes where there is no dataset.json.
        data: The user's word for the archive, for messages.

    Raises:
        ValueError: No picture in it, or labels that cannot be had.
    """
    inside: dict[str, Member] = {}
    outside: dict[str, Member] = {}
    tops: set[str] = set()
    ignored = collections.Counter[str]()
    for member in members:
        name, fault = clean_name(member.name)
        if fault:
            outside[name] = member._replace(fault=fault)
        elif name and not any(map(is_left_out, name.split("/"))):
            inside[name] = member
            if len(tops) < 2:
                top, slash, _ = name.partition("/")
                tops.add(top + slash)
        elif is_hidden_image(posixpath.basename(name)) and not any(map(is_left_out, name.split("/")[:-1])):
            ignored[kind_of_other(name)] += 1
    top = next(iter(tops)) if len(tops) == 1 else ""
    cut = len(top) if top.endswith("/") else 0
    files = [member._replace(name=name[cut:]) for name, member in inside.items()]
    files += [member._replace(name=name) for name, member in outside.items()]
    label_files = {
        member.name: functools.partial(_read_trusted, member, read)
        for member in files
        if member.regular and member.name not in outside and is_labels_file(member.name)
    }
    pictures: list[Member] = []
    others: list[Member] = []
    for member in files:
        if member.name not in label_files:
            (pictures if member.regular and is_image_name(member.name) else others).append(member)
    pictures.sort()
    ignored.update(kind_of_other(member.name, is_file=member.regular) for member in others)
    if not pictures:
        container = next((member.name for member in others if is_container(member.name)), "")
        hint = f"It holds {container!r}: unpack that first. " if container else ""
        raise no_images_error("archive", ignored, hint, data)
    labels = find_labels(
        [None if member.name in outside else member.name for member in pictures],
        label_files,
        _folders(inside, folders, top[:cut]),
        use_labels=use_labels,
        data=data,
    )
    return Selection(pictures, labels, ignored)


def _read_trusted(member: Member, read: Callable[[Member], bytes]) -> bytes:
    refuse(member.fault)
    require_readable_size(member.size)
    return read(member)


def _folders(names: Iterable[str], listed: Iterable[str], top: str) -> set[str]:
    """The folders below `top` in which files lie, and those that are listed."""
    every = {posixpath.dirname(name) for name in names}
    every.update(name for name, fault in map(clean_name, listed) if not fault)
    below = {path.removeprefix(top) for path in every if path.startswith(top)} - {""}
    return {path for path in below if not any(map(is_left_out, path.split("/")))}


def clean_name(name: str) -> tuple[str, str]:
    """A member's relative path without empty parts, and what is wrong with it, if anything.

    Nothing is ever unpacked, so that a name cannot do harm; but an archive that holds such ones was made to.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if "\\" in name:
        return name, "its name has backslashes; pack it again with / between folders"
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return name, "its name is an absolute path"
    if ".." in parts:
        return name, "its name leads out of the archive"
    return "/".join(parts), ""


def size_fault(size: int) -> str:
    """What is wrong with a member of this size; empty if nothing."""
    if 0 <= size <= MAX_MEMBER_BYTES:
        return ""
    return f"it claims to have {size:,} bytes, and an image may have {MAX_MEMBER_BYTES:,}"


def refuse(fault: str) -> None:
    """Raises UnusableImageError if there is a fault."""
    if fault:
        raise UnusableImageError(fault)


def open_bytes(content: bytes, size: int) -> Image.Image:
    """Opens a member's picture.

    Raises:
        UnusableImageError: Fewer bytes than the archive says, or no picture.
        Exception: Whatever Pillow's readers raise.
    """
    if len(content) != size:
        refuse(f"it has {len(content):,} bytes where the archive says {size:,}")
    return open_image(io.BytesIO(content))


def damaged(error: Exception, data: str) -> UserError:
    """The error for an archive that cannot be listed."""
    return UserError(
        f"The archive is damaged or cut off ({type(error).__name__}: {error}). Copy or download it again. "
        f"Received: data={data!r}."
    )
