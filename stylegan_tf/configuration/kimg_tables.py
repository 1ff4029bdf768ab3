"""Values that change over a run: tables by the number of images seen, in thousands (kimg)."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
import re
from collections.abc import Callable

from stylegan_tf.configuration.resolutions import ResolutionTable, exact
from stylegan_tf.errors import UserError

# How a value goes from one row to the next; of the way (0 to 1) to the share of the next row's value (0 to 1).
SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda way: way,
    "cosine": lambda way: 0.5 - 0.5 * math.cos(math.pi * way),
    "step": lambda way: 0.0 if way < 1.0 else 1.0,
}
_ROW = re.compile(r"\s*([0-9.eE+]+)\s*(%?)\s*:\s*([0-9.eE+-]+)\s*(?::\s*([a-z]+)\s*)?")
_EXPECTED = "a table over kimg must be pairs by rising kimg from 0 on, such as 0:0.005,60:0.005,100:0.0005:cosine"


@dataclasses.dataclass(frozen=True)
class KimgTable:
    """Values by thousands of images seen.

    Written "0:0.005,60:0.005,100:0.0005": 0.005 up to 60 kimg, then along a line to 0.0005 at 100 kimg, where it
    stays. A row may name the shape of the way to it: "100:0.0005:cosine" (half a period), or "60:16:step", which
    changes at once. Where the places end in %, as in "0:1,50%:1,100%:0.1", they are shares of the whole run.

    Args:
        rows: Of place, value and shape; the first place is 0.
        shares: Whether places are percent of the run, and not kimg.
    """

    rows: tuple[tuple[float, float, str], ...]
    shares: bool = False

    @classmethod
    def parse(cls, text: str) -> KimgTable:
        """Reads the written form. Raises UserError for any other text."""
        rows, units = [], set()
        for part in text.split(","):
            match = _ROW.fullmatch(part)
            try:
                place, value = float(match[1]), float(match[3])  # type: ignore[index]
            except (TypeError, ValueError):
                raise UserError(f"{_EXPECTED}. Received: {text!r}.") from None
            shape = match[4] or "linear"  # type: ignore[index]
            if shape not in SHAPES:
                raise UserError(f"a row of a table over kimg may name {', '.join(SHAPES)}. Received: {text!r}.")
            if place:
                units.add(match[2])  # type: ignore[index]
            rows.append((place, value, shape))
        places = [place for place, _, _ in rows]
        if len(rows) < 2 or places[0] != 0 or places != sorted(set(places)) or not all(map(math.isfinite, places)):
            raise UserError(f"{_EXPECTED}. Received: {text!r}.")
        if len(units) > 1 or (units == {"%"} and places[-1] > 100):
            raise UserError(f"a table over kimg has all places in kimg, or all in % up to 100. Received: {text!r}.")
        return cls(tuple(rows), units == {"%"})

    def at(self, kimg: float, total_kimg: float) -> float:
        """The value after so many thousands of images of a run of `total_kimg`."""
        place = 100.0 * kimg / total_kimg if self.shares else kimg
        after = bisect.bisect_right([row[0] for row in self.rows], place)
        if after == len(self.rows):
            return self.rows[-1][1]
        (start, value, _), (end, next_value, shape) = self.rows[max(after - 1, 0)], self.rows[max(after, 1)]
        share = SHAPES[shape](min(max((place - start) / (end - start), 0.0), 1.0))
        return value + (next_value - value) * share

    def changes(self, total_kimg: float) -> list[float]:
        """The kimg at which rows begin, without the first."""
        return [place * total_kimg / 100.0 if self.shares else place for place, _, _ in self.rows[1:]]

    @property
    def in_steps(self) -> bool:
        """Whether the value only ever changes at once."""
        return all(shape == "step" or a[1] == b[1] for a, b in itertools.pairwise(self.rows) for shape in [b[2]])

    def values(self) -> list[float]:
        """All values that are written; those between two rows lie between theirs."""
        return [value for _, value, _ in self.rows]

    def scaled(self, change: Callable[[float], float]) -> KimgTable:
        """A table with other values."""
        return dataclasses.replace(self, rows=tuple((place, change(value), shape) for place, value, shape in self.rows))

    def __str__(self) -> str:
        unit = "%" if self.shares else ""
        return ",".join(
            f"{exact(place)}{unit if place else ''}:{exact(value)}{'' if shape == 'linear' else f':{shape}'}"
            for place, value, shape in self.rows
        )


def is_over_kimg(text: str) -> bool:
    """Whether a table's written form is one over kimg: its first place is 0, which no resolution is."""
    return re.match(r"\s*0+(\.0*)?\s*%?\s*:", text) is not None and "," in text


def parse_table(text: str) -> ResolutionTable | KimgTable:
    """A table over kimg, or by resolution. Raises UserError for any other text."""
    return KimgTable.parse(text) if is_over_kimg(text) else ResolutionTable.parse(text)


def last_value(value: float | ResolutionTable | KimgTable, size: tuple[int, int]) -> float:
    """What a setting is at the end of a run, whose images have this height and width."""
    if isinstance(value, KimgTable):
        return value.rows[-1][1]
    return value.at(size) if isinstance(value, ResolutionTable) else value
