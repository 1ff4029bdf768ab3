"""The mapping network, from latents z to intermediate latents w."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from stylegan_tf.layers.equalized import RELU_GAIN
from stylegan_tf.layers.equalized_dense import EqualizedDense
from stylegan_tf.networks.sizes import check_labels
from stylegan_tf.ops.normalization import pixel_norm

DESIGNS = ("stylegan1", "stylegan2")
LABEL_INPUTS = ("one_hot", "embedded", "normalized")


@keras.saving.register_keras_serializable("stylegan_tf")
class MappingNetwork(keras.layers.Layer):
    """Normalises latents (and labels beside them) and sends them through dense layers, all in float32.

    Args:
        w_size: Size of w.
        num_layers: Number of dense layers; 0 makes w the normalised latent (progressive growing's generator).
        hidden_size: Width of the layers but the last; None means `w_size`.
        learning_rate_multiplier: Of the dense layers, 0.01 as published.
        num_classes: Size of the one-hot labels; 0 for none.
        label_input: How labels are put beside z: "one_hot" as they are (progressive growing); "embedded" times a
            learned matrix (StyleGAN, StyleGAN2); "normalized" through a linear layer to `w_size`, and then normalised
            apart from z (StyleGAN2-ADA).
        design: "stylegan1", or "stylegan2": dense layers have their gain behind the activation, where it scales the
            bias too.
        normalize: Normalise the input vector to unit mean square.

    Call arguments:
        z: [N, z_size], N(0, 1); None for a network of labels alone, built with a z_size of 0.
        labels: [N, num_classes] one-hot; needed when num_classes > 0.

    Output shape: [N, w_size] (with no layers: the size of the input, labels included). A built network has it as
    `output_size`.

    Raises:
        ValueError: For an unknown design or label_input, or when labels are missing.

    Reference: Karras et al. 2019 (StyleGAN), section 2 and appendix C; Karras et al. 2020 (ADA), appendix D.
    """

    def __init__(
        self,
        w_size: int = 512,
        *,
        num_layers: int = 8,
        hidden_size: int | None = None,
        learning_rate_multiplier: float = 0.01,
        num_classes: int = 0,
        label_input: str = "embedded",
        design: str = "stylegan1",
        normalize: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        if design not in DESIGNS:
            raise ValueError(f"design must be one of {DESIGNS}. Received: {design!r}.")
        if label_input not in LABEL_INPUTS:
            raise ValueError(f"label_input must be one of {LABEL_INPUTS}. Received: {label_input!r}.")
        self.w_size = w_size
        self.num_layers = num_layers
        self.hidden_size = hidden_size
        self.learning_rate_multiplier = learning_rate_multiplier
        self.num_classes = num_classes
        self.label_input = label_input
        self.design = design
        self.normalize = normalize

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        size = int(input_shape[-1] or 0)
        if self.num_classes:
            if self.label_input == "normalized":
                self.label_dense = EqualizedDense(self.w_size, gain=1.0, dtype="float32", name="label_dense")
                self.label_dense.build((None, self.num_classes))
                size += self.w_size
            elif self.label_input == "embedded":
                self.label_embedding = self.add_weight(
                    shape=(self.num_classes, size),
                    name="label_embedding",
                    initializer=keras.initializers.RandomNormal(stddev=1.0),
                )
                size *= 2
            else:
                size += self.num_classes
        gains = {"gain": 1.0, "activation_gain": RELU_GAIN} if self.design == "stylegan2" else {"gain": RELU_GAIN}
        self.dense = []
        for index in range(self.num_layers):
            last = index == self.num_layers - 1
            units = self.w_size if last else (self.hidden_size or self.w_size)
            layer = EqualizedDense(
                units,
                learning_rate_multiplier=self.learning_rate_multiplier,
                activation="leaky_relu",
                dtype="float32",
                name=f"dense_{index}",
                **gains,
            )
            layer.build((None, size))
            self.dense.append(layer)
            size = units
        self.output_size = size

    def call(self, z: Any, labels: Any = None) -> Any:
        check_labels(labels, self.num_classes, "network")
        parts = [] if z is None else [z]  # [N, z_size]
        if self.num_classes:
            labels = ops.cast(labels, "float32")  # [N, num_classes]
            if self.label_input == "normalized":
                labels = self.label_dense(labels)  # [N, w_size]
            elif self.label_input == "embedded":
                labels = ops.matmul(labels, self.label_embedding)  # [N, z_size]
            parts.append(labels)
        apart = self.label_input == "normalized"
        if self.normalize and apart:
            parts = [pixel_norm(part) for part in parts]
        x = ops.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]  # [N, z_size + size of labels]
        if self.normalize and not apart:
            x = pixel_norm(x)
        for layer in self.dense:
            x = layer(x)  # [N, hidden_size], behind the last [N, w_size]
        return x

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "w_size": self.w_size,
            "num_layers": self.num_layers,
            "hidden_size": self.hidden_size,
            "learning_rate_multiplier": self.learning_rate_multiplier,
            "num_classes": self.num_classes,
            "label_input": self.label_input,
            "design": self.design,
            "normalize": self.normalize,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MappingNetwork:
        if config.get("design") == "stylegan":  # its name in files of earlier versions
            config = {**config, "design": "stylegan1"}
        return cls(**config)
