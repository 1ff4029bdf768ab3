"""The generator's learned input."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("stylegan_tf")
class LearnedConstant(keras.layers.Layer):
    """A learned image of features, the same for every w.

    Args:
        height, width: Size of the base resolution.
        channels: Number of feature maps.
        normal: Start as N(0, 1), as in StyleGAN2, instead of as ones.
        use_bias: Whether there is a bias for each feature map, which StyleGAN2 leaves out.

    Input shape: [N, w_size]; only N is used. Output shape: [N, height, width, channels].

    Example:
        >>> w = keras.random.normal((8, 512))
        >>> LearnedConstant(4, 4, 256)(w).shape
        TensorShape([8, 4, 4, 256])

    Reference: Karras et al. 2019 (StyleGAN), section 2, figure 1b; Karras et al. 2020 (StyleGAN2), figure 2c.
    """

    def __init__(
        self, height: int, width: int, channels: int, *, normal: bool = False, use_bias: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.height = height
        self.width = width
        self.channels = channels
        self.normal = normal
        self.use_bias = use_bias

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.constant = self.add_weight(
            shape=(1, self.height, self.width, self.channels),
            name="constant",
            initializer=keras.initializers.RandomNormal(stddev=1.0) if self.normal else "ones",
        )
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.channels,), initializer="zeros", name="bias")

    def call(self, w: Any) -> Any:
        constant = self.constant + self.bias if self.use_bias else self.constant  # [1, height, width, channels]
        return ops.tile(constant, (ops.shape(w)[0], 1, 1, 1))  # [N, height, width, channels]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "normal": self.normal,
            "use_bias": self.use_bias,
        }
