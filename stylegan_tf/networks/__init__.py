"""The networks: mapping, synthesis, generator and critic.

A comment such as [N, h, w, C] at the end of a line is the shape of what the line computes:

    N              images in the batch
    H, W           height and width of the images, those of the level that the call runs at
    h, w, C        height, width and feature maps at the level of the features at hand
    C'             feature maps at the level below, where the sides are h/2 and w/2
    channels       of the images: 1 grey, 3 RGB, 4 RGBA
    z_size         size of a latent z
    w_size         size of an intermediate latent w
    num_ws         number of ws that a synthesis network takes for an image
    num_classes    size of the one-hot labels
"""

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
