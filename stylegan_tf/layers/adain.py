"""Adaptive instance normalisation."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from stylegan_tf.layers.equalized_dense import EqualizedDense
from stylegan_tf.ops.normalization import instance_statistics


@keras.saving.register_keras_serializable("stylegan_tf")
class AdaIN(keras.layers.Layer):
    """Normalises each channel of each image, then scales and shifts it as the style says.

    The style is a learned affine map of w; one is added to its scale, so that it starts as the identity.
    Normalisation and style are folded into one scale and one shift for each channel, taken and applied in float32.

    Args:
        epsilon: Added to the variance; 1e-8 as published.
        normalize: False leaves the normalisation out and keeps the style.

    Call arguments:
        x: Features [N, H, W, C].
        w: Intermediate latents [N, w_size].
        style: What the affine map gives for w, [N, 2C], where it is known already.

    Output shape: [N, H, W, C], of the type of `x`.

    Example:
        >>> x, w = keras.random.normal((4, 16, 16, 64)), keras.random.normal((4, 512))
        >>> AdaIN()(x, w).shape
        TensorShape([4, 16, 16, 64])

    Reference: Karras et al. 2019 (StyleGAN), section 2, equation 1.
    """

    def __init__(self, epsilon: float = 1e-8, normalize: bool = True, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.epsilon = epsilon
        self.normalize = normalize

    def build(self, x_shape: tuple[int | None, ...], w_shape: tuple[int | None, ...]) -> None:
        self.style = EqualizedDense(2 * int(x_shape[-1] or 0), gain=1.0, dtype="float32", name="style")
        self.style.build(w_shape)

    def call(self, x: Any, w: Any, style: Any = None) -> Any:
        style = self.style(w) if style is None else style  # [N, 2C]
        scale, shift = ops.split(ops.reshape(style, (-1, 1, 1, 2 * x.shape[3])), 2, axis=3)  # [N, 1, 1, C]
        scale = scale + 1.0
        if self.normalize:
            mean, reciprocal_stddev = instance_statistics(x, self.epsilon)  # [N, 1, 1, C]
            scale = scale * reciprocal_stddev
            shift = shift - mean * scale
        # In half precision a constant channel would lose its shift: it is scaled by up to 1 / sqrt(epsilon) = 10,000
        # before the mean is taken off again.
        return ops.cast(ops.cast(x, "float32") * scale + shift, x.dtype)  # [N, H, W, C]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon, "normalize": self.normalize}
