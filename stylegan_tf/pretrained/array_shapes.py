"""What is asked of the names and shapes of published arrays, whatever the family."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from stylegan_tf.configuration.resolutions import MAX_LEVELS
from stylegan_tf.pretrained.published_file import require_field

Arrays = Mapping[str, np.ndarray]
# Settings by the names of our configuration's fields, num_classes among them; and feature maps by level.
Structure = tuple[dict[str, Any], dict[int, int]]

_LARGEST_SIDE = 2048


def array_shape(arrays: Arrays, name: str, dimensions: int) -> tuple[int, ...]:
    """The shape of an array, which must be there and have so many dimensions."""
    require_field(name in arrays, f"array {name}", "there", described="none")
    shape = arrays[name].shape
    fits = len(shape) == dimensions and min(shape) > 0
    require_field(fits, f"array {name}", f"{dimensions}-dimensional", described=str(shape))
    return shape


def sides_of(arrays: Arrays, pattern: str) -> list[int]:
    """The resolutions in the names of arrays: each twice the one before."""
    sides = sorted({int(match[1]) for name in arrays if (match := re.match(pattern, name))})
    doubled = bool(sides) and len(sides) <= MAX_LEVELS and sides == [sides[0] << n for n in range(len(sides))]
    require_field(
        doubled and sides[-1] <= _LARGEST_SIDE,
        "resolutions",
        f"at most {MAX_LEVELS}, each twice the one before, and not above {_LARGEST_SIDE}",
        described=str(sides),
    )
    return sides


def count_of(names: Iterable[str], pattern: str) -> int:
    """How many names are of a pattern."""
    return sum(re.fullmatch(pattern, name) is not None for name in names)


def image_settings(sides: list[int], channels: int) -> dict[str, Any]:
    """Settings of the images that networks of these resolutions make."""
    require_field(channels in (1, 3, 4), "image channels", "1, 3 or 4", channels)
    return {"base_size": str(sides[0]), "resolution": str(sides[-1]), "channels": channels}
