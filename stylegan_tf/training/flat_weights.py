"""A network's weights as one vector: scaled, cast and differentiated together instead of one by one."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from stylegan_tf.layers.equalized import Use, scaled_weights, use_of


class FlatWeights:
    """The weights that take part at a level, read once.

    The step of a small network spends its time launching operations, and a third of them scaled weights, cast them, and
    did the same to their gradients. Here weights that are used in one scale and one type are handled as one.

    Args:
      network: a generator or critic.
      level: the active level.

    Attributes:
      vector: float32, all of the weights as they are stored, in an order of its own. A tape watches it.
    """

    def __init__(self, network: Any, level: int) -> None:
        self._weights: list[Any] = network.active_weights(level)
        self._order = sorted(range(len(self._weights)), key=lambda index: use_of(self._weights[index]))
        self._sizes = [math.prod(self._weights[index].shape) for index in self._order]
        self.vector = tf.concat([tf.reshape(self._weights[index].value, [-1]) for index in self._order], 0)

    def in_use(self) -> list[tuple[Any, tf.Tensor]]:
        """Each weight, and the tensor that layers compute with in its place."""
        uses = [(use_of(self._weights[index]), size) for index, size in zip(self._order, self._sizes, strict=True)]
        runs = [(use, sum(size for _, size in run)) for use, run in itertools.groupby(uses, key=lambda pair: pair[0])]
        parts = tf.split(self.vector, [size for _, size in runs])
        scaled = [part if use.scale == 1.0 else part * use.scale for (use, _), part in zip(runs, parts, strict=True)]
        pieces: list[tf.Tensor] = []
        for dtype, group in itertools.groupby(zip(runs, scaled, strict=True), key=lambda pair: pair[0][0].dtype):
            together = tf.cast(tf.concat([part for _, part in group], 0), dtype)
            sizes = [size for use, size in uses if use.dtype == dtype]
            pieces += tf.split(together, sizes)
        return [
            (self._weights[index], tf.reshape(piece, self._weights[index].shape))
            for index, piece in zip(self._order, pieces, strict=True)
        ]

    def split(self, vector: tf.Tensor) -> list[tf.Tensor]:
        """The parts of a vector such as the gradient by `vector`, in the shapes and the order of `active_weights`."""
        parts = dict(zip(self._order, tf.split(vector, self._sizes), strict=True))
        return [tf.reshape(parts[index], weight.shape) for index, weight in enumerate(self._weights)]


@contextlib.contextmanager
def use(*networks: FlatWeights) -> Iterator[None]:
    """While the block runs, layers compute with the vectors of these networks; no variable may be assigned in it."""
    scope = keras.StatelessScope(initialize_variables=False)
    for network in networks:
        for weight, tensor in network.in_use():
            scope.add_update((weight, tensor))  # the constructor would cast it back
    with scope, scaled_weights():
        yield


@contextlib.contextmanager
def recorded(weights: FlatWeights, *others: FlatWeights) -> Iterator[tf.GradientTape]:
    """A tape that records what is computed of `weights`, while these and those of other networks are in use."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(weights.vector)
        with use(weights, *others):
            yield tape
