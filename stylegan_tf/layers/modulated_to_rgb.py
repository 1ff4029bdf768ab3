"""Features to image, as the style says."""

from __future__ import annotations

from typing import Any

import keras

from stylegan_tf.layers.modulated_conv2d import ModulatedConv2D
from stylegan_tf.ops.activation import bias_act


@keras.saving.register_keras_serializable("stylegan_tf")
class ModulatedToRGB(ModulatedConv2D):
    """Linear modulated 1x1 convolution to image channels, not demodulated, in float32 whatever the policy says.

    Args:
        channels: Image channels: 1 grey, 3 RGB, 4 RGBA.
        clamp: Limit of the output's magnitude; None sets none.

    Call arguments:
        x: Features [N, H, W, C].
        w, styles: See `ModulatedConv2D`.

    Output shape: [N, H, W, channels], about [-1, 1].

    Example:
        >>> x, w = keras.random.normal((4, 16, 16, 64)), keras.random.normal((4, 512))
        >>> ModulatedToRGB(3)(x, w).shape
        TensorShape([4, 16, 16, 3])

    Reference: Karras et al. 2020 (StyleGAN2), figure 7 and appendix B.
    """

    def __init__(self, channels: int, *, clamp: float | None = None, **kwargs: Any) -> None:
        super().__init__(channels, **{"kernel_size": 1, "demodulate": False, **kwargs, "dtype": "float32"})
        self.clamp = clamp

    def build(self, x_shape: tuple[int | None, ...], w_shape: tuple[int | None, ...]) -> None:
        super().build(x_shape, w_shape)
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, x: Any, w: Any, styles: Any = None) -> Any:
        return bias_act(super().call(x, w, styles), self.bias, clamp=self.clamp)  # [N, H, W, channels]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {"channels": config.pop("filters"), "clamp": self.clamp, **config}
