"""Bias and activation with a gain that keeps the magnitude."""

from __future__ import annotations

import math
from collections.abc import Callable

from keras import KerasTensor as Tensor
from keras import ops

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "relu": ops.relu,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "elu": ops.elu,
    "selu": ops.selu,
    "softplus": ops.softplus,
    "swish": ops.silu,
}
# Activations that let about half of the signal's power through.
HALVING = ("relu", "leaky_relu", "swish")


def default_gain(activation: str) -> float:
    """The gain after which an activation keeps the magnitude: sqrt(2) for the ReLUs and swish, else 1."""
    return math.sqrt(2.0) if activation in HALVING else 1.0


def bias_act(
    x: Tensor,
    bias: Tensor | None = None,
    activation: str = "linear",
    *,
    slope: float = 0.2,
    gain: float | None = None,
    clamp: float | None = None,
) -> Tensor:
    """Adds the bias, applies the activation, multiplies by the gain, clamps.

    StyleGAN2 (Karras et al. 2020), appendix B: bias and activation of every layer.

    Args:
        x: [..., C].
        bias: [C], or None.
        activation: "linear", "relu", "leaky_relu", "tanh", "sigmoid", "elu", "selu", "softplus" or "swish".
        slope: Of "leaky_relu" below zero, in [0, 1].
        gain: Factor behind the activation; None means `default_gain`.
        clamp: Limit of the result's magnitude; None sets none.

    Returns:
        Same shape and type as `x`.

    Raises:
        ValueError: For an unknown activation or a negative clamp.
    """
    if activation != "leaky_relu" and activation not in ACTIVATIONS:
        known = sorted([*ACTIVATIONS, "leaky_relu"])
        raise ValueError(f"activation must be one of {known}. Received: activation={activation!r}.")
    if clamp is not None and clamp < 0:
        raise ValueError(f"clamp must be a limit of at least 0, or None. Received: clamp={clamp}.")
    if bias is not None:
        x = ops.add(x, ops.cast(bias, x.dtype))  # faster than + where it becomes TensorFlow's bias_add
    x = ops.leaky_relu(x, slope) if activation == "leaky_relu" else ACTIVATIONS[activation](x)
    gain = default_gain(activation) if gain is None else gain
    if gain != 1.0:
        x = x * gain
    return x if clamp is None else ops.clip(x, -clamp, clamp)
