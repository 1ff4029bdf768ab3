"""What the networks of every family answer: whoever runs, saves or serves them asks this, and no names of families.

A family's synthesis network and critic derive from these classes. Level 0 is the base size; every level doubles it.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from stylegan_tf.configuration.resolutions import level_size
from stylegan_tf.layers.minibatch_stddev import MinibatchStdDev
from stylegan_tf.networks.sizes import feature_maps_at, has_minibatch_stddev


class Levels:
    """A network with resolutions, which are counted from the smallest.

    Attributes:
        family: Its name, as `--family` has it.
        base_size: Height and width at level 0.
        num_levels: Number of resolutions.
        channels: Image channels.
        options: Further arguments of the network, feature_maps_base and feature_maps_max among them.
    """

    family: str
    base_size: tuple[int, int]
    num_levels: int
    channels: int
    options: dict[str, Any]

    @property
    def grows(self) -> bool:
        """Whether it also runs at the levels below the last."""
        raise NotImplementedError

    def size(self, level: int) -> tuple[int, int]:
        """Image height and width at a level."""
        return level_size(self.base_size, level)

    def feature_maps(self, level: int) -> int:
        """Number of feature maps at a level."""
        return feature_maps_at(level, self.options["feature_maps_base"], self.options["feature_maps_max"])

    def active_weights(self, level: int) -> list[Any]:
        """Trainable weights that take part at a level, those that its fade-in needs included."""
        raise NotImplementedError


class BaseSynthesis(Levels, keras.layers.Layer):
    """Intermediate latents to images; `options` hold noise, whether its layers add any.

    Call arguments:
        ws: [N, num_ws, w_size], one w for each layer; more than the level needs are ignored.
        level: Python int, the resolution to generate; None for the largest.
        fade_in: Scalar in [0, 1], the share of this level's image, the rest being the enlarged image of the level
            below. None when fully grown.
        noise: "fixed", "random", "none", or a sequence of tensors [N, H, W, 1] of the sizes of `noise_sizes`.

    Output shape: [N, H, W, channels] float32, about [-1, 1].
    """

    @property
    def has_noise(self) -> bool:
        """Whether its layers add noise."""
        return bool(self.options["noise"])

    @property
    def has_styles(self) -> bool:
        """Whether every layer takes a w of its own."""
        return True

    @property
    def num_ws(self) -> int:
        """Number of ws that it takes."""
        return self.active_ws(self.num_levels - 1)

    def active_ws(self, level: int) -> int:
        """Number of ws, from the first, that take part at a level."""
        return 2 * (level + 1)

    def by_layer(self, ws: Any, level: int) -> list[Any]:
        """The active ws of [N, num_ws, w_size] apart, [N, w_size] each: one operation, and one for the gradient."""
        active = self.active_ws(level)
        layers: list[Any] = ops.unstack(ws if ws.shape[1] == active else ws[:, :active], num=active, axis=1)
        return layers

    def level_of_w(self, index: int) -> int:
        """The level at which a w, counted from 0, styles features."""
        raise NotImplementedError

    def noise_sizes(self, level: int) -> list[tuple[int, int]]:
        """Height and width of each noise image that a call at a level takes; none for a network without noise."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "base_size": self.base_size,
            "num_levels": self.num_levels,
            "channels": self.channels,
            **self.options,
        }


class BaseCritic(Levels, keras.Model):
    """Images to scores.

    `options` hold minibatch_stddev_group and minibatch_stddev_features, see `MinibatchStdDev`.

    Call arguments:
        images: [N, H, W, channels] in about [-1, 1], of the level's size.
        labels: One-hot [N, num_classes], needed when there are classes.
        level, fade_in: As of `BaseSynthesis`.
        num_batches: Batches that lie behind each other in `images` and are scored apart: the minibatch statistic of
            one does not see the others.

    Output shape: [N, 1] float32, the score; when it classifies [N, 1 + num_classes], logits of the classes behind it.

    Attributes:
        num_classes: Size of the one-hot labels, 0 for none.
        minibatch_stddev: The layer, or None.
    """

    num_classes: int
    minibatch_stddev: MinibatchStdDev | None

    @property
    def classifies(self) -> bool:
        """Whether the logits of classes come behind the score."""
        return False

    def layers_at(self, level: int) -> list[keras.layers.Layer]:
        """The layers of a level above 0: those that take its image, and those that lead to the level below."""
        raise NotImplementedError

    def freeze(self, resolutions: int) -> None:
        """Takes the layers of so many resolutions, the largest first, out of the trainable weights.

        Mo et al. 2020 (Freeze the Discriminator), section 3: what the first layers see in images is kept.
        """
        for level in range(self.num_levels - resolutions, self.num_levels):
            for layer in self.layers_at(level):
                layer.trainable = False

    def make_minibatch_stddev(self) -> MinibatchStdDev | None:
        """The statistic at the smallest level, or None where the options leave it out."""
        group, features = (self.options[f"minibatch_stddev_{name}"] for name in ("group", "features"))
        if not has_minibatch_stddev(group, features, self.feature_maps(0)):
            return None
        return MinibatchStdDev(group, features, dtype=self.dtype_policy, name="minibatch_stddev")

    @property
    def head_shape(self) -> tuple[None, int, int, int]:
        """Shape of the features of the smallest level, those of the statistic included."""
        extra = self.options["minibatch_stddev_features"] if self.minibatch_stddev is not None else 0
        return (None, *self.base_size, self.feature_maps(0) + extra)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "base_size": self.base_size,
            "num_levels": self.num_levels,
            "channels": self.channels,
            "num_classes": self.num_classes,
            **self.options,
        }
