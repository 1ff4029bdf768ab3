"""Geometric transforms as one inverse affine map for each image. Karras et al. 2020 (Limited Data), appendix B.

Every function gives, for N images, the inverse [N, 3, 3] of its transform: from where a pixel goes to where it comes
from. Positions are in pixels from the image's centre, x to the right and y down. The inverse of a sequence is the
product of the inverses in the same order.
"""

from __future__ import annotations

import tensorflow as tf


def inverse_scale(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Of enlarging by [N] along each axis; a negative factor mirrors."""
    zero = tf.zeros_like(x)
    return _affine([[1.0 / x, zero, zero], [zero, 1.0 / y, zero]])


def inverse_rotation(angles: tf.Tensor) -> tf.Tensor:
    """Of turning by [N] radians, from y towards x: counterclockwise as one sees it."""
    cosine, sine, zero = tf.cos(angles), tf.sin(angles), tf.zeros_like(angles)
    return _affine([[cosine, -sine, zero], [sine, cosine, zero]])


def inverse_translation(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Of moving by [N] pixels along each axis."""
    one, zero = tf.ones_like(x), tf.zeros_like(x)
    return _affine([[one, zero, -x], [zero, one, -y]])


def then(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """The product of two inverses [N, 3, 3].

    As sums, not as a matrix product: matrix units of a GPU would round it to ten bits, half a pixel of a large image.
    """
    return tf.reduce_sum(first[:, :, :, tf.newaxis] * second[:, tf.newaxis], axis=2)


def _affine(rows: list[list[tf.Tensor]]) -> tf.Tensor:
    zero = tf.zeros_like(rows[0][0])
    return tf.stack([tf.stack(row, axis=-1) for row in [*rows, [zero, zero, zero + 1.0]]], axis=-2)
