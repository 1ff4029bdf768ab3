"""Which files of a folder or an archive are pictures."""

from __future__ import annotations

import os
import posixpath

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".apng", ".avif", ".bmp", ".dds", ".dib", ".gif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg",
    ".jpg", ".jpx", ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi", ".ras", ".sgi", ".tga",
    ".tif", ".tiff", ".webp",
))
# fmt: on


def is_image_name(name: str) -> bool:
    """Whether a file's suffix is one of a kind of image that Pillow reads."""
    return posixpath.splitext(name)[1].lower() in IMAGE_SUFFIXES


def is_left_out(part: str) -> bool:
    """Whether a file or folder of this name is passed over: hidden ones, and what macOS puts into archives."""
    return part.startswith(".") or part == "__MACOSX"


def file_state(path: str) -> tuple[int, int]:
    """A file's size in bytes and time of change in nanoseconds.

    Raises:
        OSError: there is no such file.
    """
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns


def state_text(path: str) -> str:
    """A file's size and time of change, for signatures."""
    try:
        return "{} {}".format(*file_state(path))
    except OSError:
        return "missing"
