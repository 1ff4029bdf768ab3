"""Penalties on the critic's gradient with respect to images; the outer gradient is taken by the caller's tape."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def image_gradients(score: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, scale: float = 1.0) -> tf.Tensor:
    """Gradient of every image's score with respect to that image.

    Args:
      score: from images to scores [N, 1].
      images: [N, H, W, C].
      scale: the scores are multiplied by it before the gradient is taken and the gradient divided by it after, so
        that half-precision gradients inside the critic do not vanish.

    Returns:
      float32 [N, H, W, C].
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        total = tf.reduce_sum(score(images)) * scale
    return tf.cast(tape.gradient(total, images), tf.float32) / scale


def squared_norms(gradients: tf.Tensor) -> tf.Tensor:
    """Squared Euclidean norm of each image's gradient. [N, H, W, C] -> float32 [N]."""
    return tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3])


def norms(gradients: tf.Tensor) -> tf.Tensor:
    """Euclidean norm of each image's gradient, with a finite derivative at zero. [N, H, W, C] -> float32 [N]."""
    return tf.sqrt(tf.maximum(squared_norms(gradients), 1e-20))


def interpolate(reals: tf.Tensor, fakes: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Points between reals and fakes: 0 gives the real, 1 the fake. Gulrajani et al. 2017, algorithm 1.

    Args:
      reals, fakes: [N, H, W, C].
      factors: [N], uniform in [0, 1].
    """
    return reals + (fakes - reals) * factors[:, tf.newaxis, tf.newaxis, tf.newaxis]


def gradient_penalty(gradient_norms: tf.Tensor, target: float = 1.0) -> tf.Tensor:
    """(norm - target)^2 / target^2. Gulrajani et al. 2017, equation 3; the target, Karras et al. 2018, appendix D.1.

    Args:
      gradient_norms: [N].
      target: norm that is not penalised, above 0.
    """
    return tf.square(gradient_norms - target) / target**2
