"""Image to features."""

from __future__ import annotations

from typing import Any

import keras

from stylegan_tf.layers.equalized_conv2d import EqualizedConv2D


@keras.saving.register_keras_serializable("stylegan_tf")
class FromRGB(EqualizedConv2D):
    """1x1 convolution from image channels with a leaky ReLU.

    Args:
        filters: Number of feature maps.

    Input shape: [N, H, W, channels]. Output shape: [N, H, W, filters].

    Example:
        >>> images = keras.random.uniform((4, 32, 32, 3), -1, 1)
        >>> FromRGB(64)(images).shape
        TensorShape([4, 32, 32, 64])

    Reference: Karras et al. 2018 (progressive growing), section 2.
    """

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(filters, **{"kernel_size": 1, "activation": "leaky_relu", **kwargs})
