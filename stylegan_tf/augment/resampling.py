"""Sampling images at affinely moved positions without aliasing. Karras et al. 2020 (Limited Data), appendix B.

Twice the resolution through an orthogonal wavelet, bilinear sampling there, and back through the same filter. What lies
outside an image is its reflection, without end (the published code reflects once and shows zeros beyond: more than a
whole image away). Three linear maps: two are products with constant matrices. The third reads four neighbours, and
its transpose adds to four neighbours; they are each other's gradient, so gradients of every order exist.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from stylegan_tf.augment.wavelets import SYM6_LOWPASS, reflected
from stylegan_tf.ops.products import full_product

_TAPS = SYM6_LOWPASS.size
# Fine positions outside the image that the way back takes, at either end.
_FINE_MARGIN = _TAPS // 2 - 1


def resample(images: tf.Tensor, inverse: tf.Tensor) -> tf.Tensor:
    """Shows at every position of an image what the affine map gives for it.

    Memory: the image at twice the resolution, with its reflection: 16 times the pixels.

    Args:
        images: [N, C, H, W], H and W at least 2.
        inverse: [N, 3, 3], from positions in the result to positions in `images`, both in pixels from the centre, x
            first; no gradient flows to it.

    Returns:
        [N, C, H, W].
    """
    _, _, height, width = images.shape
    fine = _transformed_axes(images, _constant(_upsampling_matrix, width), _constant(_upsampling_matrix, height))
    moved = _moved(fine, tf.stop_gradient(inverse), height, width)
    return _transformed_axes(moved, _constant(_downsampling_matrix, height), _constant(_downsampling_matrix, width))


def _transformed_axes(planes: tf.Tensor, last: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """Multiplies both axes of planes with matrices; the axes change places.

    Only products of two plain matrices: TensorFlow 2.21 overwrites memory where it broadcasts a matrix over planes of
    rank four one of whose leading sizes is 1.

    Args:
        planes: [N, C, A, B].
        last: [b, B].
        first: [a, A].

    Returns:
        [N, C, b, a].
    """
    images, channels, size, _ = planes.shape
    planes = full_product(tf.reshape(planes, [-1, planes.shape[3]]), tf.transpose(last))
    planes = tf.transpose(tf.reshape(planes, [images * channels, size, -1]), [0, 2, 1])
    planes = full_product(tf.reshape(planes, [-1, size]), tf.transpose(first))
    return tf.reshape(planes, [images, channels, last.shape[0], first.shape[0]])


@functools.cache
def _upsampling_matrix(size: int) -> np.ndarray:
    """One period of the endless reflection at twice the resolution: [4 * size - 4, size].

    Fine position j lies (j + 1) / 2 pixels from the image's edge, as the filter's phase is nearest to five taps' delay.
    """
    fine = np.arange(4 * size - 4)
    matrix = np.zeros([fine.size, size])
    for tap in range(_TAPS):
        doubled = fine + _FINE_MARGIN - tap
        even = doubled % 2 == 0
        matrix[fine[even], reflected(doubled[even] // 2, size)] += 2.0 * SYM6_LOWPASS[tap]
    return matrix


@functools.cache
def _downsampling_matrix(size: int) -> np.ndarray:
    """The transposed filter: [size, 2 * size + 2 * _FINE_MARGIN], the fine positions from -_FINE_MARGIN on."""
    matrix = np.zeros([size, 2 * size + 2 * _FINE_MARGIN])
    for pixel in range(size):
        matrix[pixel, 2 * pixel : 2 * pixel + _TAPS] = SYM6_LOWPASS
    return matrix


def _constant(make: Callable[[int], np.ndarray], size: int) -> tf.Tensor:
    return tf.constant(make(size), tf.float32)


def _moved(fine: tf.Tensor, inverse: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Bilinear samples of `fine` [N, C, 4W - 4, 4H - 4] where the inverse map leads: [N, C, 2W + 10, 2H + 10]."""

    @tf.custom_gradient
    def read(fine: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return _read(fine, inverse, height, width), add

    @tf.custom_gradient
    def add(moved: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return _add(moved, inverse, height, width), read

    return read(fine)


# The two functions below are compiled by themselves: weighting in one pass is three times faster on a CPU.
@tf.function(jit_compile=True, autograph=False)
def _read(fine: tf.Tensor, inverse: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Reads four neighbours of each position."""
    flat = tf.reshape(fine, [*fine.shape[:2], -1])
    indices, weights = _neighbours(inverse, height, width)
    return tf.add_n(
        [
            tf.gather(flat, index, axis=2, batch_dims=1) * weight[:, tf.newaxis]
            for index, weight in zip(indices, weights, strict=True)
        ]
    )


@tf.function(jit_compile=True, autograph=False)
def _contributions(moved: tf.Tensor, inverse: tf.Tensor, height: int, width: int) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """What each value adds to its four neighbours: where, [N, 4 * positions], and how much in each channel."""
    indices, weights = _neighbours(inverse, height, width)
    where = tf.reshape(tf.stack(indices, axis=1), [moved.shape[0], -1])
    much = [tf.stack([plane * weight for weight in weights], axis=1) for plane in tf.unstack(moved, axis=1)]
    return where, [tf.reshape(values, where.shape) for values in much]


def _add(moved: tf.Tensor, inverse: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """The transpose of `_read`: adds each value to four neighbours."""
    fine_width, fine_height = 4 * width - 4, 4 * height - 4
    where, contributions = _contributions(moved, inverse, height, width)
    size = tf.constant(fine_width * fine_height)
    # Half the time of `unsorted_segment_sum` on a CPU.
    planes = [
        tf.raw_ops.DenseBincount(input=where, size=size, weights=values, binary_output=False)
        for values in contributions
    ]
    return tf.reshape(tf.stack(planes, axis=1), [*moved.shape[:2], fine_width, fine_height])


def _neighbours(inverse: tf.Tensor, height: int, width: int) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """The four fine pixels around every position as flat indices, and their weights; [N, 2W + 10, 2H + 10] each."""
    x = _pixels_from_centre(width)[:, tf.newaxis]
    y = _pixels_from_centre(height)[tf.newaxis, :]
    inverse = inverse[:, :, :, tf.newaxis, tf.newaxis]
    columns = _beside(inverse[:, 0, 0] * x + inverse[:, 0, 1] * y + inverse[:, 0, 2], width)
    rows = _beside(inverse[:, 1, 0] * x + inverse[:, 1, 1] * y + inverse[:, 1, 2], height)
    corners = [(column, row) for column in columns for row in rows]
    indices = [column * (4 * height - 4) + row for (column, _), (row, _) in corners]
    return indices, [column_weight * row_weight for (_, column_weight), (_, row_weight) in corners]


def _pixels_from_centre(size: int) -> tf.Tensor:
    fine = np.arange(-_FINE_MARGIN, 2 * size + _FINE_MARGIN)
    return tf.constant((fine + 1.0) / 2.0 - size / 2.0, tf.float32)


def _beside(position: tf.Tensor, size: int) -> tuple[tuple[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """The two fine indices beside each position, wrapped into one period, each with its weight."""
    period = 4 * size - 4
    fine = 2.0 * position + (size - 1.0)  # (fine + 1) / 2 pixels from the edge
    floor = tf.floor(fine)
    periods = tf.floor((floor + 0.5) / period)  # a half away from where rounding could take it to its neighbour
    first = tf.cast(floor - period * periods, tf.int32)
    weight = fine - floor
    return (first, 1.0 - weight), (tf.where(first == period - 1, 0, first + 1), weight)
