"""StyleGAN's growing synthesis network, and progressive growing's as its traditional end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from stylegan_tf.layers.equalized_dense import dense_together
from stylegan_tf.layers.latent_input import LatentInput
from stylegan_tf.layers.learned_constant import LearnedConstant
from stylegan_tf.layers.styled_layer import StyledLayer
from stylegan_tf.layers.to_rgb import ToRGB
from stylegan_tf.networks.bases import BaseSynthesis
from stylegan_tf.networks.sizes import checked_level
from stylegan_tf.ops.resample import upsample_nearest


@keras.saving.register_keras_serializable("stylegan_tf")
class SynthesisNetwork(BaseSynthesis):
    """Intermediate latents to images, at any of its resolutions.

    All blocks exist from the start; `level` and `fade_in` decide which of them run. The defaults are the published
    StyleGAN; `constant_input=False, style=False, noise=False, blur=False, normalization="pixel"` is the
    generator of progressive growing.

    Args:
        base_size: Height and width at level 0.
        num_levels: Number of resolutions; the largest is base_size * 2^(num_levels - 1).
        channels: Image channels.
        feature_maps_base, feature_maps_max: See `networks.sizes.feature_maps_at`.
        constant_input: Start from a learned constant, else from a dense layer on the first w.
        style, noise, normalization, blur: See `StyledLayer`.
        padding: What convolutions see beyond the edges, see `ops.edges.run_padded`.
        fused_from: Smallest output side from which upsampling and convolution are one strided convolution; None
            for never.

    Call arguments:
        ws: [N, num_ws, w_size], one w for each layer, two layers a level; more than the level needs are ignored.
        level: Python int, the resolution to generate; None for the largest.
        fade_in: Scalar in [0, 1], the share of this level's image, the rest being the enlarged image of the level
            below. None when fully grown.
        noise: "fixed", "random", "none", or a sequence of tensors [N, H, W, 1] of the sizes of `noise_sizes`.

    Output shape: [N, H, W, channels] float32, about [-1, 1].

    Reference: Karras et al. 2019 (StyleGAN), figure 1b; Karras et al. 2018 (progressive growing), figures 1 and 2.
    """

    family = "stylegan1"

    def __init__(
        self,
        *,
        base_size: tuple[int, int] = (4, 4),
        num_levels: int = 9,
        channels: int = 3,
        feature_maps_base: int = 8192,
        feature_maps_max: int = 512,
        constant_input: bool = True,
        style: bool = True,
        noise: bool = True,
        normalization: str = "instance",
        blur: bool = True,
        padding: str = "zeros",
        fused_from: int | None = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.base_size = (int(base_size[0]), int(base_size[1]))
        self.num_levels = num_levels
        self.channels = channels
        self.options: dict[str, Any] = {
            "feature_maps_base": feature_maps_base,
            "feature_maps_max": feature_maps_max,
            "constant_input": constant_input,
            "style": style,
            "noise": noise,
            "normalization": normalization,
            "blur": blur,
            "padding": padding,
            "fused_from": fused_from,
        }
        first_maps = self.feature_maps(0)
        input_class = LearnedConstant if constant_input else LatentInput
        # float32: a constant channel has no variance, so that its normalisation multiplies gradients by 10,000.
        self.input_layer = input_class(*self.base_size, first_maps, dtype="float32", name="input")
        self.styled_layers = [layer for level in range(num_levels) for layer in self._block(level)]
        # Images stay float32 whatever the policy: eight bits of mantissa would show as banding.
        self.to_rgb = [ToRGB(channels, dtype="float32", name=f"to_rgb_{level}") for level in range(num_levels)]

    def _block(self, level: int) -> list[StyledLayer]:
        names = ("noise", "normalization", "style", "padding")
        options: dict[str, Any] = {"dtype": self.dtype_policy, **{name: self.options[name] for name in names}}
        maps, blur, fused_from = self.feature_maps(level), self.options["blur"], self.options["fused_from"]
        if level == 0:
            first = StyledLayer(None, name="layer_0", **{**options, "dtype": "float32"})
        else:
            fused = fused_from is not None and min(self.size(level)) >= fused_from
            first = StyledLayer(maps, resample="up", fused=fused, blur=blur, name=f"layer_{2 * level}", **options)
        return [first, StyledLayer(maps, name=f"layer_{2 * level + 1}", **options)]

    @property
    def grows(self) -> bool:
        return True

    @property
    def has_styles(self) -> bool:
        return bool(self.options["style"])

    def level_of_w(self, index: int) -> int:
        return index // 2

    def noise_sizes(self, level: int) -> list[tuple[int, int]]:
        return [self.size(index // 2) for index in range(2 * (level + 1))] if self.has_noise else []

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        w_shape = (None, input_shape[-1])
        self.input_layer.build(w_shape)
        for index, layer in enumerate(self.styled_layers):
            level = index // 2
            source = max(level - 1, 0) if index % 2 == 0 else level
            layer.build((None, *self.size(source), self.feature_maps(source)), w_shape)
        for level, layer in enumerate(self.to_rgb):
            layer.build((None, *self.size(level), self.feature_maps(level)))

    def call(
        self, ws: Any, *, level: int | None = None, fade_in: Any = None, noise: str | Sequence[Any] = "fixed"
    ) -> Any:
        level = checked_level(level, self.num_levels, self.grows)
        by_layer = self.by_layer(ws, level)  # [N, w_size] for each layer
        layers = self.styled_layers[: len(by_layer)]
        affine = [layer.adain.style for layer in layers if layer.adain is not None]  # of all layers, or of none
        styles = dense_together(affine, by_layer) if affine else [None] * len(layers)  # [N, 2C] for each layer
        x = self.input_layer(by_layer[0])  # [N, h, w, C] of level 0
        below = None
        for index in range(2 * (level + 1)):
            if index == 2 * level:
                below = x
            layer_noise = noise if isinstance(noise, str) or not self.has_noise else noise[index]
            x = layers[index](x, by_layer[index], noise=layer_noise, style=styles[index])  # [N, h, w, C]
        images = self.to_rgb[level](x)  # [N, H, W, channels]
        if fade_in is not None and level > 0:
            smooth = upsample_nearest(self.to_rgb[level - 1](below))  # [N, H/2, W/2, channels] -> [N, H, W, channels]
            images = smooth + (images - smooth) * ops.cast(fade_in, images.dtype)
        return images

    def active_weights(self, level: int) -> list[Any]:
        layers = [self.input_layer, *self.styled_layers[: 2 * (level + 1)]]
        layers += self.to_rgb[max(level - 1, 0) : level + 1]
        return [weight for layer in layers for weight in layer.trainable_weights]
