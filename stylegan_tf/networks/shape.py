"""What the networks of one run have in common, and what settings mean to all of them, whatever their family."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from stylegan_tf.configuration.model_sections import NetworkConfig


@dataclasses.dataclass(frozen=True)
class NetworkShape:
    """Sizes and types of a generator and its critic.

    Attributes:
        base_size: Height and width at level 0.
        num_levels: Number of resolutions, each twice the one before.
        channels: Image channels.
        num_classes: Size of the one-hot labels, 0 for none.
        feature_maps_base, feature_maps_max: See `networks.sizes.feature_maps_at`.
        dtype_policy: Keras policy of synthesis network and critic; latents, w and images are always float32.
    """

    base_size: tuple[int, int]
    num_levels: int
    channels: int
    num_classes: int
    feature_maps_base: int
    feature_maps_max: int
    dtype_policy: str

    @property
    def arguments(self) -> dict[str, Any]:
        """For the constructors of synthesis networks and critics."""
        return {
            "base_size": self.base_size,
            "num_levels": self.num_levels,
            "channels": self.channels,
            "feature_maps_base": self.feature_maps_base,
            "feature_maps_max": self.feature_maps_max,
            "dtype": keras.DTypePolicy(self.dtype_policy),
        }


def mapping_arguments(network: NetworkConfig, num_classes: int) -> dict[str, Any]:
    """For the constructor of `MappingNetwork`; a family adds its design, and how labels are put in."""
    return {
        "w_size": network.w_size,
        "num_layers": network.mapping_layers,
        "hidden_size": network.mapping_width or None,
        "learning_rate_multiplier": network.mapping_learning_rate_multiplier,
        "num_classes": num_classes,
        "name": "mapping",
    }


def critic_arguments(network: NetworkConfig, shape: NetworkShape) -> dict[str, Any]:
    """For the constructor of a critic; a family adds what its own has besides."""
    return {
        "num_classes": shape.num_classes,
        "minibatch_stddev_group": network.minibatch_stddev_group,
        "minibatch_stddev_features": network.minibatch_stddev_features,
        "name": "critic",
        **shape.arguments,
    }
