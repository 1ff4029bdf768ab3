"""Penalties on the critic's gradient with respect to images; the outer gradient is taken by the caller's tape."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def image_gradients(
    score: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, scale: float = 1.0, halvings: int = 0
) -> tf.Tensor:
    """Gradient of every image's score with respect to that image, as long as the one by the enlarged image.

    Growing networks are published (Karras et al. 2018, appendix A.1 and its code; likewise StyleGAN) with images that
    have the final resolution at every level: a small image is enlarged by repeating its pixels, and the critic begins
    by averaging them again. By one of the 4^halvings equal pixels the derivative is 4^-halvings times that by the pixel
    of the small image, so that the norm of all is 2^-halvings times as long. Penalties are weighted for that norm.

    Args:
        score: From images to scores [N, 1].
        images: [N, H, W, C].
        scale: The scores are multiplied by it before the gradient is taken and the gradient divided by it after, so
            that half-precision gradients inside the critic do not vanish.
        halvings: By how many of them the images are smaller than the critic's final resolution.

    Returns:
        float32 [N, H, W, C].
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        total = tf.reduce_sum(score(images)) * scale
    return tf.cast(tape.gradient(total, images), tf.float32) / (scale * 2.0**halvings)


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
        target: Norm that is not penalised, above 0.
    """
    return tf.square(gradient_norms - target) / target**2


def path_lengths(
    synthesize: Callable[[tf.Tensor], tf.Tensor], ws: tf.Tensor, noise: tf.Tensor, scale: float = 1.0
) -> tf.Tensor:
    """How far images move with w: the norm of J^T y for random images y. Karras et al. 2020 (StyleGAN2), equation 4.

    Args:
        synthesize: From ws to images [N, H, W, C].
        ws: [N, num_ws, w_size].
        noise: [N, H, W, C], N(0, 1); divided by sqrt(H * W) here.
        scale: As in `image_gradients`.

    Returns:
        float32 [N]: norms over w, the mean of whose squares is taken over layers.
    """
    height, width = noise.shape[1:3]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(ws)
        total = tf.reduce_sum(synthesize(ws) * noise) * (scale / float(height * width) ** 0.5)
    gradients = tf.cast(tape.gradient(total, ws), tf.float32) / scale
    squares = tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=2), axis=1)
    return tf.sqrt(tf.maximum(squares, 1e-20))


def path_length_penalty(lengths: tf.Tensor, running_mean: tf.Tensor, decay: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Squared distance of path lengths from their running mean. Karras et al. 2020 (StyleGAN2), section 3.2.

    As published, the penalty's gradient also flows through this batch's share in the mean.

    Args:
        lengths: [N].
        running_mean: Scalar, the mean before this batch.
        decay: Share of this batch in the new mean.

    Returns:
        The penalty [N], and the new mean.
    """
    mean = running_mean + decay * (tf.reduce_mean(lengths) - running_mean)
    return tf.square(lengths - mean), tf.stop_gradient(mean)
