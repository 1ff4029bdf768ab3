"""StyleGAN's networks from settings; see `networks.build.FamilyModule`."""

from __future__ import annotations

from stylegan_tf.configuration.model_sections import NetworkConfig
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.shape import NetworkShape, critic_arguments, mapping_arguments
from stylegan_tf.networks.stylegan1.critic import Critic
from stylegan_tf.networks.stylegan1.synthesis import SynthesisNetwork


def make_mapping(network: NetworkConfig, num_classes: int) -> MappingNetwork:
    """The mapping network; without layers, as in progressive growing, labels lie beside z as they are."""
    return MappingNetwork(
        label_input="embedded" if network.mapping_layers else "one_hot",
        design="stylegan1",
        **mapping_arguments(network, num_classes),
    )


def make_synthesis(network: NetworkConfig, shape: NetworkShape) -> SynthesisNetwork:
    """The synthesis network."""
    return SynthesisNetwork(
        constant_input=network.constant_input,
        style=network.style,
        noise=network.noise,
        normalization=network.normalization,
        blur=network.blur,
        padding=network.generator_padding,
        fused_from=network.fused_from or None,
        name="synthesis",
        **shape.arguments,
    )


def make_critic(network: NetworkConfig, shape: NetworkShape) -> Critic:
    """The critic."""
    return Critic(
        blur=network.blur,
        fused_from=network.fused_from or None,
        classifies=network.critic_classifies,
        **critic_arguments(network, shape),
    )
