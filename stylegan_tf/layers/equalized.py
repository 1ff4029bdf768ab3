"""What the equalized layers share: weights of unit variance that are scaled when they are used."""

from __future__ import annotations

import math
from typing import Any

import keras

RELU_GAIN = math.sqrt(2.0)


class Equalized(keras.layers.Layer):
    """Base of `EqualizedDense` and `EqualizedConv2D`.

    The kernel is stored as N(0, 1) / lrmul and multiplied by gain / sqrt(fan_in) * lrmul at run time, so that an
    optimizer which divides by the gradient's size moves every layer at the same relative speed. The bias starts
    at zero and is multiplied by lrmul.

    Args:
      gain: numerator of the He constant: sqrt(2) before a leaky ReLU, 1 for a linear layer.
      learning_rate_multiplier: the published `lrmul`.
      activation: a Keras activation, by name, or None. Keras' "leaky_relu" has the published slope 0.2.
      use_bias: whether there is a bias.

    Reference: Karras et al. 2018 (progressive growing), section 4.1; Karras et al. 2019 (StyleGAN), appendix C.
    """

    def __init__(
        self,
        *,
        gain: float = RELU_GAIN,
        learning_rate_multiplier: float = 1.0,
        activation: str | None = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # As Python floats: a float64 of NumPy's would turn the kernel into float64.
        self.gain = float(gain)
        self.learning_rate_multiplier = float(learning_rate_multiplier)
        self.activation = activation
        self.use_bias = use_bias
        self._activate = keras.activations.get(activation)

    def add_equalized_weights(self, kernel_shape: tuple[int, ...]) -> None:
        """Creates `kernel` of `kernel_shape` [..., C, D] and `bias` [D]."""
        multiplier = self.learning_rate_multiplier
        self.kernel_scale = self.gain / math.sqrt(math.prod(kernel_shape[:-1])) * multiplier
        self.kernel = self.add_weight(
            shape=kernel_shape,
            initializer=keras.initializers.RandomNormal(stddev=1.0 / multiplier),
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(shape=kernel_shape[-1:], initializer="zeros", name="bias")

    @property
    def scaled_kernel(self) -> Any:
        """The kernel as it is used."""
        return self.kernel * self.kernel_scale

    def add_bias_and_activate(self, x: Any) -> Any:
        """Bias times lrmul, then the activation."""
        if self.use_bias:
            bias = self.bias if self.learning_rate_multiplier == 1 else self.bias * self.learning_rate_multiplier
            x = x + bias
        return self._activate(x)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "gain": self.gain,
            "learning_rate_multiplier": self.learning_rate_multiplier,
            "activation": self.activation,
            "use_bias": self.use_bias,
        }
