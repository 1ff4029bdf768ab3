"""Keras layers of the StyleGAN papers, one public class a file.

The examples in their docstrings come after `import keras` and `from stylegan_tf.layers import *`.
"""

from stylegan_tf.layers.adain import AdaIN
from stylegan_tf.layers.equalized_conv2d import EqualizedConv2D
from stylegan_tf.layers.equalized_dense import EqualizedDense
from stylegan_tf.layers.from_rgb import FromRGB
from stylegan_tf.layers.instance_norm import InstanceNorm
from stylegan_tf.layers.latent_input import LatentInput
from stylegan_tf.layers.learned_constant import LearnedConstant
from stylegan_tf.layers.minibatch_stddev import MinibatchStdDev
from stylegan_tf.layers.modulated_conv2d import ModulatedConv2D
from stylegan_tf.layers.modulated_layer import ModulatedLayer
from stylegan_tf.layers.modulated_to_rgb import ModulatedToRGB
from stylegan_tf.layers.noise_injection import NoiseInjection
from stylegan_tf.layers.pixel_norm import PixelNorm
from stylegan_tf.layers.styled_layer import StyledLayer
from stylegan_tf.layers.to_rgb import ToRGB

__all__ = [
    "AdaIN",
    "EqualizedConv2D",
    "EqualizedDense",
    "FromRGB",
    "InstanceNorm",
    "LatentInput",
    "LearnedConstant",
    "MinibatchStdDev",
    "ModulatedConv2D",
    "ModulatedLayer",
    "ModulatedToRGB",
    "NoiseInjection",
    "PixelNorm",
    "StyledLayer",
    "ToRGB",
]
