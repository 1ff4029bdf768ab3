"""Fully connected layer with an equalized learning rate."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from stylegan_tf.layers.equalized import Equalized


@keras.saving.register_keras_serializable("stylegan_tf")
class EqualizedDense(Equalized):
    """Fully connected layer; see `Equalized` for the remaining arguments and the reference.

    Args:
      units: size of the output.

    Input shape: [N, C]. Output shape: [N, units].
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.add_equalized_weights((int(input_shape[-1] or 0), self.units))

    def call(self, x: Any) -> Any:
        return self.add_bias_and_activate(ops.matmul(x, self.scaled_kernel))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
