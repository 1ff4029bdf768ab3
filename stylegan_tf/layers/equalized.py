"""What the equalized layers share: weights of unit variance that are scaled when they are used."""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import keras
from keras import ops

RELU_GAIN = math.sqrt(2.0)

# f(a x) = a f(x) for every a > 0.
HOMOGENEOUS_ACTIVATIONS = (None, "linear", "relu", "leaky_relu")


# By identity, as Keras variables compare by value.
_SCALED: contextvars.ContextVar[frozenset[int]] = contextvars.ContextVar("scaled_weights", default=frozenset())


class WeightUse(NamedTuple):
    """How layers compute with a weight: in which type, and with which factor."""

    dtype: str
    scale: float


def weight_use(weight: Any) -> WeightUse:
    """The use of a weight; those of layers that are not `Equalized` are handed over as they are stored."""
    use: WeightUse = getattr(weight, "equalized_use", WeightUse("float32", 1.0))
    return use


@contextlib.contextmanager
def scaled_weights(weights: Iterable[Any]) -> Iterator[None]:
    """While the block runs, `Equalized` layers take the values of these weights as scaled already."""
    token = _SCALED.set(frozenset(map(id, weights)))
    try:
        yield
    finally:
        _SCALED.reset(token)


class Equalized(keras.layers.Layer):
    """Base of `EqualizedDense` and `EqualizedConv2D`.

    The kernel is stored as N(0, 1) / lrmul and multiplied by gain / sqrt(fan_in) * lrmul at run time, so that an
    optimizer which divides by the gradient's size moves every layer at the same relative speed. The bias is
    multiplied by lrmul.

    Args:
        gain: Numerator of the He constant: sqrt(2) before a leaky ReLU, 1 for a linear layer.
        learning_rate_multiplier: The published `lrmul`.
        activation: A Keras activation, by name, or None. Keras' "leaky_relu" has the published slope 0.2.
        use_bias: Whether there is a bias.
        bias_initializer: By name.
        activation_gain: Factor behind the activation, where StyleGAN2 has its gain: then `gain` is 1. It is multiplied
            into kernel and bias, which is the same for the activations that allow it.
        clamp: Limit of the output's magnitude, for half precision; None sets none.

    Raises:
        ValueError: For an activation gain other than 1 with an activation that is not "relu" or "leaky_relu" or None.

    Reference: Karras et al. 2018 (progressive growing), section 4.1; Karras et al. 2019 (StyleGAN), appendix C;
    Karras et al. 2020 (StyleGAN2), appendix B; the clamp, Karras et al. 2020 (ADA), appendix D.
    """

    def __init__(
        self,
        *,
        gain: float = RELU_GAIN,
        learning_rate_multiplier: float = 1.0,
        activation: str | None = None,
        use_bias: bool = True,
        bias_initializer: str = "zeros",
        activation_gain: float = 1.0,
        clamp: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if activation_gain != 1.0 and activation not in HOMOGENEOUS_ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {HOMOGENEOUS_ACTIVATIONS} with an activation_gain. "
                f"Received: activation={activation!r}, activation_gain={activation_gain}."
            )
        # As Python floats: a float64 of NumPy's would turn the kernel into float64.
        self.gain = float(gain)
        self.learning_rate_multiplier = float(learning_rate_multiplier)
        self.activation = activation
        self.use_bias = use_bias
        self.bias_initializer = bias_initializer
        self.activation_gain = float(activation_gain)
        self.clamp = clamp
        self._activate = keras.activations.get(activation)

    def add_equalized_weights(self, kernel_shape: tuple[int, ...]) -> None:
        """Creates `kernel` of `kernel_shape` [..., C, D] and `bias` [D]."""
        multiplier = self.learning_rate_multiplier
        self.kernel_scale = self.gain / math.sqrt(math.prod(kernel_shape[:-1])) * multiplier * self.activation_gain
        self.bias_scale = multiplier * self.activation_gain
        autocast = self.compute_dtype != self.variable_dtype  # else a network's type counts outside of the layer
        self.kernel = self.add_weight(
            shape=kernel_shape,
            initializer=keras.initializers.RandomNormal(stddev=1.0 / multiplier),
            autocast=autocast,
            name="kernel",
        )
        self.kernel.equalized_use = WeightUse(self.compute_dtype, self.kernel_scale)
        if self.use_bias:
            self.bias = self.add_weight(
                shape=kernel_shape[-1:], initializer=self.bias_initializer, autocast=autocast, name="bias"
            )
            self.bias.equalized_use = WeightUse(self.compute_dtype, self.bias_scale)

    @property
    def scaled_kernel(self) -> Any:
        """The kernel as it is used."""
        return self.kernel.value if id(self.kernel) in _SCALED.get() else self.kernel * self.kernel_scale

    @property
    def scaled_bias(self) -> Any:
        """The bias as it is used."""
        as_it_is = self.bias_scale == 1 or id(self.bias) in _SCALED.get()
        return self.bias.value if as_it_is else self.bias * self.bias_scale

    def add_bias_and_activate(self, x: Any) -> Any:
        """Bias as it is used, then the activation, then the clamp."""
        if self.use_bias:
            x = x + self.scaled_bias
        x = self._activate(x)
        return x if self.clamp is None else ops.clip(x, -self.clamp, self.clamp)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "gain": self.gain,
            "learning_rate_multiplier": self.learning_rate_multiplier,
            "activation": self.activation,
            "use_bias": self.use_bias,
            "bias_initializer": self.bias_initializer,
            "activation_gain": self.activation_gain,
            "clamp": self.clamp,
        }
