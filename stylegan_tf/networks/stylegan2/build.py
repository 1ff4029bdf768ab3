"""StyleGAN2's networks from settings; see `networks.build.FamilyModule`."""

from __future__ import annotations

from typing import Any

from stylegan_tf.configuration.model_sections import NetworkConfig, parse_taps
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.shape import NetworkShape, critic_arguments, mapping_arguments
from stylegan_tf.networks.stylegan2.critic import StyleGAN2Critic
from stylegan_tf.networks.stylegan2.synthesis import StyleGAN2SynthesisNetwork


def make_mapping(network: NetworkConfig, num_classes: int) -> MappingNetwork:
    """The mapping network."""
    return MappingNetwork(
        label_input="normalized" if network.label_design == "stylegan2-ada" else "embedded",
        design="stylegan2",
        **mapping_arguments(network, num_classes),
    )


def make_synthesis(network: NetworkConfig, shape: NetworkShape) -> StyleGAN2SynthesisNetwork:
    """The synthesis network."""
    return StyleGAN2SynthesisNetwork(
        architecture=network.generator_architecture,
        noise=network.noise,
        padding=network.generator_padding,
        name="synthesis",
        **_filter_and_clamp(network, shape.dtype_policy),
        **shape.arguments,
    )


def make_critic(network: NetworkConfig, shape: NetworkShape) -> StyleGAN2Critic:
    """The critic."""
    return StyleGAN2Critic(
        architecture=network.critic_architecture,
        mapping_layers=network.critic_mapping_layers,
        mapping_learning_rate_multiplier=network.critic_mapping_learning_rate_multiplier,
        scores_by_class=network.label_design == "stylegan2",
        **_filter_and_clamp(network, shape.dtype_policy),
        **critic_arguments(network, shape),
    )


def _filter_and_clamp(network: NetworkConfig, dtype_policy: str) -> dict[str, Any]:
    """The filter, and the limit of activations, which half precision needs (Karras et al. 2020, ADA, appendix D)."""
    clamped = network.clamp_always or dtype_policy == "mixed_float16"
    return {"clamp": network.clamp or None if clamped else None, "resample_filter": parse_taps(network.resample_filter)}
