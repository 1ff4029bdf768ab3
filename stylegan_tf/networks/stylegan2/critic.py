"""StyleGAN2's critic, in its architectures with and without growing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from stylegan_tf.configuration.model_sections import ARCHITECTURES
from stylegan_tf.layers.equalized import RELU_GAIN
from stylegan_tf.layers.equalized_conv2d import EqualizedConv2D
from stylegan_tf.layers.equalized_dense import EqualizedDense
from stylegan_tf.layers.from_rgb import FromRGB
from stylegan_tf.networks.bases import BaseCritic
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.sizes import check_image_size, check_labels, checked_level
from stylegan_tf.networks.stylegan2.synthesis import RESIDUAL_GAIN
from stylegan_tf.ops.upfirdn import downsample_fir, make_filter


@keras.saving.register_keras_serializable("stylegan_tf")
class StyleGAN2Critic(BaseCritic):
    """Images to scores; the paper calls it the discriminator.

    Every level but the first has a convolution and one that halves the resolution. Where the image enters is the
    architecture's choice:

    - "resnet": at the last level, with a skip connection around each level's convolutions; the published StyleGAN2.
    - "orig": at the last level.
    - "skip": at every level, shrunk to its size.
    - "growing": at the level that `level` says, and through `fade_in` at the one below, as in StyleGAN.

    All sub-layers are named by level, so that networks of different size share the names of what they share.

    Args:
        base_size, num_levels, channels, feature_maps_base, feature_maps_max, resample_filter, clamp: As in
            `StyleGAN2SynthesisNetwork`.
        num_classes: Size of the one-hot labels; the score is then the product of features with features of the label,
            or, with `scores_by_class`, the output that belongs to the class.
        architecture: "resnet", "orig", "skip" or "growing".
        minibatch_stddev_group, minibatch_stddev_features: See `MinibatchStdDev`; a group of 0 or 1 leaves it out.
            None takes the whole batch.
        mapping_layers: Dense layers between a label and its features.
        mapping_learning_rate_multiplier: Of these layers.
        scores_by_class: How labels are asked for, see `num_classes`.

    Call arguments:
        images: [N, H, W, channels] in about [-1, 1], of the level's size.
        labels: One-hot [N, num_classes], needed when there are classes.
        level: Python int; None for the largest, the only one unless growing.
        fade_in: Scalar in [0, 1], the share of this level's features, the rest coming from the image at half the
            resolution. None when fully grown; ignored unless growing.
        num_batches: Batches that lie behind each other in `images` and are scored apart: the minibatch statistic of
            one does not see the others.

    Output shape: [N, 1] float32.

    Raises:
        ValueError: For an unknown architecture, a level that it does not have, missing labels, images that do not have
            the level's size, or a smallest level whose feature maps are no multiple of those of the statistic.

    Reference: Karras et al. 2020 (StyleGAN2), section 4.1 and figure 7; "growing" is configurations B to D of
    table 1; the score of a label, Miyato and Koyama 2018, with the mapping of Karras et al. 2020 (ADA), appendix D;
    the score by class, Mescheder et al. 2018, appendix.
    """

    family = "stylegan2"

    def __init__(
        self,
        *,
        base_size: tuple[int, int] = (4, 4),
        num_levels: int = 9,
        channels: int = 3,
        num_classes: int = 0,
        feature_maps_base: int = 16384,
        feature_maps_max: int = 512,
        architecture: str = "resnet",
        minibatch_stddev_group: int | None = 4,
        minibatch_stddev_features: int = 1,
        mapping_layers: int = 8,
        mapping_learning_rate_multiplier: float = 0.01,
        scores_by_class: bool = False,
        resample_filter: Sequence[float] = (1, 3, 3, 1),
        clamp: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if architecture not in ARCHITECTURES:
            raise ValueError(f"architecture must be one of {ARCHITECTURES}. Received: {architecture!r}.")
        self.base_size = (int(base_size[0]), int(base_size[1]))
        self.num_levels = num_levels
        self.channels = channels
        self.num_classes = num_classes
        self.architecture = architecture
        self.options: dict[str, Any] = {
            "feature_maps_base": feature_maps_base,
            "feature_maps_max": feature_maps_max,
            "minibatch_stddev_group": minibatch_stddev_group,
            "minibatch_stddev_features": minibatch_stddev_features,
            "mapping_layers": mapping_layers,
            "mapping_learning_rate_multiplier": mapping_learning_rate_multiplier,
            "scores_by_class": scores_by_class,
            "resample_filter": tuple(resample_filter),
            "clamp": clamp,
        }
        self._taps = make_filter(resample_filter)
        self._add_levels()
        self._add_head()

    def _add_levels(self) -> None:
        # Not every architecture has one at every level, but all at the last: index with level - num_levels.
        first_image = 0 if self.architecture in ("skip", "growing") else self.num_levels - 1
        self.from_rgb = [
            FromRGB(self.feature_maps(level), name=f"from_rgb_{level}", **self._layer_options())
            for level in range(first_image, self.num_levels)
        ]
        self.blocks = [self._block(level) if level else [] for level in range(self.num_levels)]
        self.skips = [
            EqualizedConv2D(
                self.feature_maps(level - 1),
                1,
                resample="down",
                resample_filter=self.options["resample_filter"],
                gain=RESIDUAL_GAIN,
                use_bias=False,
                dtype=self.dtype_policy,
                name=f"skip_{level}",
            )
            for level in range(1, self.num_levels)
            if self.architecture == "resnet"
        ]

    def _layer_options(self, gain: float = 1.0) -> dict[str, Any]:
        """Leaky ReLU, then the published gain, then the clamp; `gain` scales the output of it all."""
        clamp = self.options["clamp"]
        return {
            "gain": 1.0,
            "activation": "leaky_relu",
            "activation_gain": RELU_GAIN * gain,
            "clamp": None if clamp is None else clamp * gain,
            "dtype": self.dtype_policy,
        }

    def _block(self, level: int) -> list[EqualizedConv2D]:
        gain = RESIDUAL_GAIN if self.architecture == "resnet" else 1.0
        return [
            EqualizedConv2D(self.feature_maps(level), name=f"conv_{level}", **self._layer_options()),
            EqualizedConv2D(
                self.feature_maps(level - 1),
                resample="down",
                resample_filter=self.options["resample_filter"],
                name=f"conv_down_{level}",
                **self._layer_options(gain),
            ),
        ]

    def _add_head(self) -> None:
        maps = self.feature_maps(0)
        self.minibatch_stddev = self.make_minibatch_stddev()
        self.conv = EqualizedConv2D(maps, name="conv_0", **self._layer_options())
        dense_options = {**self._layer_options(), "clamp": None, "dtype": "float32"}
        self.dense = EqualizedDense(maps, name="dense", **dense_options)
        projects = self.num_classes > 0 and not self.options["scores_by_class"]
        outputs = maps if projects else max(self.num_classes, 1)
        self.score = EqualizedDense(outputs, gain=1.0, dtype="float32", name="score")
        self.mapping = None
        if projects:
            self.mapping = MappingNetwork(
                maps,
                num_layers=self.options["mapping_layers"],
                num_classes=self.num_classes,
                design="stylegan2",
                learning_rate_multiplier=self.options["mapping_learning_rate_multiplier"],
                label_input="normalized",
                name="mapping",
            )

    @property
    def grows(self) -> bool:
        return self.architecture == "growing"

    def build(self, input_shape: Any = None) -> None:
        for level in range(self.num_levels):
            features = (None, *self.size(level), self.feature_maps(level))
            for conv in self.blocks[level]:
                conv.build(features)
            if self.skips and level:
                self.skips[level - self.num_levels].build(features)
        for level, from_rgb in enumerate(self.from_rgb, start=self.num_levels - len(self.from_rgb)):
            from_rgb.build((None, *self.size(level), self.channels))
        maps = self.feature_maps(0)
        self.conv.build(self.head_shape)
        self.dense.build((None, maps * self.base_size[0] * self.base_size[1]))
        self.score.build((None, maps))
        if self.mapping is not None:
            self.mapping.build((None, 0))
        self.built = True

    def call(
        self, images: Any, labels: Any = None, level: int | None = None, fade_in: Any = None, num_batches: int = 1
    ) -> Any:
        check_labels(labels, self.num_classes, "critic")
        level = checked_level(level, self.num_levels, self.grows)
        check_image_size(images, self.base_size, level)
        x = self.from_rgb[level - self.num_levels](images)  # [N, H, W, channels] -> [N, H, W, C]
        for index in range(level, 0, -1):
            x = self._run_block(index, x)  # [N, h, w, C] -> [N, h/2, w/2, C']
            fades = self.grows and index == level and fade_in is not None
            if fades or self.architecture == "skip":
                images = downsample_fir(images, self._taps)  # [N, h/2, w/2, channels]
                seen = self.from_rgb[index - 1 - self.num_levels](images)  # [N, h/2, w/2, C']
                x = seen + (x - seen) * ops.cast(fade_in, x.dtype) if fades else x + seen
        return self._score(x, labels, num_batches)  # [N, 1]

    def _run_block(self, level: int, x: Any) -> Any:
        skipped = self.skips[level - self.num_levels](x) if self.skips else None  # [N, h/2, w/2, C']
        for conv in self.blocks[level]:
            x = conv(x)  # [N, h, w, C], then [N, h/2, w/2, C']
        return x if skipped is None else x + skipped

    def _score(self, x: Any, labels: Any, num_batches: int) -> Any:
        if self.minibatch_stddev is not None:
            x = self.minibatch_stddev(x, num_batches=num_batches)  # [N, h, w, C + features of the statistic]
        x = self.conv(x)  # [N, h, w, C] of level 0
        x = self.dense(ops.reshape(x, (-1, self.dense.kernel.shape[0])))  # [N, h * w * C] -> [N, C]
        x = self.score(x)  # [N, 1]; with classes [N, C], to be multiplied by the label's, or [N, num_classes]
        if not self.num_classes:
            return x
        if self.mapping is None:
            return ops.sum(x * ops.cast(labels, x.dtype), axis=1, keepdims=True)  # [N, 1]
        x = ops.sum(x * self.mapping(None, labels=labels), axis=1, keepdims=True)  # [N, 1]
        return x / math.sqrt(self.feature_maps(0))

    def layers_at(self, level: int) -> list[keras.layers.Layer]:
        layers = [
            parts[level - self.num_levels]
            for parts in (self.from_rgb, self.skips)
            if len(parts) >= self.num_levels - level
        ]
        return [*layers, *self.blocks[level]]

    def active_weights(self, level: int) -> list[Any]:
        level = checked_level(level, self.num_levels, self.grows)
        if not self.grows:
            return self.trainable_weights
        layers = [*self.from_rgb[max(level - 1, 0) : level + 1]]
        layers += [conv for block in self.blocks[: level + 1] for conv in block]
        layers += [self.conv, self.dense, self.score, *([] if self.mapping is None else [self.mapping])]
        return [weight for layer in layers for weight in layer.trainable_weights]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "architecture": self.architecture}
