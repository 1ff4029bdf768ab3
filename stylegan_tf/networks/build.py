"""Networks from a configuration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.model_sections import NetworkConfig, parse_taps
from stylegan_tf.configuration.resolutions import level_size
from stylegan_tf.networks.generator import Generator
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.stylegan1.critic import Critic
from stylegan_tf.networks.stylegan1.synthesis import SynthesisNetwork
from stylegan_tf.networks.stylegan2.critic import StyleGAN2Critic
from stylegan_tf.networks.stylegan2.synthesis import StyleGAN2SynthesisNetwork


def build_generator(
    config: TrainConfig, num_levels: int, num_classes: int = 0, dtype_policy: str = "float32"
) -> Generator:
    """A built generator.

    Args:
        config: The configuration.
        num_levels: Number of resolutions.
        num_classes: Size of the one-hot labels, 0 for none.
        dtype_policy: Keras policy of the synthesis network; the mapping network is always float32.
    """
    network = config.network
    stylegan2 = network.family == "stylegan2"
    mapping = MappingNetwork(
        network.w_size,
        num_layers=network.mapping_layers,
        hidden_size=network.mapping_width or None,
        learning_rate_multiplier=network.mapping_learning_rate_multiplier,
        num_classes=num_classes,
        label_input=_label_input(network),
        design="stylegan2" if stylegan2 else "stylegan",
        name="mapping",
    )
    shape = {**_shape(config, num_levels, dtype_policy), "noise": network.noise, "name": "synthesis"}
    synthesis: SynthesisNetwork | StyleGAN2SynthesisNetwork
    if stylegan2:
        synthesis = StyleGAN2SynthesisNetwork(
            architecture=network.generator_architecture, **_stylegan2_options(config, dtype_policy), **shape
        )
    else:
        synthesis = SynthesisNetwork(
            constant_input=network.constant_input,
            style=network.style,
            normalization=network.normalization,
            blur=network.blur,
            fused_from=network.fused_from or None,
            **shape,
        )
    generator = Generator(network.z_size, mapping, synthesis, name="generator")
    generator.build()
    return generator


def build_critic(
    config: TrainConfig, num_levels: int, num_classes: int = 0, dtype_policy: str = "float32"
) -> Critic | StyleGAN2Critic:
    """A built critic; arguments as of `build_generator`."""
    network = config.network
    shape = {
        **_shape(config, num_levels, dtype_policy),
        "num_classes": num_classes,
        "minibatch_stddev_group": network.minibatch_stddev_group,
        "minibatch_stddev_features": network.minibatch_stddev_features,
        "name": "critic",
    }
    critic: Critic | StyleGAN2Critic
    if network.family == "stylegan2":
        critic = StyleGAN2Critic(
            architecture=network.critic_architecture,
            mapping_layers=network.critic_mapping_layers,
            mapping_learning_rate_multiplier=network.critic_mapping_learning_rate_multiplier,
            scores_by_class=network.label_design == "stylegan2",
            **_stylegan2_options(config, dtype_policy),
            **shape,
        )
    else:
        critic = Critic(
            blur=network.blur, fused_from=network.fused_from or None, classifies=network.critic_classifies, **shape
        )
    critic.build()
    return critic


def _label_input(network: NetworkConfig) -> str:
    if network.mapping_layers == 0:
        return "one_hot"  # progressive growing
    return "normalized" if network.family == "stylegan2" and network.label_design == "stylegan2-ada" else "embedded"


def _shape(config: TrainConfig, num_levels: int, dtype_policy: str) -> dict[str, Any]:
    """What all networks of a configuration have in common."""
    network = config.network
    return {
        "base_size": config.base_size,
        "num_levels": num_levels,
        "channels": config.channels,
        "feature_maps_base": int(network.feature_maps_base.at(level_size(config.base_size, num_levels - 1))),
        "feature_maps_max": network.feature_maps_max,
        "dtype": keras.DTypePolicy(dtype_policy),
    }


def _stylegan2_options(config: TrainConfig, dtype_policy: str) -> dict[str, Any]:
    """The limit of activations, which half precision needs (Karras et al. 2020, ADA, appendix D), and the filter."""
    network = config.network
    clamped = network.clamp_always or dtype_policy == "mixed_float16"
    return {"clamp": network.clamp or None if clamped else None, "resample_filter": parse_taps(network.resample_filter)}


def by_path(variables: Iterable[keras.Variable]) -> dict[str, tf.Variable]:
    """Keras variables by their path, as `tf.train.Checkpoint` saves them.

    Handing it a network instead would leave out every layer that lies in a list: TensorFlow does not look into the
    lists of a Keras 3 model.

    Raises:
        RuntimeError: When two have one path, of which one would be lost.
    """
    variables = list(variables)
    found = {variable.path: variable.value for variable in variables}
    if len(found) != len(variables):
        raise RuntimeError(f"variables must have paths of their own. Received: {len(variables)}, paths {len(found)}.")
    return found
