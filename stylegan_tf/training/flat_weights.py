"""A network's weights as one vector: scaled, cast and differentiated together instead of one by one."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from stylegan_tf.layers.equalized import WeightUse, scaled_weights, weight_use


class FlatWeights:
    """The weights that take part at a level, read once.

    The step of a small network spends its time launching operations. Weights that layers use with one factor and in
    one type take part in a few of them together, and so do their gradients.

    Under a half-precision policy a kernel is scaled in float32 and then rounded once; a layer that is called by itself
    rounds, scales and rounds again. What several uses of a weight give to its gradient is summed in that type.

    Args:
        network: A generator or critic.
        level: The active level.
    """

    def __init__(self, network: Any, level: int) -> None:
        self._weights: list[Any] = network.active_weights(level)
        self._order = sorted(range(len(self._weights)), key=lambda index: weight_use(self._weights[index]))
        self._sizes = [math.prod(self._weights[index].shape) for index in self._order]

    @functools.cached_property
    def vector(self) -> tf.Tensor:
        """All of the weights as they are stored, float32, in an order of its own; what a tape watches."""
        flat = tf.constant([-1])
        values = [self._weights[index].value for index in self._order]
        return tf.concat([value if len(value.shape) == 1 else tf.reshape(value, flat) for value in values], 0)

    def split(self, vector: tf.Tensor) -> list[tf.Tensor]:
        """The parts of a vector such as the gradient by `vector`, in the shapes and the order of `active_weights`."""
        parts = dict(zip(self._order, tf.split(vector, self._sizes), strict=True))
        return [_shaped(parts[index], weight) for index, weight in enumerate(self._weights)]

    def replacements(self) -> list[tuple[Any, tf.Tensor]]:
        """Each weight, and the tensor that layers compute with in its place."""
        uses = [weight_use(self._weights[index]) for index in self._order]
        runs = self._runs(uses)
        parts = tf.split(self.vector, list(runs.values()))
        scaled = [part if use.scale == 1.0 else part * use.scale for use, part in zip(runs, parts, strict=True)]
        pieces: list[tf.Tensor] = []
        for dtype in dict.fromkeys(use.dtype for use in runs):
            together = tf.concat([part for use, part in zip(runs, scaled, strict=True) if use.dtype == dtype], 0)
            sizes = [size for use, size in zip(uses, self._sizes, strict=True) if use.dtype == dtype]
            pieces += tf.split(tf.cast(together, dtype), sizes)
        return [
            (self._weights[index], _shaped(piece, self._weights[index]))
            for index, piece in zip(self._order, pieces, strict=True)
        ]

    def _runs(self, uses: list[WeightUse]) -> dict[WeightUse, int]:
        """How many numbers of the vector are used alike, in the vector's order, which has equal uses together."""
        pairs = zip(uses, self._sizes, strict=True)
        return {use: sum(size for _, size in run) for use, run in itertools.groupby(pairs, key=lambda pair: pair[0])}


def _shaped(piece: tf.Tensor, weight: Any) -> tf.Tensor:
    return piece if len(weight.shape) == 1 else tf.reshape(piece, weight.shape)


@contextlib.contextmanager
def computing_with(*networks: FlatWeights) -> Iterator[None]:
    """While the block runs, layers compute with the vectors of these networks; no variable may be assigned in it."""
    scope = keras.StatelessScope(initialize_variables=False)
    replacements = [pair for network in networks for pair in network.replacements()]
    for pair in replacements:
        scope.add_update(pair)  # the constructor would cast it back
    with scope, scaled_weights(weight for weight, _ in replacements):
        yield


@contextlib.contextmanager
def recorded(weights: FlatWeights, *others: FlatWeights) -> Iterator[tf.GradientTape]:
    """A tape that records what is computed of `weights`, while layers compute with these and those of others."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(weights.vector)
        with computing_with(weights, *others):
            yield tape
