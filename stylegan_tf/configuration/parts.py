"""Learning rates by part of the networks: factors for the weights whose paths fit a pattern."""

from __future__ import annotations

import dataclasses
import fnmatch
import math
from collections.abc import Sequence

from stylegan_tf.errors import UserError, require

_FORM = "learning_rate_parts must be pairs such as generator/mapping:0.1,critic/conv_3*:0.5, factors from 0 up"


@dataclasses.dataclass(frozen=True)
class LearningRateParts:
    """Factors of the learning rate by pattern; of several that fit a weight, the last one counts.

    A pattern is a weight's path (docs/training.md) or the beginning of one, up to a "/"; `*` stands for anything.

    Args:
        factors: Pairs of pattern and factor.
    """

    factors: tuple[tuple[str, float], ...] = ()

    @classmethod
    def parse(cls, text: str) -> LearningRateParts:
        """Reads "generator/mapping:0.1,critic/conv_3*:0.5". Raises UserError for any other text."""
        factors = []
        for pair in filter(None, text.split(",")):
            pattern, _, factor = pair.rpartition(":")
            try:
                factors.append((pattern.strip(), float(factor)))
            except ValueError:
                raise UserError(f"{_FORM}. Received: {text}.") from None
            require(bool(factors[-1][0]) and 0 <= factors[-1][1] < math.inf, _FORM, text)
        return cls(tuple(factors))

    def of(self, path: str) -> float:
        """The factor of a weight."""
        return next((factor for pattern, factor in reversed(self.factors) if _fits(path, pattern)), 1.0)

    def check(self, paths: Sequence[str]) -> None:
        """Raises UserError for a pattern that fits none of these paths."""
        for pattern, _ in self.factors:
            if not any(_fits(path, pattern) for path in paths):
                layers = dict.fromkeys("/".join(path.split("/")[:-1]) for path in paths)
                raise UserError(
                    f"learning_rate_parts must name weights that are trained. Received: {pattern}, which fits none. "
                    f"There are: {', '.join(layers)}."
                )


def _fits(path: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path, f"{pattern}/*")
