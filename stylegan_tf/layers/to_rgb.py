"""Features to image."""

from __future__ import annotations

from typing import Any

import keras

from stylegan_tf.layers.equalized_conv2d import EqualizedConv2D


@keras.saving.register_keras_serializable("stylegan_tf")
class ToRGB(EqualizedConv2D):
    """Linear 1x1 convolution to image channels, computed and returned in float32 whatever the policy says.

    Args:
        channels: Image channels: 1 grey, 3 RGB, 4 RGBA.

    Input shape: [N, H, W, C]. Output shape: [N, H, W, channels], about [-1, 1].

    Example:
        >>> x = keras.random.normal((4, 16, 16, 64))
        >>> ToRGB(3)(x).shape
        TensorShape([4, 16, 16, 3])

    Reference: Karras et al. 2018 (progressive growing), section 2.
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        kwargs = {"gain": 1.0, "kernel_size": 1, **kwargs, "dtype": "float32"}
        kwargs.pop("filters", None)
        super().__init__(channels, **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {"channels": config.pop("filters"), **config}
