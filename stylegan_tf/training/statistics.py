"""What the steps report, kept on the device until somebody wants to read it."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from stylegan_tf.training.steps import STATISTICS

# Without a gradient penalty in a step these are not measured in it.
PENALTY_TERMS = ("gradient_penalty", "critic_gradient_norm")
# Under loss scaling, weight gradients overflow now and then; the optimizer leaves such a step out.
MAY_OVERFLOW = ("critic_weight_gradient_norm", "generator_weight_gradient_norm")


class NonFiniteError(ValueError):
    """A loss or gradient became infinite or not a number: settings to mend, not a bug."""


class Statistics:
    """Collects the steps' reports and means over them. A term that was never measured yet has the mean NaN.

    Args:
      loss_scaling: whether gradients of weights may overflow without harm.
    """

    def __init__(self, loss_scaling: bool = False) -> None:
        self.loss_scaling = loss_scaling
        self._pending: list[tuple[int, bool, tf.Tensor]] = []
        self._rows: list[np.ndarray] = []
        self.latest: dict[str, float] = dict.fromkeys(STATISTICS, math.nan)

    def add(self, images_seen: int, regularized: bool, report: tf.Tensor) -> None:
        """Takes a step's report, without waiting for it.

        Args:
          images_seen: the clock before the step.
          regularized: whether the gradient penalty was part of it.
          report: float32 [len(STATISTICS)].
        """
        self._pending.append((images_seen, regularized, report))

    def read(self) -> dict[str, float]:
        """Waits for all reports, checks them, and returns means over those since the last `read`.

        Raises:
          NonFiniteError: naming the step and the term.
        """
        rows = []
        for images_seen, regularized, report in self._pending:
            row = report.numpy().astype(np.float64)
            for name, value in zip(STATISTICS, row, strict=True):
                if not np.isfinite(value) and not (self.loss_scaling and name in MAY_OVERFLOW):
                    raise NonFiniteError(f"{name} became {value} in the step at {images_seen} images")
            if not regularized:
                row[[STATISTICS.index(name) for name in PENALTY_TERMS]] = np.nan
            rows.append(row)
        self._pending.clear()
        self._rows += rows
        if rows:
            self.latest = _means(rows, self.latest)
        return self.latest

    def means(self) -> dict[str, float]:
        """Means over all reports since the last call of `means`."""
        self.read()
        rows, self._rows = self._rows, []
        return _means(rows, self.latest)


def _means(rows: list[np.ndarray], otherwise: dict[str, float]) -> dict[str, float]:
    means = dict(otherwise)
    for index, name in enumerate(STATISTICS):
        values = [row[index] for row in rows if np.isfinite(row[index])]
        if values:
            means[name] = float(np.mean(values))
    return means
