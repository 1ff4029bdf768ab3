"""Convolution whose input channels are scaled by a style, and whose output is brought back to unit deviation."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import KerasTensor as Tensor
from keras import ops

from stylegan_tf.ops.convolution import convolve_resampled
from stylegan_tf.ops.products import full_product
from stylegan_tf.ops.target import Target, current_target

EPSILON = 1e-8


def modulated_convolution(
    x: Tensor,
    kernel: Tensor,
    styles: Tensor,
    *,
    taps: np.ndarray | None = None,
    up: int = 1,
    down: int = 1,
    demodulate: bool = True,
    flip_kernel: bool = False,
    noise: Tensor | None = None,
) -> Tensor:
    """Modulated and demodulated convolution.

    StyleGAN2 (Karras et al. 2020), section 2.2, equations 1 to 3. The style scales the activations instead of the
    weights, and the demodulation the result: the same function, faster than a grouped convolution with the weights of
    each image. Only 1x1 kernels are scaled themselves, which saves a pass over the activations.

    Args:
        x: [N, H, W, C] with static H, W and C.
        kernel: [k, k, C, D] with odd k.
        styles: [N, C]; s of the paper.
        taps, up, down, flip_kernel: See `ops.convolution.convolve_resampled`.
        demodulate: Divide by the standard deviation that the result has for inputs of unit deviation.
        noise: Added to the result, of a shape that broadcasts to it; None adds nothing.

    Returns:
        [N, H * up / down, W * up / down, D] of the type of `x`. In float16, whose range is small, styles and kernel are
        brought to a largest magnitude of one where demodulation cancels it.
    """
    kernel, styles = ops.cast(kernel, "float32"), ops.cast(styles, "float32")
    if demodulate and keras.backend.standardize_dtype(x.dtype) == "float16":
        kernel, styles = _fit_half_precision(kernel, styles)
    demodulation = _demodulation(kernel, styles) if demodulate else None
    if kernel.shape[0] == 1 and up == down == 1:
        y = _convolve_pixels(x, kernel, styles, demodulation)
    else:
        y = x * _for_each_channel(ops.cast(styles, x.dtype))
        y = convolve_resampled(y, ops.cast(kernel, x.dtype), taps=taps, up=up, down=down, flip_kernel=flip_kernel)
        if demodulation is not None:
            y = y * _for_each_channel(ops.cast(demodulation, x.dtype))
    return y if noise is None else y + ops.cast(noise, x.dtype)


def _for_each_channel(factors: Tensor) -> Tensor:
    """[N, C] -> [N, 1, 1, C]; unlike a slice with new axes, a reshape launches nothing, forward or backward."""
    return ops.reshape(factors, (-1, 1, 1, factors.shape[1]))


def _demodulation(kernel: Tensor, styles: Tensor) -> Tensor:
    """Equation 3, as a factor. [N, D]."""
    styles, power = ops.square(styles), ops.sum(ops.square(kernel), axis=(0, 1))
    if current_target() is Target.XLA:  # one pass over both; a product would be one more to be tuned
        power = ops.sum(ops.reshape(styles, (-1, styles.shape[1], 1)) * power, axis=1)
    else:
        power = full_product(styles, power)
    return ops.rsqrt(power + EPSILON)


def _convolve_pixels(x: Tensor, kernel: Tensor, styles: Tensor, demodulation: Tensor | None) -> Tensor:
    """1x1 convolution with a matrix for each image: no pass over the activations but the product itself."""
    _, height, width, channels = x.shape
    matrices = ops.reshape(kernel, kernel.shape[2:]) * ops.reshape(styles, (-1, channels, 1))  # [N, C, D]
    if demodulation is not None:
        matrices = matrices * ops.reshape(demodulation, (-1, 1, kernel.shape[3]))
    y = ops.matmul(ops.reshape(x, (-1, height * width, channels)), ops.cast(matrices, x.dtype))
    return ops.reshape(y, (-1, height, width, kernel.shape[3]))


def _fit_half_precision(kernel: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
    """Scales that demodulation cancels, so they need no gradient: sums of C * k * k products stay in range."""
    fan_in = math.prod(kernel.shape[:3])
    largest_weight = ops.stop_gradient(ops.max(ops.abs(kernel), axis=(0, 1, 2), keepdims=True))
    largest_style = ops.stop_gradient(ops.max(ops.abs(styles), axis=1, keepdims=True))
    kernel = kernel / (ops.maximum(largest_weight, EPSILON) * math.sqrt(fan_in))
    return kernel, styles / ops.maximum(largest_style, EPSILON)
