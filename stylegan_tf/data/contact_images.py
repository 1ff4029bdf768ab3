"""A few pictures from all over a source, for a contact sheet."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterator

import numpy as np

from stylegan_tf.data.decode import PictureForm, to_pixels
from stylegan_tf.data.sources.base import Item, Source

_GROUND = "#f0f0f0"  # around pictures that are not square


def contact_images(source: Source, count: int, size: int) -> tuple[list[np.ndarray], list[str]]:
    """Takes evenly spaced pictures for a contact sheet; in place of a broken one, the next that can be read.

    Args:
        source: Where the pictures are.
        count: How many to take at most.
        size: Height and width of each, in pixels; pictures of another shape are padded with light grey.

    Returns:
        uint8 `[size, size, 3]` arrays, and the names of their pictures.
    """
    form = PictureForm((size, size), 3, "pad", _GROUND)
    images, names = [], []
    for items in _spaced(source, min(count, len(source))):
        for item in items:
            try:
                with item.open() as image:
                    images.append(to_pixels(image, form))
            except Exception:  # of any type; `inspect_source` tells of broken pictures
                continue
            names.append(item.name)
            break
    return images, names


def _spaced(source: Source, count: int) -> Iterator[Iterator[Item]]:
    """Gives `count` rows of successive items, which begin at equal distances."""
    edges = [number * len(source) // count for number in range(count + 1)]
    if source.random_access:
        for start, end in itertools.pairwise(edges):
            yield itertools.islice(source.items(start), end - start)
        return
    items = source.items()
    for start, end in itertools.pairwise(edges):
        row = itertools.islice(items, end - start)
        yield row
        collections.deque(row, maxlen=0)  # what was not asked for
