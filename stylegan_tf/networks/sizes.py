"""Sizes of a network: image size and feature maps by level, and inputs that do not have them.

Level 0 is the base resolution (4x4 as published, but any size); every level doubles it.
"""

from __future__ import annotations

from typing import Any

from stylegan_tf.configuration.resolutions import level_size
from stylegan_tf.errors import UserError


def feature_maps_at(level: int, base: int, maximum: int) -> int:
    """Feature maps at a level: min(base / 2^(level + 1), maximum), at least 1.

    Karras et al. 2019 (StyleGAN), section 2 and Karras et al. 2018, table 2 use base 8192 and maximum 512. Level
    -1 is the critic's first dense layer.
    """
    return max(1, min(base >> (level + 1), maximum))


def has_minibatch_stddev(group: int | None, features: int, feature_maps: int) -> bool:
    """Whether a critic has the minibatch standard deviation: a group of 0 or 1 leaves it out, None is the whole batch.

    Args:
        group: Images in a group.
        features: Feature maps of the statistic, which share out those of the critic.
        feature_maps: Of the critic at level 0, where the statistic is taken.

    Raises:
        ValueError: When the feature maps cannot be shared out evenly.
    """
    if group is not None and group <= 1:
        return False
    if features < 1 or feature_maps % features:
        raise UserError(
            "minibatch_stddev_features must divide the feature maps at the smallest resolution, "
            f"min(feature_maps_base / 2, feature_maps_max), here {feature_maps}. Received: {features}."
        )
    return True


def checked_level(level: int | None, num_levels: int, grows: bool) -> int:
    """The level, the last one for None.

    Raises:
        ValueError: For a level that the network does not have, or another than the last of one that does not grow.
    """
    last = num_levels - 1
    level = last if level is None else level
    if not grows and level != last:
        raise ValueError(
            f"level must be the last one, {last}, or None: this architecture does not grow. Received: level={level}."
        )
    if not 0 <= level <= last:
        raise ValueError(f"level must lie between 0 and {last}. Received: level={level}.")
    return level


def check_image_size(images: Any, base_size: tuple[int, int], level: int) -> None:
    """Refuses images that do not have the size of a level.

    A critic would not notice larger ones: its dense layer would take each for several.

    Raises:
        ValueError: For images [N, H, W, C] of another height or width.
    """
    size = level_size(base_size, level)
    if any(got not in (None, want) for got, want in zip(images.shape[1:3], size, strict=True)):
        raise ValueError(
            f"images must be {size[0]}x{size[1]} pixels at level {level}. Received: shape {tuple(images.shape)}."
        )


def check_labels(labels: Any, num_classes: int, network: str) -> None:
    """Raises ValueError for labels that are missing, naming what kind of `network` wants them."""
    if num_classes and labels is None:
        raise ValueError(
            f"labels must be given to a {network} with {num_classes} classes, one-hot [N, {num_classes}]. "
            "Received: labels=None."
        )
