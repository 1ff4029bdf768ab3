"""Files in the idx format, which MNIST and the sets after it come in.

The format: two zero bytes, the type of the numbers, how many axes there are, the length of each (uint32, big endian),
and the numbers. Reference: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from stylegan_tf.data.sources.arrays import ArraySource, images_of_array
from stylegan_tf.data.sources.base import Source
from stylegan_tf.data.sources.labels import (
    NO_LABELS,
    Labels,
    UnusableLabelsError,
    labels_if_usable,
    numbered_labels,
    require_labels,
)
from stylegan_tf.data.sources.listing import state_text
from stylegan_tf.errors import UserError
from stylegan_tf.zip_files import unpacked_limit

_UINT8 = 0x08
_BLOCK_BYTES = 2**24
_TYPES = range(0x08, 0x0F)
_IMAGES_NAME = re.compile(r"(?P<set>.*)images(?P<dot>[-.])idx3(?P<end>.*)", re.DOTALL)
_SPLITS = re.compile(r"train|t10k|test")


def is_idx(header: bytes) -> bool:
    """Whether a file, uncompressed, begins as an idx file does."""
    return len(header) >= 4 and header[:2] == b"\0\0" and header[2] in _TYPES and 1 <= header[3] <= 4


def find_image_files(names: list[str]) -> list[str]:
    """The idx image files among a folder's files, in order of names; of one with and without .gz, the latter."""
    found = {name for name in names if _IMAGES_NAME.fullmatch(name) and name.endswith(("ubyte", "ubyte.gz"))}
    return sorted(name for name in found if name.removesuffix(".gz") == name or name.removesuffix(".gz") not in found)


def open_idx_folder(data: str, folder: str, names: list[str], *, use_labels: bool = False) -> Source:
    """All idx image files of a folder, such as a training and a test set, as one source.

    Args:
        data: The user's word for the folder.
        folder: Its path.
        names: As `find_image_files` gives them.
        use_labels: Whether labels must be there.

    Raises:
        ValueError: Damaged files, files of several data sets or sizes, labels for some of them alone, or none where
            they were asked for.
    """
    sets = {_SPLITS.sub("", name.removesuffix(".gz")) for name in names}
    if len(sets) > 1:
        raise UserError(
            "A folder of idx files must hold one data set, a training set and a test set at most; give the path of "
            f"one file instead. Received: data={data!r} with {names}."
        )
    return _open_files(data, [os.path.join(folder, name) for name in names], use_labels)


def open_idx_file(data: str, path: str, *, use_labels: bool = False) -> Source:
    """The images of one idx file; labels from the file beside it whose name has labels-idx1 for images-idx3.

    Raises:
        ValueError: A damaged file, one that holds no images, or labels asked for where there are none.
    """
    return _open_files(data, [path], use_labels)


def read_idx(path: str) -> np.ndarray:
    """Reads an idx file of bytes, as it is or compressed with gzip; the former is mapped into memory.

    Returns:
        uint8, of as many axes as the file says.

    Raises:
        ValueError: Another format or type, or a file that is shorter or longer than it says.
    """
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"\x1f\x8b":
                file.seek(0)
                shape = _read_shape(file, path)
                _check_size(os.path.getsize(path) - file.tell(), shape, path)
                return np.memmap(file, np.uint8, "r", file.tell(), shape)
        with gzip.open(path, "rb") as unpacked:
            shape = _read_shape(unpacked, path)
            limit = unpacked_limit(path)
            if math.prod(shape) > limit:
                raise UserError(
                    f"A compressed idx file may unpack to {limit:,} bytes; unpack it first. "
                    f"Received: {path!r} of shape {list(shape)}."
                )
            content = b"".join(_blocks(unpacked, math.prod(shape) + 1))
            _check_size(len(content), shape, path)
            return np.frombuffer(content, np.uint8).reshape(shape)
    except (OSError, EOFError, zlib.error, MemoryError, OverflowError) as error:
        raise UserError(
            f"An idx file is damaged or cut off; download it again. Received: {path!r} ({error})."
        ) from error


def _blocks(file: BinaryIO | gzip.GzipFile, size: int) -> Iterator[bytes]:
    """The next `size` bytes, or all that there are; in blocks, as memory would be taken for all of them otherwise."""
    while size and (block := file.read(min(size, _BLOCK_BYTES))):
        yield block
        size -= len(block)


def _read_shape(file: BinaryIO | gzip.GzipFile, path: str) -> tuple[int, ...]:
    header = file.read(4)
    if not is_idx(header):
        raise UserError(f"An idx file must begin with 0, 0, a type and a number of axes. Received: {path!r}.")
    if header[2] != _UINT8:
        raise UserError(
            f"An idx file must hold unsigned bytes (type 0x08). Received: type {header[2]:#04x} in {path!r}."
        )
    lengths = file.read(4 * header[3])
    if len(lengths) < 4 * header[3]:
        raise EOFError("it ends within its header")
    shape = struct.unpack(f">{header[3]}I", lengths)
    if 0 in shape:
        raise UserError(f"An idx file must hold something. Received: {path!r} of shape {list(shape)}.")
    return shape


def _check_size(size: int, shape: tuple[int, ...], path: str) -> None:
    if size != math.prod(shape):
        more = "more" if size > math.prod(shape) else f"{size:,}"
        raise UserError(
            f"An idx file must hold as many bytes as its header says, {math.prod(shape):,} for the shape "
            f"{list(shape)}; download it again. Received: {more} in {path!r}."
        )


def _open_files(data: str, paths: list[str], use_labels: bool) -> Source:
    label_paths = [_find_labels(path) for path in paths]
    images = [_read_images(path) for path in paths]
    if len({array.shape[1:] for array in images}) > 1:
        raise UserError(
            "All idx files of a folder must hold images of one size; give the path of one file instead. "
            f"Received: data={data!r} with {[array.shape for array in images]}."
        )
    found = [path for path in label_paths if path is not None]
    all_images = images[0] if len(images) == 1 else np.concatenate(images)
    labels = labels_if_usable(
        lambda: _read_all_labels(found, [len(array) for array in images], data), use_labels=use_labels
    )
    advice = "a file with labels-idx1 for images-idx3 in its name must lie beside the images"
    require_labels(labels, use_labels, advice, data)
    states = [state_text(path) for path in (*paths, *found)]
    return ArraySource(data, "idx images", images_of_array(all_images, data), labels, signature=states)


def _find_labels(path: str) -> str | None:
    folder, name = os.path.split(path)
    match = _IMAGES_NAME.fullmatch(name)
    if match is None:
        return None
    beside = os.path.join(folder, f"{match['set']}labels{match['dot']}idx1{match['end']}").removesuffix(".gz")
    return next((candidate for candidate in (beside, f"{beside}.gz") if os.path.isfile(candidate)), None)


def _read_images(path: str) -> np.ndarray:
    images = read_idx(path)
    if images.ndim < 3:
        raise UserError(
            "An idx file of images has three axes (number, height, width); give the file whose name has images-idx3. "
            f"Received: {path!r} of shape {images.shape}."
        )
    return images


def _read_all_labels(paths: list[str], counts: list[int], data: str) -> Labels:
    if not paths:
        return NO_LABELS
    if len(paths) < len(counts):
        raise UnusableLabelsError(
            "Each idx file of images must have its labels beside it, or none of them; add the missing file or give "
            f"the path of one file. Received: data={data!r} with labels {[os.path.basename(path) for path in paths]}."
        )
    numbers = [_read_labels(path, count) for path, count in zip(paths, counts, strict=True)]
    return numbered_labels(np.concatenate(numbers), sum(counts), f"the label files of data={data!r}")


def _read_labels(path: str, count: int) -> np.ndarray:
    try:
        labels = read_idx(path)
    except ValueError as error:
        raise UnusableLabelsError(str(error)) from error
    if labels.shape != (count,):
        raise UnusableLabelsError(
            f"An idx file of labels must hold one for each of the {count} images beside it. "
            f"Received: shape {labels.shape} in {path!r}."
        )
    return labels
