"""Fully connected layer with an equalized learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from stylegan_tf.layers.equalized import Equalized
from stylegan_tf.ops.products import full_product


@keras.saving.register_keras_serializable("stylegan_tf")
class EqualizedDense(Equalized):
    """Fully connected layer; see `Equalized` for the remaining arguments and the reference.

    Args:
        units: Size of the output.

    Input shape: [N, C]. Output shape: [N, units].

    Example:
        >>> layer = EqualizedDense(512, gain=1.0)
        >>> layer(keras.random.normal((4, 256))).shape
        TensorShape([4, 512])
        >>> layer.kernel_scale  # 1 / sqrt(256)
        0.0625
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.add_equalized_weights((int(input_shape[-1] or 0), self.units))

    def call(self, x: Any) -> Any:
        return self.add_bias_and_activate(full_product(x, self.scaled_kernel))  # [N, units]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def dense_together(layers: Sequence[EqualizedDense], inputs: Sequence[Any]) -> list[Any]:
    """What float32 layers without an activation, each with a bias, give for an input each: [N, C] -> [N, units].

    Those of one shape are one product, so that a network whose every layer has a style launches few operations for it.
    """
    results: list[Any] = [None] * len(layers)
    places: dict[tuple[int, ...], list[int]] = {}
    for place, layer in enumerate(layers):
        places.setdefault(tuple(layer.kernel.shape), []).append(place)
    for group in places.values():
        if len(group) == 1:
            results[group[0]] = layers[group[0]](inputs[group[0]])
            continue
        x = ops.stack([ops.cast(inputs[place], "float32") for place in group])  # [L, N, C]
        kernels = ops.stack([layers[place].scaled_kernel for place in group])  # [L, C, units]
        biases = ops.stack([layers[place].scaled_bias for place in group])  # [L, units]
        y = full_product(x, kernels) + ops.reshape(biases, (len(group), 1, -1))  # [L, N, units]
        for place, value in zip(group, ops.unstack(y, num=len(group)), strict=True):
            results[place] = value  # [N, units]
    return results
