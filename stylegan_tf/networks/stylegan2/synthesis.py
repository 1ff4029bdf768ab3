"""StyleGAN2's synthesis network, in its architectures with and without growing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from stylegan_tf.configuration.model_sections import ARCHITECTURES
from stylegan_tf.layers.equalized import RELU_GAIN
from stylegan_tf.layers.equalized_conv2d import EqualizedConv2D
from stylegan_tf.layers.equalized_dense import dense_together
from stylegan_tf.layers.learned_constant import LearnedConstant
from stylegan_tf.layers.modulated_layer import ModulatedLayer
from stylegan_tf.layers.modulated_to_rgb import ModulatedToRGB
from stylegan_tf.networks.bases import BaseSynthesis
from stylegan_tf.networks.sizes import checked_level
from stylegan_tf.ops.edges import run_padded
from stylegan_tf.ops.upfirdn import make_filter, upsample_fir

# Both branches of a residual connection, so that their sum keeps the deviation.
RESIDUAL_GAIN = math.sqrt(0.5)


@keras.saving.register_keras_serializable("stylegan_tf")
class StyleGAN2SynthesisNetwork(BaseSynthesis):
    """Intermediate latents to images.

    Level 0 has one modulated layer behind the learned constant; every further level one that doubles the resolution
    and one that keeps it. What makes an image of their features is the architecture's choice:

    - "skip": every level adds its image to the enlarged image of the level below; the published StyleGAN2.
    - "orig": the last level alone makes an image.
    - "resnet": likewise, with a skip connection around the two layers of every level but the first.
    - "growing": every level can make the image; `level` and `fade_in` decide which does, as in StyleGAN.

    All sub-layers are named by level, so that networks of different size share the names of what they share.

    Args:
        base_size: Height and width at level 0.
        num_levels: Number of resolutions; the images' is base_size * 2^(num_levels - 1).
        channels: Image channels.
        feature_maps_base, feature_maps_max: See `networks.sizes.feature_maps_at`.
        architecture: "skip", "orig", "resnet" or "growing".
        noise: Whether layers add noise.
        resample_filter: Taps of the low-pass filter of all resampling, along one axis.
        clamp: Limit of the magnitude behind every activation, for half precision, where 256 was published; None sets
            none.
        padding: What convolutions and enlarged images see beyond the edges, see `ops.edges.run_padded`.

    Call arguments:
        ws: [N, num_ws, w_size]: one w for each layer and one for the last level's image. The image of any other level
            takes the w of the next level's first layer.
        level: Python int, the resolution to generate; None for the largest, the only one unless growing.
        fade_in: Scalar in [0, 1], the share of this level's image, the rest being the enlarged image of the level
            below. None when fully grown; ignored unless growing.
        noise: "fixed", "random", "none", or a sequence of tensors [N, H, W, 1] of the sizes of `noise_sizes`.

    Output shape: [N, H, W, channels] float32, about [-1, 1].

    Raises:
        ValueError: For an unknown architecture, or a level that it does not have.

    Reference: Karras et al. 2020 (StyleGAN2), sections 2 and 4.1, figure 7; "growing" is configurations B to D of
    table 1.
    """

    family = "stylegan2"

    def __init__(
        self,
        *,
        base_size: tuple[int, int] = (4, 4),
        num_levels: int = 9,
        channels: int = 3,
        feature_maps_base: int = 16384,
        feature_maps_max: int = 512,
        architecture: str = "skip",
        noise: bool = True,
        resample_filter: Sequence[float] = (1, 3, 3, 1),
        clamp: float | None = None,
        padding: str = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if architecture not in ARCHITECTURES:
            raise ValueError(f"architecture must be one of {ARCHITECTURES}. Received: {architecture!r}.")
        self.base_size = (int(base_size[0]), int(base_size[1]))
        self.num_levels = num_levels
        self.channels = channels
        self.architecture = architecture
        self.options: dict[str, Any] = {
            "feature_maps_base": feature_maps_base,
            "feature_maps_max": feature_maps_max,
            "noise": noise,
            "resample_filter": tuple(resample_filter),
            "clamp": clamp,
            "padding": padding,
        }
        self._taps = make_filter(resample_filter)
        # float32, as the images are: eight bits of mantissa would show.
        self.constant = LearnedConstant(
            *self.base_size, self.feature_maps(0), normal=True, use_bias=False, dtype="float32", name="const"
        )
        self.blocks = [self._block(level) for level in range(num_levels)]
        self.skips = [
            EqualizedConv2D(
                self.feature_maps(level),
                1,
                resample="up",
                resample_filter=resample_filter,
                gain=RESIDUAL_GAIN,
                use_bias=False,
                dtype=self.dtype_policy,
                name=f"skip_{level}",
            )
            for level in range(1, num_levels)
            if architecture == "resnet"
        ]
        # Neither has every level, but both have the last: index them with level - num_levels.
        first_image = 0 if architecture in ("skip", "growing") else num_levels - 1
        self.to_rgb = [
            ModulatedToRGB(channels, clamp=clamp, name=f"to_rgb_{level}") for level in range(first_image, num_levels)
        ]

    def _block(self, level: int) -> list[ModulatedLayer]:
        clamp = self.options["clamp"]
        options = {
            "noise": self.options["noise"],
            "resample_filter": self.options["resample_filter"],
            "clamp": clamp,
            "padding": self.options["padding"],
            "dtype": self.dtype_policy,
        }
        maps = self.feature_maps(level)
        if level == 0:
            return [ModulatedLayer(maps, name="layer_1", **options)]
        first = ModulatedLayer(maps, resample="up", name=f"layer_{2 * level}", **options)
        if self.architecture == "resnet":
            options["activation_gain"] = RELU_GAIN * RESIDUAL_GAIN
            options["clamp"] = None if clamp is None else clamp * RESIDUAL_GAIN
        return [first, ModulatedLayer(maps, name=f"layer_{2 * level + 1}", **options)]

    @property
    def grows(self) -> bool:
        return self.architecture == "growing"

    def level_of_w(self, index: int) -> int:
        """The level at which a w, counted from 0, styles features; the last one only colours the image."""
        return min((index + 1) // 2, self.num_levels - 1)

    def noise_sizes(self, level: int) -> list[tuple[int, int]]:
        return [self.size(index // 2) for index in range(1, 2 * (level + 1))] if self.has_noise else []

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        w_shape = (None, input_shape[-1])
        self.constant.build(w_shape)
        for level, block in enumerate(self.blocks):
            below = max(level - 1, 0)
            block[0].build((None, *self.size(below), self.feature_maps(below)), w_shape)
            for layer in block[1:]:
                layer.build((None, *self.size(level), self.feature_maps(level)), w_shape)
        for level, skip in enumerate(self.skips):
            skip.build((None, *self.size(level), self.feature_maps(level)))
        for level, to_rgb in enumerate(self.to_rgb, start=self.num_levels - len(self.to_rgb)):
            to_rgb.build((None, *self.size(level), self.feature_maps(level)), w_shape)

    def call(
        self, ws: Any, *, level: int | None = None, fade_in: Any = None, noise: str | Sequence[Any] = "fixed"
    ) -> Any:
        level = checked_level(level, self.num_levels, self.grows)
        by_layer = self.by_layer(ws, level)  # [N, w_size] for each layer and for the image
        shown = [index for index in range(level + 1) if self._shows(index, level, fade_in)]
        layers = [layer for block in self.blocks[: level + 1] for layer in block]
        images_of = {index: self.to_rgb[index - self.num_levels] for index in shown}
        convolutions = [*(layer.conv for layer in layers), *images_of.values()]
        inputs = [*by_layer[: len(layers)], *(by_layer[2 * index + 1] for index in shown)]
        styles = dense_together([conv.affine for conv in convolutions], inputs)  # [N, C] or [N, C'] for each layer
        x = self.constant(by_layer[0])  # [N, h, w, C] of level 0
        images = None
        for index in range(level + 1):
            x = self._run_block(index, x, by_layer, noise, styles)  # [N, h, w, C]
            if index in shown:
                image_styles = styles[len(layers) + shown.index(index)]
                added = images_of[index](x, by_layer[2 * index + 1], styles=image_styles)  # [N, h, w, channels]
                images = self._combine(images, added, fade_in)  # [N, h, w, channels]
        return images  # [N, H, W, channels]

    def _shows(self, index: int, level: int, fade_in: Any) -> bool:
        """Whether a level makes an image that takes part in that of another."""
        return self.architecture == "skip" or index == level or (index == level - 1 and self._fades(fade_in))

    def _run_block(
        self, level: int, x: Any, ws: Sequence[Any], noise: str | Sequence[Any], styles: Sequence[Any]
    ) -> Any:
        skipped = None
        if self.skips and level:
            skipped = run_padded(self.skips[level - self.num_levels], x, self.options["padding"], 2)  # [N, h, w, C]
        for offset, layer in enumerate(self.blocks[level]):
            index = max(2 * level - 1, 0) + offset
            layer_noise = noise if isinstance(noise, str) or not self.has_noise else noise[index]
            x = layer(x, ws[index], noise=layer_noise, styles=styles[index])  # [N, h, w, C]
        return x if skipped is None else x + skipped

    def _fades(self, fade_in: Any) -> bool:
        return self.grows and fade_in is not None

    def _combine(self, below: Any, images: Any, fade_in: Any) -> Any:
        """The images of a level with those of the level below: their sum, or faded from them."""
        if below is None:
            return images
        below = run_padded(
            lambda x: upsample_fir(x, self._taps), below, self.options["padding"], 2
        )  # [N, h/2, w/2, channels] -> [N, h, w, channels]
        return below + (images - below) * ops.cast(fade_in, images.dtype) if self.grows else below + images

    def active_weights(self, level: int) -> list[Any]:
        level = checked_level(level, self.num_levels, self.grows)
        if not self.grows:
            return self.trainable_weights
        layers: list[keras.layers.Layer] = [self.constant, *self.to_rgb[max(level - 1, 0) : level + 1]]
        layers += [layer for block in self.blocks[: level + 1] for layer in block]
        return [weight for layer in layers for weight in layer.trainable_weights]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "architecture": self.architecture}
