"""Instance normalisation without a style."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("stylegan_tf")
class InstanceNorm(keras.layers.GroupNormalization):
    """Keras' group normalisation with one group a channel.

    The same numbers as the layer of that name in tensorflow-addons, which no longer imports.

    Args:
        epsilon: Added to the variance.
        center, scale: Whether there is a learned shift and a learned scale for each channel.

    Input shape: [N, H, W, C]. Output shape: the same.

    Example:
        >>> x = keras.random.normal((4, 16, 16, 64))
        >>> InstanceNorm()(x).shape
        TensorShape([4, 16, 16, 64])

    Reference: Ulyanov et al. 2016 (instance normalization), equation 2.
    """

    def __init__(self, epsilon: float = 1e-8, center: bool = False, scale: bool = False, **kwargs: Any) -> None:
        kwargs.pop("groups", None)
        super().__init__(groups=-1, epsilon=epsilon, center=center, scale=scale, **kwargs)
