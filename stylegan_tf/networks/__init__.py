"""The networks: mapping, synthesis, generator and critic."""

from stylegan_tf.networks.critic import Critic
from stylegan_tf.networks.generator import Generator
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.synthesis import SynthesisNetwork

__all__ = ["Critic", "Generator", "MappingNetwork", "SynthesisNetwork"]
