"""Noise added to features."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("stylegan_tf")
class NoiseInjection(keras.layers.Layer):
    """Adds one noise image to all channels, times a learned strength that starts at zero.

    Args:
        per_channel: A strength for each channel, as in StyleGAN; else one for all, as in StyleGAN2.
        seed: Of the generator behind `noise="random"`.

    Call arguments:
        x: Features [N, H, W, C].
        noise: "fixed" adds the layer's own image, drawn once and saved with it; "random" draws one for each
            image; "none" adds nothing; a tensor [N, H, W, 1] of unit variance is used as it is. A training step
            hands in tensors, so that it can be repeated and every replica has its own.

    Output shape: [N, H, W, C].

    Raises:
        ValueError: For an unknown word.

    Example:
        >>> x = keras.random.normal((4, 16, 16, 64))
        >>> layer = NoiseInjection()
        >>> layer(x, noise="random").shape, layer.strength.shape
        (TensorShape([4, 16, 16, 64]), TensorShape([64]))

    Reference: Karras et al. 2019 (StyleGAN), section 2, figure 1b; Karras et al. 2020 (StyleGAN2), section 2.1.
    """

    def __init__(self, seed: int | None = None, per_channel: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.per_channel = per_channel
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        _, height, width, channels = input_shape
        self.strength = self.add_weight(
            shape=(channels,) if self.per_channel else (), initializer="zeros", name="strength"
        )
        self.fixed_noise = self.add_weight(
            shape=(1, height, width, 1),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            name="fixed_noise",
        )

    def call(self, x: Any, noise: Any = "fixed") -> Any:
        if isinstance(noise, str):
            if noise == "none":
                return x
            if noise == "fixed":
                noise = self.fixed_noise  # [1, H, W, 1]
            elif noise == "random":
                shape = (*ops.shape(x)[:3], 1)
                noise = keras.random.normal(shape, dtype=x.dtype, seed=self.seed_generator)  # [N, H, W, 1]
            else:
                raise ValueError(f"noise must be 'fixed', 'random', 'none' or a tensor. Received: noise={noise!r}.")
        return x + ops.cast(noise, x.dtype) * self.strength

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed, "per_channel": self.per_channel}
