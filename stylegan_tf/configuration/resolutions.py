"""Sizes of images, the levels between them, and tables of values by resolution."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from stylegan_tf.errors import UserError

MAX_LEVELS = 9  # images are halved eight times at most (`data.pyramid`)


def parse_size(text: str, name: str) -> tuple[int, int]:
    """Reads "256" or "64x96" as (height, width). Raises ValueError, which tells the `name`, when it is neither."""
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text.strip())
    if match is None:
        raise UserError(f"{name} must be a size such as 256 or 64x96. Received: {text}.")
    return int(match[1]), int(match[2] or match[1])


def level_size(base_size: tuple[int, int], level: int) -> tuple[int, int]:
    """Height and width at a level: the base size times 2^level."""
    return base_size[0] << level, base_size[1] << level


def count_levels(size: tuple[int, int], base_size: tuple[int, int]) -> int:
    """Number of sizes (height, width) from `base_size` to `size`, each twice the one before.

    Raises:
        ValueError: Doubling does not lead there.
    """
    for levels in range(1, MAX_LEVELS + 1):
        if level_size(base_size, levels - 1) == size:
            return levels
    examples = ", ".join(f"{base_size[0] << n}x{base_size[1] << n}" for n in range(1, 5))
    fitting = fitting_base_size(size)
    other = f"--base_size={fitting[0]}x{fitting[1]}, which leads there" if fitting != size else "another --base_size"
    raise UserError(
        f"resolution must be the base size {base_size[0]}x{base_size[1]} doubled at most {MAX_LEVELS - 1} times "
        f"({examples}, ...); choose one of these or {other}. Received: resolution={size[0]}x{size[1]}."
    )


def fitting_base_size(size: tuple[int, int]) -> tuple[int, int]:
    """The smallest size that leads to another by doubling, no side below 4: 4x6 for 64x96; an odd one is its own."""
    for _ in range(MAX_LEVELS - 1):
        if size[0] % 2 or size[1] % 2 or min(size) < 8:
            break
        size = size[0] // 2, size[1] // 2
    return size


@dataclasses.dataclass(frozen=True)
class ResolutionTable:
    """Values by resolution: each holds from its resolution up to the next one named.

    Written "4:128,32:64,64:32": 128 from 4x4, 64 from 32x32, 32 from 64x64 up. A single number holds everywhere.
    The resolution of an image that is not square is the root of its area.

    Args:
        rows: Pairs of resolution and value, by rising resolution.
    """

    rows: tuple[tuple[int, float], ...]

    @classmethod
    def parse(cls, text: str) -> ResolutionTable:
        """Reads the written form. Raises ValueError for any other text."""
        rows = []
        for part in text.split(","):
            match = re.fullmatch(r"\s*(?:(\d+)\s*:)?\s*([0-9.eE+-]+)\s*", part)
            try:
                rows.append((int(match[1] or 0), float(match[2])))  # type: ignore[index]
            except (TypeError, ValueError):
                raise UserError(
                    f"a table by resolution must be a number, or pairs such as '4:128,32:64'. Received: {text!r}."
                ) from None
        if [row[0] for row in rows] != sorted({row[0] for row in rows}):
            raise UserError(f"a table by resolution must name rising resolutions. Received: {text!r}.")
        return cls(tuple(rows))

    def at(self, size: tuple[int, int]) -> float:
        """The value for an image of this height and width; the first row's value below it."""
        value = self.rows[0][1]
        for resolution, row_value in self.rows:
            if resolution**2 <= size[0] * size[1]:
                value = row_value
        return value

    def values(self) -> list[float]:
        """All values."""
        return [value for _, value in self.rows]

    def scaled(self, change: Callable[[float], float]) -> ResolutionTable:
        """A table with other values."""
        return ResolutionTable(tuple((resolution, change(value)) for resolution, value in self.rows))

    def __str__(self) -> str:
        if len(self.rows) == 1 and self.rows[0][0] == 0:
            return exact(self.rows[0][1])
        return ",".join(f"{resolution}:{exact(value)}" for resolution, value in self.rows)


def exact(value: float) -> str:
    """A number in writing: the short form where it says everything, so that what is written is what is read."""
    return short if float(short := f"{value:g}") == value else repr(value)
