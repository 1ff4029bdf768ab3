"""Amplifying and weakening bands of frequencies. Karras et al. 2020 (Limited Data), appendix B."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from stylegan_tf.augment.wavelets import band_filters, reflected
from stylegan_tf.ops.products import full_product

# Expected power of the four bands: that of natural images, 1/f, lowest frequencies first.
BAND_POWER = np.array([10.0, 1.0, 1.0, 1.0]) / 13.0


def band_gains(values: tf.Tensor, applied: tf.Tensor, deviation: float) -> tf.Tensor:
    """Gain of every band: each band's own factor in turn, and all bands scaled back to equal expected power.

    Args:
        values: [N, 4], N(0, 1).
        applied: bool [N, 4].
        deviation: Of the logarithm to base 2 of a factor.

    Returns:
        [N, 4].
    """
    factors = tf.where(applied, tf.pow(2.0, values * deviation), 1.0)
    power = tf.constant(BAND_POWER, tf.float32)
    expected = 1.0 + power * (tf.square(factors) - 1.0)  # of all bands when only this one has its factor
    return factors * tf.reduce_prod(tf.math.rsqrt(expected), axis=1, keepdims=True)


def filter_bands(images: tf.Tensor, gains: tf.Tensor) -> tf.Tensor:
    """Filters both axes with the weighted sum of the four band filters, reflecting at the edges.

    The filter and the reflection are one matrix for each image and axis: a weighted sum of four constant ones.

    Args:
        images: [N, C, H, W].
        gains: [N, 4].

    Returns:
        [N, C, H, W].
    """
    for _ in range(2):  # columns, then rows
        count, channels, height, width = images.shape
        bands = _weighted_bands(gains, width)
        images = full_product(tf.reshape(images, [count, channels * height, width]), tf.linalg.matrix_transpose(bands))
        images = tf.transpose(tf.reshape(images, [count, channels, height, width]), [0, 1, 3, 2])
    return images


def _weighted_bands(gains: tf.Tensor, size: int) -> tf.Tensor:
    bands = tf.constant(_band_matrices(size).reshape(len(BAND_POWER), size * size), tf.float32)
    return tf.reshape(full_product(gains, bands), [-1, size, size])


@functools.cache
def _band_matrices(size: int) -> np.ndarray:
    """[4, size, size]: from the pixels of an axis to the same pixels of each band."""
    filters = band_filters()
    reach = filters.shape[1] // 2
    pixels = np.arange(size)
    matrices = np.zeros([len(filters), size, size])
    for tap in range(filters.shape[1]):
        matrices[:, pixels, reflected(pixels + tap - reach, size)] += filters[:, tap, np.newaxis]
    return matrices
