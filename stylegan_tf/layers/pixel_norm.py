"""Pixelwise feature vector normalisation."""

from __future__ import annotations

from typing import Any

import keras

from stylegan_tf.ops.normalization import pixel_norm


@keras.saving.register_keras_serializable("stylegan_tf")
class PixelNorm(keras.layers.Layer):
    """Scales every feature vector to unit mean square.

    Args:
        epsilon: Added to the mean square.

    Input shape: [..., C]. Output shape: the same.

    Example:
        >>> w = PixelNorm()(keras.random.normal((4, 512)))
        >>> keras.ops.mean(w**2, axis=-1).numpy().round(3)
        array([1., 1., 1., 1.], dtype=float32)

    Reference: Karras et al. 2018 (progressive growing), section 4.2; on latents, Karras et al. 2019, appendix C.
    """

    def __init__(self, epsilon: float = 1e-8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, x: Any) -> Any:
        return pixel_norm(x, self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
