"""Lists of seeds as people write them."""

from __future__ import annotations

import re

from stylegan_tf.errors import UserError

LARGEST_SEED = 2**63 - 1
MOST_SEEDS = 10_000_000

# The projector draws no sprite image larger than this; browsers limit textures to the same size.
LARGEST_SPRITE_PIXELS = 8192
LARGEST_THUMBNAIL_PIXELS = 64
MOST_POINTS = (LARGEST_SPRITE_PIXELS // LARGEST_THUMBNAIL_PIXELS) ** 2


def parse_seeds(text: str, name: str = "seeds") -> list[int]:
    """Reads numbers and ranges, both ends included: "1,5,9-12" is [1, 5, 9, 10, 11, 12].

    Args:
        text: The written form.
        name: What an error calls it.

    Raises:
        ValueError: When it is written otherwise, a range falls, or a number is above 2^63 - 1.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part, re.ASCII)
        if match is None:
            raise UserError(f"{name} must be whole numbers and ranges, such as 0-63 or 1,5,9-12. Received: {text!r}.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UserError(f"{name} must have ranges that rise, such as {last}-{first}. Received: {part.strip()!r}.")
        if last > LARGEST_SEED:
            raise UserError(f"{name} must be at most {LARGEST_SEED}. Received: {part.strip()!r}.")
        if len(seeds) + last - first + 1 > MOST_SEEDS:
            raise UserError(f"{name} must be at most {MOST_SEEDS:,} numbers. Received: {text!r}.")
        seeds.extend(range(first, last + 1))
    return seeds
