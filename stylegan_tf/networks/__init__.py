"""The networks: mapping, synthesis, generator and critic."""

from stylegan_tf.networks.critic import Critic
from stylegan_tf.networks.generator import Generator, Synthesis
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.stylegan2_critic import StyleGAN2Critic
from stylegan_tf.networks.stylegan2_synthesis import StyleGAN2SynthesisNetwork
from stylegan_tf.networks.synthesis import SynthesisNetwork

__all__ = [
    "Critic",
    "Generator",
    "MappingNetwork",
    "StyleGAN2Critic",
    "StyleGAN2SynthesisNetwork",
    "Synthesis",
    "SynthesisNetwork",
]
