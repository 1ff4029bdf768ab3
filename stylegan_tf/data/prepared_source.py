"""A prepared set as a source of pictures, to prepare it otherwise or to look at it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
from PIL import Image

from stylegan_tf.data.prepared import PreparedImageSet
from stylegan_tf.data.sources.base import Item, Source
from stylegan_tf.pictures import as_picture


@dataclasses.dataclass(frozen=True)
class PreparedItem(Item):
    """An image of a prepared set."""

    directory: str
    index: int

    def open(self) -> Image.Image:
        """Reads the image at the set's full size."""
        images, _ = _opened(self.directory).read(0, np.array([self.index]))
        return as_picture(images[0])


@functools.lru_cache(maxsize=2)
def _opened(directory: str) -> PreparedImageSet:
    return PreparedImageSet(directory)


class PreparedSource(Source):
    """A prepared set as a source of pictures, to prepare it otherwise or to look at it."""

    kind = "prepared set"

    def __init__(self, image_set: PreparedImageSet) -> None:
        self.name = image_set.name
        self.label_names = image_set.label_names
        self.channels = image_set.channels
        self._set = image_set

    def __len__(self) -> int:
        return len(self._set)

    def items(self, start: int = 0) -> Iterator[Item]:
        """Gives the images from number `start` on."""
        smallest = self._set.num_levels - 1
        for index in range(start, len(self)):
            label = -1
            if self.label_names:
                _, labels = self._set.read(smallest, np.array([index]))
                label = int(labels[0])  # type: ignore[index]
            yield PreparedItem(str(index), label, str(self._set.directory), index)

    def signature(self) -> str:
        """The set's fingerprint."""
        return self._set.fingerprint
