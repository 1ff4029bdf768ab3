"""Convolutions that also resample: the separate and the fused form of StyleGAN, and StyleGAN2's with a filter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from keras import KerasTensor as Tensor
from keras import ops

from stylegan_tf.ops.fir import Padding2D
from stylegan_tf.ops.resample import downsample_average, upsample_nearest
from stylegan_tf.ops.target import Target, current_target
from stylegan_tf.ops.upfirdn import (
    downsample_fir,
    downsampling_padding,
    filter_size,
    upfirdn,
    upsample_fir,
    upsampling_padding,
)

Gradient = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """Plain convolution, zeros outside. [N, H, W, C] with [k, k, C, D] -> [N, H, W, D]."""
    if kernel.shape[0] == 1:
        return ops.matmul(x, ops.reshape(kernel, kernel.shape[2:]))  # the same product, a tenth to a quarter faster
    if current_target() is Target.CPU and x.dtype == tf.float32 and kernel.shape[0] % 2:
        return _convolve_both_ways(x, kernel)
    return ops.conv(x, kernel, strides=1, padding="same", data_format="channels_last")


@tf.custom_gradient
def _convolve_both_ways(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    """A convolution whose gradient by the images is a convolution: TensorFlow's own takes up to three times as long.

    The images' gradient is the convolution with the mirrored, transposed kernel. That and the kernel's gradient are
    linear in both of their arguments, and convolutions likewise, so gradients of every order are of these two.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _convolve_both_ways(upstream, _transposed(kernel)), _kernel_gradient(x, upstream, kernel.shape)

    return tf.nn.conv2d(x, kernel, 1, "SAME"), gradient


def _kernel_gradient(x: tf.Tensor, upstream: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    @tf.custom_gradient
    def correlate(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        def gradient(kernel: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return _convolve_both_ways(upstream, _transposed(kernel)), _convolve_both_ways(x, kernel)

        values = tf.raw_ops.Conv2DBackpropFilter(
            input=x, filter_sizes=shape.as_list(), out_backprop=upstream, strides=[1, 1, 1, 1], padding="SAME"
        )
        return values, gradient

    return correlate(x, upstream)


def _transposed(kernel: tf.Tensor) -> tf.Tensor:
    return tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])


def convolve_up(x: Tensor, kernel: Tensor, *, fused: bool) -> Tensor:
    """Upsamples by two and convolves.

    The fused form is one strided transposed convolution with the kernel spread over 2x2 pixels. It sees the
    kernel mirrored along both axes, as in the published networks, so weights trained in one form do not fit
    the other.

    Args:
        x: [N, H, W, C].
        kernel: [3, 3, C, D].
        fused: One strided convolution instead of nearest-neighbour upsampling followed by a convolution.

    Returns:
        [N, 2H, 2W, D].
    """
    if not fused:
        return convolve(upsample_nearest(x), kernel)
    kernel = _spread(ops.transpose(kernel, (0, 1, 3, 2)))
    return ops.conv_transpose(x, kernel, strides=2, padding="same", data_format="channels_last")


def convolve_down(x: Tensor, kernel: Tensor, *, fused: bool) -> Tensor:
    """Convolves and halves the resolution by averaging.

    Args:
        x: [N, H, W, C] with even H and W.
        kernel: [3, 3, C, D].
        fused: One strided convolution instead of a convolution followed by 2x2 average pooling.

    Returns:
        [N, H/2, W/2, D].
    """
    if not fused:
        return downsample_average(convolve(x, kernel))
    return ops.conv(x, _spread(kernel) * 0.25, strides=2, padding="same", data_format="channels_last")


def convolve_resampled(
    x: Tensor, kernel: Tensor, *, taps: np.ndarray | None = None, up: int = 1, down: int = 1, flip_kernel: bool = False
) -> Tensor:
    """Convolution that upsamples before or downsamples after, with a low-pass filter.

    StyleGAN2 (Karras et al. 2020), section 2 and appendix B. Equals zero insertion, padding, the filter, the
    convolution and decimation in this order. It is computed at the lower resolution: a strided (transposed)
    convolution, and the filter as a depthwise convolution at the higher; kernels composed with the filter take twice
    as long.

    Args:
        x: [N, H, W, C] with static H, W and C.
        kernel: [k, k, C, D] with odd k.
        taps: Filter of `ops.upfirdn.make_filter`; None leaves the filter out.
        up: Factor of the resolution before the convolution.
        down: Divisor of the resolution after the convolution; divides H * up and W * up.
        flip_kernel: Mirror the kernel along both axes. Without, this is the cross-correlation that neural networks call
            convolution, as `convolve`.

    Returns:
        [N, H * up / down, W * up / down, D].

    Raises:
        ValueError: For an even kernel, or a factor that is no positive number.
    """
    size = kernel.shape[0]
    if size % 2 == 0 or up < 1 or down < 1:
        raise ValueError(
            "the kernel must have an odd size, up and down must be positive. "
            f"Received: a kernel of shape {tuple(kernel.shape)}, up={up}, down={down}."
        )
    if up > 1 and down == 1 and size > 1:
        return _convolve_up_fir(x, kernel if flip_kernel else ops.flip(kernel, (0, 1)), taps, up)
    if flip_kernel and size > 1:
        kernel = ops.flip(kernel, (0, 1))
    if up > 1 and down == 1:
        return upsample_fir(convolve(x, kernel), taps, up)
    if up > 1:
        return _convolve_up_and_down(x, kernel, taps, up, down)
    if down > 1 and size == 1:
        return convolve(downsample_fir(x, taps, down), kernel)
    if down > 1:
        x = upfirdn(x, taps, padding=_sum_of_paddings(size // 2, downsampling_padding(taps, down)))
        return ops.conv(x, kernel, strides=down, padding="valid", data_format="channels_last")
    return convolve(x, kernel)


def _convolve_up_fir(x: Tensor, mirrored: Tensor, taps: np.ndarray | None, up: int) -> Tensor:
    """A transposed convolution is zero insertion and convolution with the mirrored kernel."""
    size = mirrored.shape[0]
    (height, width), ((top, _), (left, _)) = x.shape[1:3], upsampling_padding(taps, up)
    filter_height, filter_width = filter_size(taps)
    mirrored = ops.transpose(mirrored, (0, 1, 3, 2))
    x = ops.conv_transpose(x, mirrored, strides=up, padding="valid", data_format="channels_last")
    # The transposed convolution has size - 1 pixels of padding on the first sides, and whatever it has on the others.
    top, left = top - size // 2, left - size // 2
    bottom = height * up + filter_height - 1 - top - x.shape[1]
    right = width * up + filter_width - 1 - left - x.shape[2]
    return upfirdn(x, taps, padding=((top, bottom), (left, right)), gain=float(up**2))


def _convolve_up_and_down(x: Tensor, kernel: Tensor, taps: np.ndarray | None, up: int, down: int) -> Tensor:
    padding = _sum_of_paddings(kernel.shape[0] // 2, upsampling_padding(taps, up), downsampling_padding(taps, down))
    x = upfirdn(x, taps, up=up, padding=padding, gain=float(up**2))
    x = ops.conv(x, kernel, strides=1, padding="valid", data_format="channels_last")
    return upfirdn(x, taps, down=down)


def _sum_of_paddings(margin: int, *paddings: Padding2D) -> Padding2D:
    (top, bottom), (left, right) = np.sum(paddings, axis=0).tolist()
    return (top + margin, bottom + margin), (left + margin, right + margin)


def _spread(kernel: Tensor) -> Tensor:
    """Sums the kernel over its four shifts by one pixel: [3, 3, a, b] -> [4, 4, a, b].

    Written as a product with a constant matrix: the gradient of the obvious slices and sums takes as long as a
    convolution.
    """
    size, _, rows, columns = kernel.shape
    spread = ops.convert_to_tensor(_spread_matrix(size), dtype=kernel.dtype)
    kernel = ops.matmul(spread, ops.reshape(kernel, (size * size, rows * columns)))
    return ops.reshape(kernel, (size + 1, size + 1, rows, columns))


def _spread_matrix(size: int) -> np.ndarray:
    one_axis = np.eye(size + 1, size) + np.eye(size + 1, size, k=-1)
    return np.kron(one_axis, one_axis)
