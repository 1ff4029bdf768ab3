"""One layer of StyleGAN2's synthesis network: modulated convolution, noise, bias, activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from stylegan_tf.configuration.model_sections import PADDINGS
from stylegan_tf.layers.equalized import RELU_GAIN
from stylegan_tf.layers.modulated_conv2d import ModulatedConv2D
from stylegan_tf.layers.noise_injection import NoiseInjection
from stylegan_tf.ops.activation import bias_act
from stylegan_tf.ops.edges import run_padded


@keras.saving.register_keras_serializable("stylegan_tf")
class ModulatedLayer(keras.layers.Layer):
    """Modulated convolution, noise of one strength, bias, leaky ReLU, gain, clamp.

    Args:
        filters: Number of output channels.
        resample, resample_filter: See `ModulatedConv2D`; its kernel is 3x3.
        noise: Whether noise is injected.
        activation_gain: Factor behind the activation.
        clamp: Limit of the output's magnitude; None sets none.
        padding: What the convolution sees beyond the edges, see `ops.edges.run_padded`.

    Call arguments:
        x: Features [N, H, W, C].
        w, styles: See `ModulatedConv2D`.
        noise: See `NoiseInjection`.

    Output shape: [N, H, W, filters], H and W doubled by "up".

    Raises:
        ValueError: For an unknown padding.

    Example:
        >>> x, w = keras.random.normal((4, 16, 16, 64)), keras.random.normal((4, 512))
        >>> ModulatedLayer(32, resample="up")(x, w, noise="random").shape
        TensorShape([4, 32, 32, 32])

    Reference: Karras et al. 2020 (StyleGAN2), figure 2d; the clamp, Karras et al. 2020 (ADA), appendix D.
    """

    def __init__(
        self,
        filters: int,
        *,
        resample: str | None = None,
        resample_filter: Sequence[float] = (1, 3, 3, 1),
        noise: bool = True,
        activation_gain: float = RELU_GAIN,
        clamp: float | None = None,
        padding: str = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if padding not in PADDINGS:
            raise ValueError(f"padding must be one of {PADDINGS}. Received: {padding!r}.")
        self.filters = filters
        self.activation_gain = float(activation_gain)
        self.clamp = clamp
        self.padding = padding
        dtype = self.dtype_policy
        self.conv = ModulatedConv2D(
            filters, resample=resample, resample_filter=resample_filter, dtype=dtype, name="conv"
        )
        self.noise = NoiseInjection(per_channel=False, dtype=dtype, name="noise") if noise else None

    def build(self, x_shape: tuple[int | None, ...], w_shape: tuple[int | None, ...]) -> None:
        self.conv.build(x_shape, w_shape)
        if self.noise is not None:
            factor = 2 if self.conv.resample == "up" else 1
            self.noise.build((None, factor * int(x_shape[1] or 0), factor * int(x_shape[2] or 0), self.filters))
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, x: Any, w: Any, noise: Any = "fixed", styles: Any = None) -> Any:
        scale = 2 if self.conv.resample == "up" else 1
        # [N, 2H, 2W, filters] or [N, H, W, filters]
        x = run_padded(lambda x: self.conv(x, w, styles=styles), x, self.padding, scale)
        if self.noise is not None:
            x = self.noise(x, noise=noise)
        return bias_act(x, self.bias, "leaky_relu", gain=self.activation_gain, clamp=self.clamp)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "resample": self.conv.resample,
            "resample_filter": self.conv.resample_filter,
            "noise": self.noise is not None,
            "activation_gain": self.activation_gain,
            "clamp": self.clamp,
            "padding": self.padding,
        }
