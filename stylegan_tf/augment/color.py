"""Colour transforms as one affine map for each image. Karras et al. 2020 (Limited Data), appendix B."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from stylegan_tf.ops.products import full_product

# The grey axis of RGB, and what projects onto it.
_LUMA = np.full(3, 1.0 / math.sqrt(3.0))
_ONTO_LUMA = np.outer(_LUMA, _LUMA)
# Cross product with the grey axis: the generator of the rotations around it.
_AROUND_LUMA = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3.0)


def brightness(offsets: tf.Tensor) -> tf.Tensor:
    """Adds [N] to every colour. The result, as of all functions here, is [N, 3, 4]: a product, then a shift."""
    return tf.concat([_constant(np.eye(3), offsets), tf.tile(offsets[:, tf.newaxis, tf.newaxis], [1, 3, 1])], axis=2)


def contrast(factors: tf.Tensor) -> tf.Tensor:
    """Multiplies every colour by [N]."""
    return _linear(factors[:, tf.newaxis, tf.newaxis] * tf.eye(3))


def lumaflip(flipped: tf.Tensor) -> tf.Tensor:
    """Mirrors the luma where bool [N] is true and keeps the hue and the saturation."""
    return _linear(tf.eye(3) - _scaled(_ONTO_LUMA, 2.0 * tf.cast(flipped, tf.float32)))


def hue(angles: tf.Tensor) -> tf.Tensor:
    """Rotates the colours around the grey axis by [N] radians (Rodrigues' formula)."""
    return _linear(
        _scaled(np.eye(3), tf.cos(angles))
        + _scaled(_AROUND_LUMA, tf.sin(angles))
        + _scaled(_ONTO_LUMA, 1.0 - tf.cos(angles))
    )


def saturation(factors: tf.Tensor) -> tf.Tensor:
    """Multiplies the distance from the grey axis by [N]."""
    return _linear(_scaled(_ONTO_LUMA, tf.ones_like(factors)) + _scaled(np.eye(3) - _ONTO_LUMA, factors))


def then(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """One colour map after another. Both, and the result, are [N, 3, 4]; in sums, as `geometry.then`."""
    product = tf.reduce_sum(second[:, :, :3, tf.newaxis] * first[:, tf.newaxis], axis=2)
    return tf.concat([product[:, :, :3], product[:, :, 3:] + second[:, :, 3:]], axis=2)


def apply_color(images: tf.Tensor, color_map: tf.Tensor) -> tf.Tensor:
    """Maps the colours of each image.

    A grey image counts as one of three equal colours, and gets the mean of what they become. A fourth channel (alpha)
    is left as it is.

    Args:
        images: [N, C, H, W] with C of 1, 3 or 4.
        color_map: [N, 3, 4].

    Returns:
        [N, C, H, W].
    """
    _, channels, height, width = images.shape
    product, shift = color_map[:, :, :3], color_map[:, :, 3:]
    if channels == 1:
        product = tf.reduce_mean(tf.reduce_sum(product, axis=2, keepdims=True), axis=1, keepdims=True)
        shift = tf.reduce_mean(shift, axis=1, keepdims=True)
    colors = tf.reshape(images[:, :3], [-1, product.shape[1], height * width])
    colors = tf.reshape(full_product(product, colors) + shift, [-1, product.shape[1], height, width])
    return tf.concat([colors, images[:, 3:]], axis=1) if channels == 4 else colors


def _linear(product: tf.Tensor) -> tf.Tensor:
    """[N, 3, 3] -> [N, 3, 4], without a shift."""
    return tf.pad(product, [[0, 0], [0, 0], [0, 1]])


def _scaled(matrix: np.ndarray, factors: tf.Tensor) -> tf.Tensor:
    """A constant matrix times [N]."""
    return tf.constant(matrix, tf.float32) * factors[:, tf.newaxis, tf.newaxis]


def _constant(matrix: np.ndarray, like: tf.Tensor) -> tf.Tensor:
    return _scaled(matrix, tf.ones_like(like))
