"""The generator's learned input."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("stylegan_tf")
class LearnedConstant(keras.layers.Layer):
    """A learned image of features, the same for every w, and a bias.

    Args:
      height, width: size of the base resolution.
      channels: number of feature maps.

    Input shape: [N, w_size]; only N is used. Output shape: [N, height, width, channels].

    Reference: Karras et al. 2019 (StyleGAN), section 2, figure 1b.
    """

    def __init__(self, height: int, width: int, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height = height
        self.width = width
        self.channels = channels

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.constant = self.add_weight(
            shape=(1, self.height, self.width, self.channels), initializer="ones", name="constant"
        )
        self.bias = self.add_weight(shape=(self.channels,), initializer="zeros", name="bias")

    def call(self, w: Any) -> Any:
        return ops.tile(self.constant + self.bias, (ops.shape(w)[0], 1, 1, 1))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(), "height": self.height, "width": self.width, "channels": self.channels,
        }
