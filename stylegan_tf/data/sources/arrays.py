"""Pictures in NumPy arrays: .npy and .npz files, the built-in portraits, and what other readers load into memory."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from stylegan_tf.data.array_files import map_npy, read_npz
from stylegan_tf.data.sources.base import Item, Source, digest
from stylegan_tf.data.sources.labels import (
    NO_LABELS,
    Labels,
    UnusableLabelsError,
    labels_if_usable,
    numbered_labels,
    require_labels,
)
from stylegan_tf.data.sources.listing import file_state, state_text
from stylegan_tf.errors import UserError

BUILT_IN = "portraits"
BUILT_IN_SIZE = 32  # pixels, height and width

_PORTRAITS_FILE = pathlib.Path(__file__).parents[1] / "portraits.npz"


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayItem(Item):
    """A picture in memory.

    Attributes:
        pixels: uint8 `[height, width]` or `[height, width, channels]`, or uint16 `[height, width]`.
    """

    pixels: np.ndarray = dataclasses.field(repr=False)

    @property
    def held_bytes(self) -> int:
        return self.pixels.nbytes

    def open(self) -> Image.Image:
        """Makes a Pillow image of the pixels."""
        return to_image(self.pixels)


@dataclasses.dataclass(frozen=True)
class RowItem(Item):
    """A picture in a .npy file, which the process that opens it maps into memory.

    Attributes:
        path: The file.
        number: The picture's row.
    """

    path: str
    number: int

    def open(self) -> Image.Image:
        """Reads the row."""
        return to_image(_open_rows(self.path, file_state(self.path))[self.number])


class ArraySource(Source):
    """Pictures in one array.

    Args:
        data: The user's word for them.
        kind: What they were found to be.
        images: As `images_of_array` gives them.
        labels: Theirs.
        signature: What the signature depends on besides the labels.
        path: The .npy file that holds them, if items shall read it themselves.
    """

    def __init__(
        self,
        data: str,
        kind: str,
        images: np.ndarray,
        labels: Labels,
        *,
        signature: Iterable[str | bytes],
        path: str | None = None,
    ) -> None:
        self.name, self.kind = data, kind
        self.label_names, self.label_notes = labels.names, labels.notes
        self.channels = 1 if images.ndim == 3 else images.shape[-1]
        self._images, self._labels, self._path = images, labels, path
        self._signature = list(signature)

    def __len__(self) -> int:
        return len(self._images)

    def items(self, start: int = 0) -> Iterator[Item]:
        """Gives the rows from number `start` on."""
        for number in range(start, len(self._images)):
            if self._path is not None:
                yield RowItem(str(number), self._labels[number], self._path, number)
            else:
                # a plain array: a mapped one would not survive being sent to another process
                yield ArrayItem(str(number), self._labels[number], np.asarray(self._images[number]))

    def signature(self) -> str:
        """Of the file's state or the pictures' contents, and of the labels."""
        return digest([*self._signature, *self._labels.parts()])


def open_portraits() -> Source:
    """The built-in set: 2,339 emoji portraits of 32x32 in RGB, labelled with their drawing style."""
    with np.load(_PORTRAITS_FILE, allow_pickle=False) as arrays:
        images, names = arrays["images"], tuple(arrays["label_names"].tolist())
        labels = numbered_labels(arrays["labels"], len(images), str(_PORTRAITS_FILE), names)
    contents = hashlib.sha256(images.data).digest()
    return ArraySource(BUILT_IN, "built-in set", images, labels, signature=[contents])


def open_npy(data: str, path: str, *, use_labels: bool = False) -> Source:
    """The rows of a .npy file, which stay on disk until they are asked for.

    Raises:
        ValueError: A damaged file, one with pickled objects, an array of another shape or type, or labels asked for.
    """
    path = os.path.abspath(path)
    require_labels(NO_LABELS, use_labels, "the file must be a .npz that holds an array 'labels'", data)
    try:
        rows = map_npy(path)
    except (ValueError, OSError) as error:
        raise _unreadable(data, error) from error
    images = images_of_array(rows, data)
    return ArraySource(data, "NumPy array", images, NO_LABELS, signature=[state_text(path)], path=path)


def open_npz(data: str, path: str, *, use_labels: bool = False) -> Source:
    """The array `images` of a .npz file, with `labels` and `label_names` if they are there.

    Raises:
        ValueError: A damaged file, one with pickled objects or without `images`, an array of another shape or type,
            or labels asked for where there are none.
    """
    try:
        arrays, held = read_npz(path, ("images",))
    except (ValueError, OSError, MemoryError) as error:
        raise _unreadable(data, error) from error
    if "images" not in arrays:
        raise UserError(f"A .npz file must hold an array 'images'. Received: data={data!r} with {held}.")
    images = images_of_array(arrays["images"], data)
    labels = labels_if_usable(lambda: _npz_labels(path, len(images), data), use_labels=use_labels)
    require_labels(labels, use_labels, f"a .npz file must hold an array 'labels' (this one holds {held})", data)
    return ArraySource(data, "NumPy arrays", images, labels, signature=[state_text(path)])


def _npz_labels(path: str, count: int, data: str) -> Labels:
    try:
        arrays, _ = read_npz(path, ("labels", "label_names"))
    except (ValueError, OSError, MemoryError) as error:
        raise UnusableLabelsError(str(_unreadable(data, error))) from error
    if "labels" not in arrays:
        return NO_LABELS
    names = tuple(map(str, arrays["label_names"].ravel().tolist())) if "label_names" in arrays else None
    return numbered_labels(arrays["labels"], count, f"data={data!r}", names)


def images_of_array(images: np.ndarray, data: str) -> np.ndarray:
    """Images as `[N, height, width]` (grey) or `[N, height, width, channels]`, as a view where possible.

    Args:
        images: uint8, of these shapes or `[N, channels, height, width]`, with 1, 3 or 4 channels. Channels that could
            come first or last come last. Or uint16 and grey.
        data: The user's word for them, for messages.

    Raises:
        ValueError: Another shape or type.
    """
    rows = images
    if rows.ndim == 4 and rows.shape[-1] not in (1, 3, 4) and rows.shape[1] in (1, 3, 4):
        rows = rows.transpose(0, 2, 3, 1)
    if rows.ndim == 4 and rows.shape[-1] == 1:
        rows = rows[..., 0]
    shape_fits = rows.ndim == 3 or (rows.ndim == 4 and rows.shape[-1] in (3, 4))
    type_fits = rows.dtype == np.uint8 or (rows.dtype.kind == "u" and rows.dtype.itemsize == 2 and rows.ndim == 3)
    if not shape_fits or not type_fits or 0 in rows.shape:
        raise UserError(
            "images must be uint8 of shape [N, height, width] or [N, height, width, channels] with N at least 1 and "
            "1, 3 or 4 channels, or uint16 and grey; values from 0 to 1 are to be multiplied by 255. "
            f"Received: {images.dtype} of shape {images.shape} in data={data!r}."
        )
    return rows


def to_image(pixels: np.ndarray) -> Image.Image:
    """A Pillow image of a row of `images_of_array`."""
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.uint16)  # in the machine's byte order
    return Image.fromarray(np.ascontiguousarray(pixels))


@functools.lru_cache(maxsize=4)
def _open_rows(path: str, state: tuple[int, int]) -> np.ndarray:
    """Kept open by each process, as long as the file stays as it was."""
    return images_of_array(map_npy(path), path)


def _unreadable(data: str, error: Exception) -> UserError:
    """The error for whatever a damaged array file raised."""
    return UserError(
        "An array file could not be read. It must be whole, and hold numbers, not pickled objects: save it again "
        f"with numpy.save or numpy.savez. Received: data={data!r} ({str(error) or type(error).__name__})."
    )
