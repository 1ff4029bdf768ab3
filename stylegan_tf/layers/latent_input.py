"""The traditional generator's input."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from stylegan_tf.layers.equalized import RELU_GAIN
from stylegan_tf.layers.equalized_dense import EqualizedDense


@keras.saving.register_keras_serializable("stylegan_tf")
class LatentInput(keras.layers.Layer):
    """A dense layer from a latent to an image of features, with one bias for each feature map.

    Args:
        height, width: Size of the base resolution.
        channels: Number of feature maps.

    Input shape: [N, w_size]. Output shape: [N, height, width, channels].

    Example:
        >>> z = keras.random.normal((8, 512))
        >>> LatentInput(4, 4, 256)(z).shape
        TensorShape([8, 4, 4, 256])

    Reference: Karras et al. 2018 (progressive growing), table 2, first row; its gain is sqrt(2) / 4.
    """

    def __init__(self, height: int, width: int, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height = height
        self.width = width
        self.channels = channels

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        units = self.height * self.width * self.channels
        self.dense = EqualizedDense(units, gain=RELU_GAIN / 4, use_bias=False, dtype=self.dtype_policy, name="dense")
        self.dense.build(input_shape)
        self.bias = self.add_weight(shape=(self.channels,), initializer="zeros", name="bias")

    def call(self, w: Any) -> Any:
        x = self.dense(w)  # [N, height * width * channels]
        return ops.reshape(x, (-1, self.height, self.width, self.channels)) + self.bias  # [N, height, width, channels]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width, "channels": self.channels}
