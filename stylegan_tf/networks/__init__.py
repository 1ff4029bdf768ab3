"""The networks: mapping, synthesis, generator and critic."""

from stylegan_tf.networks.bases import BaseCritic, BaseSynthesis
from stylegan_tf.networks.generator import Generator
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.stylegan1.critic import Critic
from stylegan_tf.networks.stylegan1.synthesis import SynthesisNetwork
from stylegan_tf.networks.stylegan2.critic import StyleGAN2Critic
from stylegan_tf.networks.stylegan2.synthesis import StyleGAN2SynthesisNetwork

__all__ = [
    "BaseCritic",
    "BaseSynthesis",
    "Critic",
    "Generator",
    "MappingNetwork",
    "StyleGAN2Critic",
    "StyleGAN2SynthesisNetwork",
    "SynthesisNetwork",
]
