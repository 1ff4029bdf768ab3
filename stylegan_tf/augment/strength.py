"""How strongly to augment: the controller that keeps the critic from overfitting."""

from __future__ import annotations

import tensorflow as tf


def adjusted_strength(
    p: tf.Tensor, sign_mean: tf.Tensor, *, target: float, images: tf.Tensor | float, kimg: float
) -> tf.Tensor:
    """The strength after one adjustment: a step up where the critic is too sure of the reals, else a step down.

    Karras et al. 2020 (Limited Data), section 3: the overfitting heuristic r_t = E[sign(D(real))] is held at its
    target. The strength never falls below 0. It has no upper bound, as published: above 1 it acts as 1, and needs
    the longer to come down.

    Args:
        p: float32 scalar, the strength so far.
        sign_mean: Scalar, mean sign of the critic's scores of reals since the last adjustment.
        target: Of `sign_mean`; 0.6 as published.
        images: Real images shown since the last adjustment.
        kimg: Thousands of images in which p moves by 1.

    Returns:
        float32 scalar.
    """
    # In float64, where a target such as 0.6 is not rounded up to a mean that lies just above it.
    direction = tf.cast(tf.sign(tf.cast(sign_mean, tf.float64) - target), tf.float32)
    step = tf.cast(tf.cast(images, tf.float64) / (1000.0 * kimg), tf.float32)
    return tf.maximum(p + direction * step, 0.0)
