"""What the steps report, kept on the device until somebody wants to read it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from stylegan_tf.errors import UserError

# Under loss scaling, weight gradients overflow now and then; the optimizer leaves such a step out.
MAY_OVERFLOW = ("critic_weight_gradient_norm", "generator_weight_gradient_norm")


class NonFiniteError(UserError):
    """A loss, gradient or weight became infinite, not a number or too large: settings to mend, not a bug."""


class Statistics:
    """Collects the steps' reports and means over them. A term that was never measured yet has the mean NaN.

    Args:
        loss_scaling: Whether gradients of weights may overflow without harm.
    """

    def __init__(self, loss_scaling: bool = False) -> None:
        self.loss_scaling = loss_scaling
        self._pending: list[tuple[int, Mapping[str, tf.Tensor]]] = []
        self._rows: list[dict[str, float]] = []
        self.latest: dict[str, float] = defaultdict(lambda: math.nan)

    def add(self, images_seen: int, report: Mapping[str, tf.Tensor]) -> None:
        """Takes a step's report, without waiting for it.

        Args:
            images_seen: The clock before the step.
            report: Scalars by name, of what the step measured.
        """
        self._pending.append((images_seen, report))

    def read(self) -> dict[str, float]:
        """Waits for all reports, checks them, and returns means over those since the last `read`.

        Raises:
            NonFiniteError: Naming the step and the term.
        """
        rows = []
        for images_seen, report in self._pending:
            row = {name: float(value.numpy()) for name, value in report.items()}
            for name, value in row.items():
                if not math.isfinite(value) and not (self.loss_scaling and name in MAY_OVERFLOW):
                    raise NonFiniteError(f"{name} became {value} in the step at {images_seen} images")
            rows.append(row)
        self._pending.clear()
        self._rows += rows
        if rows:
            self.latest.update(_means(rows))
        return self.latest

    def means(self) -> dict[str, float]:
        """Means over all reports since the last call of `means`."""
        self.read()
        rows, self._rows = self._rows, []
        means = defaultdict(lambda: math.nan, self.latest)
        means.update(_means(rows))
        return means


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row.items():
            if math.isfinite(value):
                values[name].append(value)
    return {name: float(np.mean(column)) for name, column in values.items()}
