"""Sets of images of one shape, at every resolution of the growing schedule, from which any images can be read."""

from __future__ import annotations

import abc
import functools
import hashlib
import threading
import types
from collections.abc import Iterable, Mapping

import numpy as np

from stylegan_tf.configuration.resolutions import MAX_LEVELS
from stylegan_tf.data.pyramid import image_pyramid
from stylegan_tf.data.sources.base import digest
from stylegan_tf.errors import UserError

CHANNELS = (1, 3, 4)
LARGEST_SIDE = 2**16  # pixels
MAX_HALVINGS = MAX_LEVELS - 1

DIGEST_BYTES = 8


class ImageSet(abc.ABC):
    """A set of images of one shape, and its halvings.

    Attributes:
        name: Where the images came from, for messages and logs.
        sizes: Height and width by the number of halvings; the first is the full size.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        label_names: What the labels mean; empty for a set without labels.
        label_notes: What a user should know of the classes.
        ignored: Numbers of the files beside the images that are not read as pictures, by ending, where the set was
            made from a source just now.
        form_notes: What pictures lost on their way, likewise, where it was asked for.
    """

    name: str
    sizes: tuple[tuple[int, int], ...]
    channels: int
    label_names: tuple[str, ...]
    label_notes: tuple[str, ...] = ()
    ignored: Mapping[str, int] = types.MappingProxyType({})
    form_notes: tuple[str, ...] = ()

    @abc.abstractmethod
    def __len__(self) -> int:
        """Number of images, at least 1."""

    @abc.abstractmethod
    def read(self, halvings: int, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Reads images by their numbers.

        Args:
            halvings: 0 for the full size, below `num_levels`.
            indices: int64 `[n]`, from 0 to `len(self) - 1`.

        Returns:
            uint8 `[n, height, width, channels]`, which belongs to the caller, and labels, int32 `[n]`, or None for a
            set without labels.
        """

    @property
    @abc.abstractmethod
    def fingerprint(self) -> str:
        """16 hexadecimal digits that depend on the full images and their order alone."""

    @property
    @abc.abstractmethod
    def labels_fingerprint(self) -> str:
        """16 hexadecimal digits that depend on the labels and their names alone."""

    @property
    def num_levels(self) -> int:
        """Number of sizes."""
        return len(self.sizes)

    @property
    def num_classes(self) -> int:
        """Number of classes, 0 for a set without labels."""
        return len(self.label_names)

    def image_shape(self, halvings: int = 0) -> tuple[int, int, int]:
        """Height, width and channels after so many halvings.

        Raises:
            ValueError: The set has no such level.
        """
        if not 0 <= halvings < self.num_levels:
            raise UserError(f"halvings must be from 0 to {self.num_levels - 1}. Received: halvings={halvings}.")
        return *self.sizes[halvings], self.channels


class ArrayImageSet(ImageSet):
    """A set of images held in memory. Its halvings, made when first read, add up to a third.

    Args:
        images: uint8, `[N, height, width, channels]`, N at least 1; 1, 3 or 4 channels (grey, RGB, RGBA).
        labels: int32, `[N]`, indices into `label_names`; None for a set without labels.
        label_names: What the labels mean; empty without labels.
        name: Where the images came from.

    Raises:
        ValueError: An array with another shape or type, or a label without a name.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        label_names: tuple[str, ...] = (),
        name: str = "images",
    ) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in CHANNELS or 0 in images.shape:
            raise UserError(
                "images must be uint8 of shape [N, height, width, channels] with N at least 1 and 1, 3 or 4 "
                f"channels. Received: {images.dtype} of shape {images.shape}."
            )
        if labels is None:
            if label_names:
                raise UserError(f"label_names need labels. Received: label_names={label_names}.")
        elif labels.dtype != np.int32 or labels.shape != (len(images),):
            raise UserError(
                f"labels must be int32 of shape [{len(images)}], one for each image. "
                f"Received: {labels.dtype} of shape {labels.shape}."
            )
        elif labels.min() < 0 or labels.max() >= len(label_names):
            raise UserError(
                f"labels must lie from 0 to {len(label_names) - 1}, as there are {len(label_names)} label_names. "
                f"Received: {labels.min()} to {labels.max()}."
            )
        self.images, self.labels, self.label_names, self.name = images, labels, label_names, name
        _, height, width, self.channels = images.shape
        self.sizes = halved_sizes((height, width))
        self._levels = [images]
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.images)

    def read(self, halvings: int, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        self.image_shape(halvings)
        with self._lock:  # several threads may come first, for several levels
            if halvings >= len(self._levels):
                self._levels = image_pyramid(self.images, halvings + 1)
        return self._levels[halvings][indices], None if self.labels is None else self.labels[indices]

    @functools.cached_property
    def fingerprint(self) -> str:
        return images_fingerprint(self.images.shape[1:], map(image_digest, self.images))

    @property
    def labels_fingerprint(self) -> str:
        return labels_fingerprint(self.label_names, [] if self.labels is None else [self.labels])


def halved_sizes(size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """The size, its half, and so on, as long as both sides are even, at most `MAX_HALVINGS` times."""
    sizes = [size]
    while len(sizes) <= MAX_HALVINGS and not (sizes[-1][0] % 2 or sizes[-1][1] % 2):
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return tuple(sizes)


def image_digest(image: np.ndarray) -> bytes:
    """Eight bytes that depend on the pixels of an image, uint8 `[height, width, channels]`."""
    return hashlib.sha256(np.ascontiguousarray(image).data).digest()[:DIGEST_BYTES]


def images_fingerprint(image_shape: tuple[int, ...], digests: Iterable[bytes]) -> str:
    """16 hexadecimal digits for the images of a set.

    Args:
        image_shape: Height, width and channels.
        digests: `image_digest` of the images in order, one or several at a time.
    """
    state = hashlib.sha256()
    for part in digests:
        state.update(part)
    return digest([repr(tuple(image_shape)), state.digest()])


def labels_fingerprint(label_names: tuple[str, ...], labels: Iterable[np.ndarray]) -> str:
    """16 hexadecimal digits for the labels of a set: int32 arrays in the order of the images, of any lengths."""
    state = hashlib.sha256()
    for array in labels:
        state.update(array.astype("<i4").tobytes())
    return digest([*label_names, state.digest()])
