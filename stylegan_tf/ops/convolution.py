"""Convolutions that also resample: the separate and the fused form of the published networks."""

from __future__ import annotations

import numpy as np
from keras import KerasTensor as Tensor
from keras import ops

from stylegan_tf.ops.resample import downsample_average, upsample_nearest


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """Plain convolution, zeros outside. [N, H, W, C] with [k, k, C, D] -> [N, H, W, D]."""
    return ops.conv(x, kernel, strides=1, padding="same", data_format="channels_last")


def convolve_up(x: Tensor, kernel: Tensor, *, fused: bool) -> Tensor:
    """Upsamples by two and convolves.

    The fused form is one strided transposed convolution with the kernel spread over 2x2 pixels. It sees the
    kernel mirrored along both axes, as in the published networks, so weights trained in one form do not fit
    the other.

    Args:
      x: [N, H, W, C].
      kernel: [3, 3, C, D].
      fused: one strided convolution instead of nearest-neighbour upsampling followed by a convolution.

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
      fused: one strided convolution instead of a convolution followed by 2x2 average pooling.

    Returns:
      [N, H/2, W/2, D].
    """
    if not fused:
        return downsample_average(convolve(x, kernel))
    return ops.conv(x, _spread(kernel) * 0.25, strides=2, padding="same", data_format="channels_last")


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
