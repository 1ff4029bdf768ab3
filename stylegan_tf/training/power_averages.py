"""Averages of the generator by power functions, beside the one with a half-life; see `runs/power_profiles.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from stylegan_tf.networks.generator import Generator
from stylegan_tf.runs.power_profiles import average_name, power_of, share_of_new


class PowerAverages:
    """Averages of a generator's weights, each of them one vector: a step moves it in a handful of operations.

    Make it inside the strategy's scope. All weights take part at every level, so that a vector never changes shape.

    Args:
        generator: The network in training.
        lengths: sigma_rel of each; none for no averages.

    Attributes:
        vectors: Float32 variables by name, of the generator's `averaged_weights` one behind the other.
    """

    def __init__(self, generator: Generator, lengths: Sequence[float]) -> None:
        self._generator = generator
        self._powers = [power_of(length) for length in lengths]
        self.vectors: dict[str, tf.Variable] = {}
        for length in lengths:
            name = average_name(length)
            self.vectors[name] = tf.Variable(self._weights(), trainable=False, name=f"power_average_{name}")

    def begin(self) -> None:
        """Starts from the generator as it is: as if it had always been so."""
        for vector in self.vectors.values():
            vector.assign(self._weights())

    def shares(self, images_seen: int, batch_size: int) -> np.ndarray:
        """Share of the generator in each average, float32 [N], by a step of so many images from there."""
        return np.array([share_of_new(power, images_seen, batch_size) for power in self._powers], np.float32)

    def move(self, shares: tf.Tensor) -> None:
        """Moves a replica's own copies, which are equal, by shares [N] of their distance to the generator's."""
        weights = self._weights()
        for vector, share in zip(self.vectors.values(), tf.unstack(shares, len(self.vectors)), strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(var=vector.handle, alpha=share, delta=vector - weights)

    def _weights(self) -> tf.Tensor:
        return tf.concat([tf.reshape(weight.value, [-1]) for weight in self._generator.averaged_weights], 0)
