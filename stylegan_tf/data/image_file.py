"""Opens image files, and says in plain words why a picture could not be read."""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import struct
import warnings
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError, features

from stylegan_tf.data.png_notes import tolerate_notes
from stylegan_tf.errors import UserError
from stylegan_tf.invocation import install
from stylegan_tf.printing import printable

_LONGEST_REASON = 200
_HEAD = 512  # bytes that tell what a file is
_UNKNOWN = "no image format that Pillow knows"
_STARTS = {
    b"version https://git-lfs": "a Git LFS pointer, not the picture itself; fetch it with 'git lfs pull'",
    b"<!doctype html": "a web page, not a picture",
    b"<html": "a web page, not a picture",
    b"%pdf": "a PDF document, not a picture",
    b"pk\x03\x04": "a ZIP archive, not a picture",
    b"\xff\x0a": "JPEG XL, which Pillow cannot read; convert it to PNG or JPEG",
    b"\0\0\0\x0cjxl ": "JPEG XL, which Pillow cannot read; convert it to PNG or JPEG",
}
_KNOWN_STARTS = {
    b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"RIFF": "WebP",
    b"BM": "BMP", b"icns": "ICNS", b"8BPS": "PSD",
}  # fmt: skip
_CUT_SHORT = (
    "truncated", "end of file", "eof", "not enough data", "not enough image data", "incomplete header", "but only got",
)  # fmt: skip
_CONTAINERS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"), "HEIC"),
}

# What Pillow says of odd but readable files, and of large ones, would go to stderr, once from every process.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)
tolerate_notes()


class UnusableImageError(UserError):
    """A file that is no picture, or a picture that 8 bits a channel cannot be made of; says why in plain words."""


def open_image(file: str | os.PathLike[str] | BinaryIO) -> Image.Image:
    """Opens a picture as `PIL.Image.open` does, which decodes no pixels yet; HEIC, too, where pillow-heif is installed.

    Raises:
        UnusableImageError: The file is empty or no picture; says what it seems to be.
        Exception: Of any other kind, as Pillow's readers raise nearly every type there is.
    """
    try:
        return Image.open(file)
    except UnidentifiedImageError as error:
        head = _head(file)
        if _container(head) == "HEIC" and reads_heif():
            return _open_heif(file)
        raise UnusableImageError(_kind_of_file(head)) from error


@functools.cache
def reads_heif() -> bool:
    """Whether HEIC and HEIF can be read, which needs pillow-heif."""
    return importlib.util.find_spec("pillow_heif") is not None


@functools.cache
def reads_avif() -> bool:
    """Whether AVIF can be read, as Pillow's packages do from 11.3 on."""
    return "avif" in features.modules and bool(features.check("avif"))


def _open_heif(file: str | os.PathLike[str] | BinaryIO) -> Image.Image:
    from pillow_heif import HeifImageFile, register_heif_opener  # loads a large library, which few need

    if HeifImageFile.format not in Image.OPEN:
        register_heif_opener()
    try:
        return Image.open(file)
    except UnidentifiedImageError as error:
        raise UnusableImageError("the HEIC file is damaged or ends early") from error


def reason(error: BaseException) -> str:
    """Says in one short line why a picture could not be read, for a report that names the picture itself."""
    if isinstance(error, UnusableImageError):
        text = str(error)
    elif isinstance(error, UnidentifiedImageError):
        text = _UNKNOWN
    elif isinstance(error, Image.DecompressionBombError):
        text = f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels: a decompression bomb?"
    elif isinstance(error, PermissionError):
        text = "permission denied"
    elif isinstance(error, FileNotFoundError):
        text = "the file is not there any more"
    elif isinstance(error, MemoryError):
        text = "not enough memory to decode it"
    elif _ends_early(error):
        text = "the file ends early (truncated)"
    elif isinstance(error, (OSError, SyntaxError)) and getattr(error, "errno", None) is None:
        text = f"the file is damaged ({error})"
    else:
        text = f"{type(error).__name__}: {error}"
    line = printable(" ".join(text.split()))
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"


def _ends_early(error: BaseException) -> bool:
    if isinstance(error, (EOFError, struct.error)):
        return True
    text = str(error).lower()
    return isinstance(error, (OSError, SyntaxError, ValueError)) and any(words in text for words in _CUT_SHORT)


def _head(file: str | os.PathLike[str] | BinaryIO) -> bytes:
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as opened:
            return opened.read(_HEAD)
    file.seek(0)
    return file.read(_HEAD)


def _kind_of_file(head: bytes) -> str:
    """What a file that Pillow does not know seems to be, from how it starts."""
    if not head:
        return "the file is empty"
    if not head.strip(b"\0"):
        return "the file holds zeros instead of a picture"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in start):
        return "an SVG drawing, which Pillow cannot read; render it to PNG"
    if head[4:8] == b"ftyp":
        return _kind_of_container(_container(head))
    for signature, name in _KNOWN_STARTS.items():
        if head.startswith(signature):
            return f"the {name} file is damaged near its beginning or ends early"
    known = next((text for signature, text in _STARTS.items() if start.startswith(signature)), None)
    return known or _UNKNOWN


def _container(head: bytes) -> str:
    """What kind of picture a file of the ISO base media format is, "HEIC" or "AVIF"; empty for anything else."""
    return _CONTAINERS.get(head[8:12], "") if head[4:8] == b"ftyp" else ""


def _kind_of_container(kind: str) -> str:
    if not kind:
        return "a video or another kind of file, not a picture"
    if kind == "HEIC" or not reads_avif():
        return f"{kind}; convert it to PNG or JPEG, or install what reads it: {install('heif')}"
    return "the AVIF file is damaged or ends early"
