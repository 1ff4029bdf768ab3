"""One layer of the synthesis network: convolution, noise, activation, normalisation and style."""

from __future__ import annotations

from typing import Any

import keras

from stylegan_tf.configuration.model_sections import NORMALIZATIONS, PADDINGS
from stylegan_tf.layers.adain import AdaIN
from stylegan_tf.layers.equalized_conv2d import EqualizedConv2D
from stylegan_tf.layers.instance_norm import InstanceNorm
from stylegan_tf.layers.noise_injection import NoiseInjection
from stylegan_tf.layers.pixel_norm import PixelNorm
from stylegan_tf.ops.edges import run_padded


@keras.saving.register_keras_serializable("stylegan_tf")
class StyledLayer(keras.layers.Layer):
    """Convolution, noise and bias, leaky ReLU, normalisation, style; everything but the activation is a choice.

    Args:
        filters: Output channels of the convolution, or None for no convolution (the learned constant's layer).
        resample: None or "up".
        fused, blur: See `EqualizedConv2D`.
        noise: Whether noise is injected.
        normalization: "instance", "pixel" or "none".
        style: Whether w scales and shifts the features.
        padding: What the convolution sees beyond the edges, see `ops.edges.run_padded`.

    Call arguments:
        x: Features [N, H, W, C].
        w: Intermediate latents [N, w_size]; unused without a style.
        style: See `AdaIN`.
        noise: See `NoiseInjection`.

    Output shape: [N, H, W, filters], H and W doubled by "up".

    Raises:
        ValueError: For an unknown normalisation or padding.

    Example:
        >>> x, w = keras.random.normal((4, 16, 16, 64)), keras.random.normal((4, 512))
        >>> StyledLayer(32, resample="up", blur=True)(x, w).shape
        TensorShape([4, 32, 32, 32])

    Reference: Karras et al. 2019 (StyleGAN), figure 1b; without style and noise and with pixel normalisation, a
    layer of Karras et al. 2018 (progressive growing), table 2.
    """

    def __init__(
        self,
        filters: int | None,
        *,
        resample: str | None = None,
        fused: bool = False,
        blur: bool = False,
        noise: bool = True,
        normalization: str = "instance",
        style: bool = True,
        padding: str = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if normalization not in NORMALIZATIONS:
            raise ValueError(f"normalization must be one of {NORMALIZATIONS}. Received: {normalization!r}.")
        if padding not in PADDINGS:
            raise ValueError(f"padding must be one of {PADDINGS}. Received: {padding!r}.")
        self.options = {
            "filters": filters,
            "resample": resample,
            "fused": fused,
            "blur": blur,
            "noise": noise,
            "normalization": normalization,
            "style": style,
            "padding": padding,
        }
        self.padding = padding
        dtype = self.dtype_policy
        self.conv = None
        if filters is not None:
            self.conv = EqualizedConv2D(
                filters, resample=resample, fused=fused, blur=blur and resample is not None, dtype=dtype, name="conv"
            )
        self.noise = NoiseInjection(dtype=dtype, name="noise") if noise else None
        self.activation = keras.layers.LeakyReLU(0.2, dtype=dtype, name="activation")
        self.pixel_norm = PixelNorm(dtype=dtype, name="pixel_norm") if normalization == "pixel" else None
        instance = normalization == "instance"
        self.adain = AdaIN(normalize=instance, dtype=dtype, name="adain") if style else None
        self.instance_norm = InstanceNorm(dtype=dtype, name="instance_norm") if instance and not style else None

    def build(self, x_shape: tuple[int | None, ...], w_shape: tuple[int | None, ...]) -> None:
        shape = tuple(x_shape)
        if self.conv is not None:
            self.conv.build(shape)
            factor = 2 if self.options["resample"] == "up" else 1
            shape = (shape[0], factor * int(shape[1] or 0), factor * int(shape[2] or 0), self.conv.filters)
        for layer in (self.noise, self.instance_norm):
            if layer is not None:
                layer.build(shape)
        if self.adain is not None:
            self.adain.build(shape, w_shape)

    def call(self, x: Any, w: Any, noise: Any = "fixed", style: Any = None) -> Any:
        if self.conv is not None:
            scale = 2 if self.options["resample"] == "up" else 1
            x = run_padded(self.conv, x, self.padding, scale)  # [N, 2H, 2W, filters] or [N, H, W, filters]
        if self.noise is not None:
            x = self.noise(x, noise=noise)
        x = self.activation(x)
        for layer in (self.pixel_norm, self.instance_norm):
            if layer is not None:
                x = layer(x)
        return x if self.adain is None else self.adain(x, w, style=style)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.options}
