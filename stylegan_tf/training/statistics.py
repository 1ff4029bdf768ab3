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
    """Collects the steps' reports, and hands each reader those that it has not seen.

    Args:
        loss_scaling: Whether gradients of weights may overflow without harm.
    """

    def __init__(self, loss_scaling: bool = False) -> None:
        self.loss_scaling = loss_scaling
        self._pending: list[tuple[int, Mapping[str, tf.Tensor]]] = []
        self._readers: list[StatisticsReader] = []
        self._newest: dict[str, float] = {}

    def add(self, images_seen: int, report: Mapping[str, tf.Tensor]) -> None:
        """Takes a step's report, without waiting for it.

        Args:
            images_seen: The clock before the step.
            report: Scalars by name, of what the step measured.
        """
        self._pending.append((images_seen, report))

    def reader(self) -> StatisticsReader:
        """A new reader, of the reports from now on."""
        self._readers.append(StatisticsReader(self))
        return self._readers[-1]

    def newest(self) -> Mapping[str, float]:
        """Waits for all reports, checks them, and returns the newest finite value of every term measured so far.

        Raises:
            NonFiniteError: Naming the step and the term.
        """
        rows = []
        for images_seen, report in self._pending:
            row = {name: float(value.numpy()) for name, value in report.items()}
            for name, value in row.items():
                if not math.isfinite(value) and not (self.loss_scaling and name in MAY_OVERFLOW):
                    raise NonFiniteError(f"{name} became {value} in the step at {images_seen} images")
            rows.append({name: value for name, value in row.items() if math.isfinite(value)})
        self._pending.clear()  # not before: what is unsound stays so for whoever asks next
        for row in rows:
            self._newest.update(row)
        for reader in self._readers:
            reader.rows += rows
        return self._newest


class StatisticsReader:
    """Means over the reports since it last asked, whoever else reads; made by `Statistics.reader`."""

    def __init__(self, statistics: Statistics) -> None:
        self.rows: list[dict[str, float]] = []
        self._statistics = statistics
        self._known: dict[str, float] = defaultdict(lambda: math.nan)

    def means(self) -> Mapping[str, float]:
        """Waits for all reports and takes those that are new: finite means by name.

        Of a term that they lack it is the mean before, and NaN where there was none yet.

        Raises:
            NonFiniteError: Naming the step and the term.
        """
        self._statistics.newest()
        self._known.update(_means(self.rows))
        self.rows = []
        return self._known.copy()


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    columns: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row.items():
            columns[name].append(value)
    return {name: float(np.mean(column)) for name, column in columns.items()}
