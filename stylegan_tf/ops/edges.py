"""What lies beyond the edges of features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def run_padded(operation: Callable[[Any], Any], x: Any, padding: str, scale: int = 1) -> Any:
    """An operation that sees zeros beyond the edges of its input, or one pixel of the edges first.

    With zeros a convolution has fewer terms at an edge, and fewest in the corners, which then learn slowly: in short
    runs corners stay dark (docs/results.md).

    Args:
        operation: Of features; keeps height and width, or multiplies them by `scale`.
        x: [N, H, W, C], H and W at least 2.
        padding: "zeros", or "edge", the pixels of the edges once more.
        scale: See `operation`.

    Returns:
        What the operation gives, [N, scale * H, scale * W, D].
    """
    return operation(x) if padding == "zeros" else _cropped(operation(_padded(x)), scale)


# Their gradients are written out: TensorFlow's own add up whole images of zeros, which takes half a generator's step.
@tf.custom_gradient
def _padded(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """[N, H + 2, W + 2, C]: the first and the last of rows and columns once more."""

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        g = upstream
        g = tf.concat([g[:, :1] + g[:, 1:2], g[:, 2:-2], g[:, -2:-1] + g[:, -1:]], 1)
        return tf.concat([g[:, :, :1] + g[:, :, 1:2], g[:, :, 2:-2], g[:, :, -2:-1] + g[:, :, -1:]], 2)

    x = tf.concat([x[:, :1], x, x[:, -1:]], 1)
    return tf.concat([x[:, :, :1], x, x[:, :, -1:]], 2), gradient


def _cropped(x: tf.Tensor, pixels: int) -> tf.Tensor:
    """Without so many pixels at each edge."""

    @tf.custom_gradient
    def crop(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.pad(upstream, [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]])

        return x[:, pixels:-pixels, pixels:-pixels, :], gradient

    return crop(x)
