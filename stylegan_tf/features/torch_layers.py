"""Layers' weights from a PyTorch table of tensors, in TensorFlow's order of axes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stylegan_tf.errors import UserError

Weights = Mapping[str, np.ndarray]
KernelAndBias = tuple[np.ndarray, np.ndarray]


def tensor(weights: Weights, name: str) -> np.ndarray:
    """The tensor of a name. Raises ValueError where there is none."""
    try:
        return weights[name]
    except KeyError:
        raise UserError(f"Weights must be those of the network that was asked for. Received: no {name!r}.") from None


def convolution(weights: Weights, name: str) -> KernelAndBias:
    """Kernel, float32 `[height, width, in, out]`, and bias, float32 `[out]`, of a convolution with a bias."""
    kernel = tensor(weights, f"{name}.weight")  # [out, in, height, width]
    return kernel.transpose(2, 3, 1, 0).astype(np.float32), tensor(weights, f"{name}.bias").astype(np.float32)


def folded_convolution(
    weights: Weights, name: str, batch_norm: str, epsilon: float, *, depthwise: bool = False
) -> KernelAndBias:
    """Folds the batch normalisation after a convolution without bias into its kernel and a bias, in float64.

    Args:
        weights: Tensors by name.
        name: Of the convolution.
        batch_norm: Name of the batch normalisation that follows.
        epsilon: What is added to the variance.
        depthwise: Whether each channel has a filter of its own.

    Returns:
        Kernel, float32 `[height, width, in, out]`, or `[height, width, channels, 1]` of a depthwise convolution; and
        bias, float32 `[out]`.

    Raises:
        ValueError: A tensor is missing.
    """
    kernel = tensor(weights, f"{name}.weight").astype(np.float64)  # [out, in, height, width]
    gamma, beta, mean, variance = (
        tensor(weights, f"{batch_norm}.{part}").astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + epsilon)
    kernel = kernel * scale[:, np.newaxis, np.newaxis, np.newaxis]
    kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(2, 3, 1, 0)
    return kernel.astype(np.float32), (beta - mean * scale).astype(np.float32)
