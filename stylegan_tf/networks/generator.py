"""The generator: mapping, running mean of w, truncation, synthesis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from stylegan_tf.networks.bases import BaseSynthesis
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.styles import truncate


@keras.saving.register_keras_serializable("stylegan_tf")
class Generator(keras.Model):
    """Latents to images.

    Args:
        z_size: Size of the latents.
        mapping: A `MappingNetwork`.
        synthesis: A family's synthesis network.

    Call arguments:
        z: [N, z_size], N(0, 1).
        labels: One-hot [N, num_classes], needed when there are classes.
        truncation_psi: Scalar or [N]; None leaves w as it is.
        truncation_cutoff: Layers, from the first, that are truncated; None for all.
        level, fade_in, noise: See the synthesis network.

    Output shape: [N, H, W, channels] float32, about [-1, 1].

    Reference: Karras et al. 2019 (StyleGAN), section 2; Karras et al. 2020 (StyleGAN2).
    """

    def __init__(self, z_size: int, mapping: MappingNetwork, synthesis: BaseSynthesis, **kwargs: Any) -> None:
        # Latents, w and images are float32; the policy of the synthesis network says what lies between.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.z_size = z_size
        self.mapping = mapping
        self.synthesis = synthesis

    def build(self, input_shape: Any = None) -> None:
        # The parts of a loaded generator are built already.
        if not self.mapping.built:
            self.mapping.build((None, self.z_size))
        w_size = self.mapping.output_size
        if not self.synthesis.built:
            self.synthesis.build((None, self.synthesis.num_ws, w_size))
        # Replicas update it from their own latents: the mean keeps their copies equal.
        self.w_average = self.add_weight(
            shape=(w_size,), initializer="zeros", trainable=False, dtype="float32", name="w_average", aggregation="mean"
        )
        self.built = True

    def map(self, z: Any, labels: Any = None) -> Any:
        """z [N, z_size] to ws [N, num_ws, w_size], not truncated."""
        w = self.mapping(z, labels=labels)  # [N, w_size]
        return ops.repeat(ops.expand_dims(w, 1), self.synthesis.num_ws, axis=1)  # [N, num_ws, w_size]

    def call(
        self,
        z: Any,
        labels: Any = None,
        truncation_psi: Any = None,
        truncation_cutoff: int | None = None,
        level: int | None = None,
        fade_in: Any = None,
        noise: str | Sequence[Any] = "fixed",
    ) -> Any:
        ws = self.map(z, labels)  # [N, num_ws, w_size]
        if truncation_psi is not None:
            ws = truncate(ws, self.w_average, truncation_psi, truncation_cutoff)
        return self.synthesis(ws, level=level, fade_in=fade_in, noise=noise)  # [N, H, W, channels]

    def active_weights(self, level: int) -> list[Any]:
        """Trainable weights that take part at a level, those that its fade-in needs included."""
        return [*self.mapping.trainable_weights, *self.synthesis.active_weights(level)]

    @property
    def averaged_weights(self) -> list[Any]:
        """What an average over the training consists of, by path: the trainable weights, and the mean of w beside them.

        The mean of w goes with the mapping network: averaged alike, it stays the centre of that one's w.
        """
        return sorted([*self.trainable_weights, self.w_average], key=lambda weight: str(weight.path))

    def update_w_average(self, w: Any, decay: float) -> None:
        """Moves the running mean of w towards the mean of a batch.

        Args:
            w: [N, w_size].
            decay: Share of the old mean that stays, 0.995 as published.
        """
        mean = ops.mean(ops.cast(w, "float32"), axis=0)  # [w_size]
        self.w_average.assign(mean + (self.w_average - mean) * decay)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "z_size": self.z_size,
            "mapping": keras.saving.serialize_keras_object(self.mapping),
            "synthesis": keras.saving.serialize_keras_object(self.synthesis),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Generator:
        config = dict(config)
        for part in ("mapping", "synthesis"):
            config[part] = keras.saving.deserialize_keras_object(config[part], custom_objects=custom_objects)
        return cls(**config)
