"""Networks from a configuration."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import tensorflow as tf

from stylegan_tf.config import TrainConfig
from stylegan_tf.networks.critic import Critic
from stylegan_tf.networks.generator import Generator
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.synthesis import SynthesisNetwork


def build_generator(
    config: TrainConfig, num_levels: int, num_classes: int = 0, dtype_policy: str = "float32"
) -> Generator:
    """A built generator.

    Args:
      config: the configuration.
      num_levels: number of resolutions.
      num_classes: size of the one-hot labels, 0 for none.
      dtype_policy: Keras policy of the synthesis network; the mapping network is always float32.
    """
    network = config.network
    mapping = MappingNetwork(
        network.w_size,
        num_layers=network.mapping_layers,
        learning_rate_multiplier=network.mapping_learning_rate_multiplier,
        num_classes=num_classes,
        name="mapping",
    )
    synthesis = SynthesisNetwork(
        base_size=config.base_size,
        num_levels=num_levels,
        channels=config.channels,
        feature_maps_base=network.feature_maps_base,
        feature_maps_max=network.feature_maps_max,
        constant_input=network.constant_input,
        style=network.style,
        noise=network.noise,
        normalization=network.normalization,
        blur=network.blur,
        fused_from=network.fused_from or None,
        dtype=keras.DTypePolicy(dtype_policy),
        name="synthesis",
    )
    generator = Generator(network.z_size, mapping, synthesis, name="generator")
    generator.build()
    return generator


def build_critic(
    config: TrainConfig, num_levels: int, num_classes: int = 0, dtype_policy: str = "float32"
) -> Critic:
    """A built critic; arguments as of `build_generator`."""
    network = config.network
    critic = Critic(
        base_size=config.base_size,
        num_levels=num_levels,
        channels=config.channels,
        num_classes=num_classes,
        feature_maps_base=network.feature_maps_base,
        feature_maps_max=network.feature_maps_max,
        minibatch_stddev_group=network.minibatch_stddev_group,
        minibatch_stddev_features=network.minibatch_stddev_features,
        blur=network.blur,
        fused_from=network.fused_from or None,
        dtype=keras.DTypePolicy(dtype_policy),
        name="critic",
    )
    critic.build()
    return critic


def by_path(variables: Iterable[keras.Variable]) -> dict[str, tf.Variable]:
    """Keras variables by their path, as `tf.train.Checkpoint` saves them.

    Handing it a network instead would leave out every layer that lies in a list: TensorFlow does not look into the
    lists of a Keras 3 model.

    Raises:
      RuntimeError: when two have one path, of which one would be lost.
    """
    variables = list(variables)
    found = {variable.path: variable.value for variable in variables}
    if len(found) != len(variables):
        raise RuntimeError(f"variables must have paths of their own. Received: {len(variables)}, paths {len(found)}.")
    return found
