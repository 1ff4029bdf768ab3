"""The critic: a growing convolutional network that scores images."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from stylegan_tf.layers.equalized_conv2d import EqualizedConv2D
from stylegan_tf.layers.equalized_dense import EqualizedDense
from stylegan_tf.layers.from_rgb import FromRGB
from stylegan_tf.networks.bases import BaseCritic
from stylegan_tf.networks.sizes import check_image_size, check_labels, checked_level
from stylegan_tf.ops.resample import downsample_average


@keras.saving.register_keras_serializable("stylegan_tf")
class Critic(BaseCritic):
    """Images, at any of the resolutions, to scores; the other papers call it the discriminator.

    All blocks exist from the start; `level` and `fade_in` decide which of them run. `blur=False` is the
    discriminator of progressive growing.

    Args:
        base_size, num_levels, channels, feature_maps_base, feature_maps_max: As in `SynthesisNetwork`.
        num_classes: Size of the one-hot labels; the score is the output that belongs to the image's class.
        classifies: Where there are classes, it has one score instead, whatever the label, and predicts the class.
        minibatch_stddev_group, minibatch_stddev_features: See `MinibatchStdDev`; a group of 0 or 1 leaves it out.
            None takes the whole batch.
        blur: Smooth before downsampling.
        fused_from: Smallest input side from which convolution and downsampling are one strided convolution; None
            for never.

    Call arguments:
        images: [N, H, W, channels] in about [-1, 1], of the level's size.
        labels: One-hot [N, num_classes], needed when there are classes.
        level: Python int; None for the largest.
        fade_in: Scalar in [0, 1], the share of this level's features, the rest coming from the image at half the
            resolution. None when fully grown.
        num_batches: Batches that lie behind each other in `images` and are scored apart: the minibatch statistic of
            one does not see the others.

    Output shape: [N, 1] float32, the score; when it classifies [N, 1 + num_classes], logits of the classes behind it.

    Raises:
        ValueError: When labels are missing, the images do not have the level's size, or the smallest level's feature
            maps are no multiple of those of the statistic.

    Reference: Karras et al. 2018 (progressive growing), table 2 and figure 2; Karras et al. 2019, section 2;
    the score by class, Mescheder et al. 2018, appendix; classes and one score, Odena et al. 2017, section 3.
    """

    family = "stylegan1"

    def __init__(
        self,
        *,
        base_size: tuple[int, int] = (4, 4),
        num_levels: int = 9,
        channels: int = 3,
        num_classes: int = 0,
        feature_maps_base: int = 8192,
        feature_maps_max: int = 512,
        minibatch_stddev_group: int | None = 4,
        minibatch_stddev_features: int = 1,
        blur: bool = True,
        fused_from: int | None = 128,
        classifies: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.base_size = (int(base_size[0]), int(base_size[1]))
        self.num_levels = num_levels
        self.channels = channels
        self.num_classes = num_classes
        self.options: dict[str, Any] = {
            "feature_maps_base": feature_maps_base,
            "feature_maps_max": feature_maps_max,
            "minibatch_stddev_group": minibatch_stddev_group,
            "minibatch_stddev_features": minibatch_stddev_features,
            "blur": blur,
            "fused_from": fused_from,
            "classifies": classifies,
        }
        dtype = self.dtype_policy
        self.from_rgb = [
            FromRGB(self.feature_maps(level), dtype=dtype, name=f"from_rgb_{level}") for level in range(num_levels)
        ]
        self.blocks: list[list[EqualizedConv2D]] = [[]]
        for level in range(1, num_levels):
            fused = fused_from is not None and min(self.size(level)) >= fused_from
            self.blocks.append(
                [
                    EqualizedConv2D(
                        self.feature_maps(level), activation="leaky_relu", dtype=dtype, name=f"conv_{level}"
                    ),
                    EqualizedConv2D(
                        self.feature_maps(level - 1),
                        resample="down" if blur or fused else None,
                        fused=fused,
                        blur=blur,
                        activation="leaky_relu",
                        dtype=dtype,
                        name=f"conv_down_{level}",
                    ),
                ]
            )
        self.minibatch_stddev = self.make_minibatch_stddev()
        self.conv = EqualizedConv2D(self.feature_maps(0), activation="leaky_relu", dtype=dtype, name="conv_0")
        self.dense = EqualizedDense(self.feature_maps(-1), activation="leaky_relu", dtype="float32", name="dense")
        outputs = 1 + num_classes if self.classifies else max(num_classes, 1)
        self.score = EqualizedDense(outputs, gain=1.0, dtype="float32", name="score")

    @property
    def grows(self) -> bool:
        return True

    @property
    def classifies(self) -> bool:
        return self.options["classifies"] and self.num_classes > 0

    def build(self, input_shape: Any = None) -> None:
        for level, layer in enumerate(self.from_rgb):
            layer.build((None, *self.size(level), self.channels))
            for conv in self.blocks[level]:
                conv.build((None, *self.size(level), self.feature_maps(level)))
        self.conv.build(self.head_shape)
        self.dense.build((None, self.feature_maps(0) * self.base_size[0] * self.base_size[1]))
        self.score.build((None, self.feature_maps(-1)))
        self.built = True

    def call(
        self, images: Any, labels: Any = None, level: int | None = None, fade_in: Any = None, num_batches: int = 1
    ) -> Any:
        check_labels(labels, self.num_classes, "critic")
        level = checked_level(level, self.num_levels, self.grows)
        check_image_size(images, self.base_size, level)
        x = self.from_rgb[level](images)  # [N, H, W, channels] -> [N, H, W, C]
        for index in range(level, 0, -1):
            for conv in self.blocks[index]:
                x = conv(x)  # [N, h, w, C], then [N, h/2, w/2, C']
            if conv.resample is None:  # progressive growing's separate form averages after the activation
                x = downsample_average(x)  # [N, h, w, C'] -> [N, h/2, w/2, C']
            if index == level and fade_in is not None:
                smooth = self.from_rgb[level - 1](downsample_average(images))  # [N, H/2, W/2, C']
                x = smooth + (x - smooth) * ops.cast(fade_in, x.dtype)
        if self.minibatch_stddev is not None:
            x = self.minibatch_stddev(x, num_batches=num_batches)  # [N, h, w, C + features of the statistic]
        x = self.conv(x)  # [N, h, w, C] of level 0
        x = self.dense(ops.reshape(x, (-1, self.dense.kernel.shape[0])))  # [N, h * w * C] -> [N, feature_maps(-1)]
        scores = self.score(x)  # [N, 1]; with classes [N, num_classes], or [N, 1 + num_classes] when it classifies
        if self.num_classes and not self.classifies:
            scores = ops.sum(scores * ops.cast(labels, scores.dtype), axis=1, keepdims=True)  # [N, 1]
        return scores

    def layers_at(self, level: int) -> list[keras.layers.Layer]:
        return [self.from_rgb[level], *self.blocks[level]]

    def active_weights(self, level: int) -> list[Any]:
        layers = [*self.from_rgb[max(level - 1, 0) : level + 1], self.conv, self.dense, self.score]
        layers += [conv for block in self.blocks[: level + 1] for conv in block]
        return [weight for layer in layers for weight in layer.trainable_weights]
