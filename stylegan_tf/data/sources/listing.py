"""Which files of a folder or an archive are pictures, and what is said of the others."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping

from stylegan_tf.data.image_file import reads_avif, reads_heif
from stylegan_tf.errors import UserError
from stylegan_tf.invocation import install
from stylegan_tf.printing import printable
from stylegan_tf.progress import counted

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".apng", ".bmp", ".dds", ".dib", ".gif", ".icns", ".ico", ".j2c", ".j2k", ".jfi", ".jfif", ".jif", ".jp2",
    ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jps", ".jpx", ".mpo", ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".pns",
    ".ppm", ".psd", ".qoi", ".ras", ".sgi", ".tga", ".tif", ".tiff", ".webp", ".xbm", ".xpm",
))
# fmt: on
_HEIF_SUFFIXES = (".heic", ".heics", ".heif", ".heifs", ".hif")
_AVIF_SUFFIXES = (".avif", ".avifs")
_WITH_EXTRA = _HEIF_SUFFIXES + _AVIF_SUFFIXES
_SIZE_WORD = re.compile("[_:-](large|medium|orig|small|thumb)$")  # photo.jpg_large, as saved from the web
_CONTAINER_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".npy", ".npz", ".tfrecords", ".tfrecord")

# In small letters: what macOS puts into archives, and thumbnails, deleted files and older states of all others on disks
# of Synology, QNAP and Windows.
_SYSTEM_FOLDERS = frozenset(
    ("__macosx", "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "$recycle.bin")
)

_NO_ENDING = "no ending"
_NO_FILE = "link or device"
_LONGEST_ENDING = 13  # characters; what follows a dot in longer ones is the rest of a name
_SHOWN = 20  # endings


def is_image_name(name: str) -> bool:
    """Whether a file has the ending of a kind of image that can be read here."""
    suffix = posixpath.splitext(name)[1].lower()
    if suffix in IMAGE_SUFFIXES or _SIZE_WORD.sub("", suffix) in IMAGE_SUFFIXES:
        return True
    return (suffix in _HEIF_SUFFIXES and reads_heif()) or (suffix in _AVIF_SUFFIXES and reads_avif())


def is_left_out(part: str) -> bool:
    """Whether a file or folder of this name is passed over: hidden ones, and folders that a system keeps for itself."""
    return part.startswith(".") or part.lower() in _SYSTEM_FOLDERS


def is_hidden_image(part: str) -> bool:
    """Whether a file of this name would be a picture if it were not hidden; not what macOS keeps beside each file."""
    return part.startswith(".") and not part.startswith("._") and is_image_name(part)


def needs_extra(name: str) -> bool:
    """Whether a file has the ending of a kind of image that can be read where the extra is installed."""
    return kind_of_other(name) in _WITH_EXTRA


def is_container(name: str) -> bool:
    """Whether a file's ending is one of files that hold many pictures."""
    return name.lower().endswith(_CONTAINER_SUFFIXES)


def kind_of_other(name: str, *, is_file: bool = True) -> str:
    """As what a file that is not read as a picture is counted: its ending in small letters, "no ending", and so on."""
    if not is_file:
        return _NO_FILE
    suffix = posixpath.splitext(name)[1].lower()
    if not 1 < len(suffix) <= _LONGEST_ENDING or any(map(str.isspace, suffix)):
        suffix = _NO_ENDING
    return f"hidden {suffix}" if posixpath.basename(name).startswith(".") else suffix


def others_text(others: Mapping[str, int]) -> str:
    """Tells in one line of files that are left out, such as "9 other files (.heic 8, .txt 1)", and how to read them.

    Args:
        others: Their numbers by `kind_of_other`.
    """
    readable = _readable_with_extra(others)
    advice = f"; to read {readable}: {install('heif')}" if readable else ""
    return f"{counted(sum(others.values()), 'other file')} ({counts_text(others)}){advice}"


def counts_text(others: Mapping[str, int]) -> str:
    """Numbers by ending, the largest first, such as ".heic 8, .txt 1"."""
    pairs = sorted(others.items(), key=lambda pair: (-pair[1], pair[0]))
    text = ", ".join(f"{printable(kind)} {count:,}" for kind, count in pairs[:_SHOWN])
    more = sum(count for _, count in pairs[_SHOWN:])
    return f"{text}, and {more:,} with other endings" if more else text


def no_images_error(place: str, others: Mapping[str, int], hint: str, data: str) -> UserError:
    """The error for a folder or an archive without a picture.

    Args:
        place: "folder" or "archive".
        others: The numbers of its files by `kind_of_other`.
        hint: A sentence on what to give instead; empty for what can be told from the endings.
        data: The user's word for it.
    """
    found = f" ({counts_text(others)})" if others else ""
    subfolders = "subfolders" if place == "folder" else "folders"
    return UserError(
        f"The {place} must hold images (.png, .jpg, .webp and others that Pillow reads), in itself or in {subfolders}; "
        f"none was found among {counted(sum(others.values()), 'file')}{found}. {hint or _advice(others)}"
        f"Received: data={data!r}."
    )


def _advice(others: Mapping[str, int]) -> str:
    """What makes pictures of files that are none so far; each sentence ends with a space."""
    text = ""
    if readable := _readable_with_extra(others):
        text = f"Convert {readable} to PNG or JPEG, or install what reads it: {install('heif')}. "
    elif any(kind.startswith(".") for kind in others):
        text = "Convert pictures of other kinds to PNG or JPEG. "
    if _NO_ENDING in others:
        text += "Give pictures without an ending one, such as .jpg. "
    if any(kind.startswith("hidden") for kind in others):
        text += "Names that begin with a dot are skipped. "
    return text


def _readable_with_extra(others: Mapping[str, int]) -> str:
    """The endings of these that could be read if the extra were installed."""
    return ", ".join(sorted(kind for kind in others if kind in _WITH_EXTRA))


def file_state(path: str) -> tuple[int, int]:
    """A file's size in bytes and time of change in nanoseconds.

    Raises:
        OSError: There is no such file.
    """
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns


def state_text(path: str) -> str:
    """A file's size and time of change, for signatures."""
    try:
        return "{} {}".format(*file_state(path))
    except OSError:
        return "missing"
