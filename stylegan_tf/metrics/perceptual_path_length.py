"""Perceptual path length: how much images change over a small step between two latents.

References: Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks",
https://arxiv.org/abs/1812.04948, Section 4.1; Karras et al., "Analyzing and Improving the Image Quality of StyleGAN",
https://arxiv.org/abs/1912.04958, Section 3, which measures whole images in w at the start of paths (t = 0). What lies
between latents and features is the caller's: `path_points`, the generator with the same noise for both points,
`perceptual_images`, a feature network, `path_distances`, and over all pairs `trimmed_mean`.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from stylegan_tf.errors import UserError

PERCEPTUAL_SIZE = 256  # pixels; larger images are reduced to about this before they are compared


def path_points(
    first: np.ndarray, second: np.ndarray, t: np.ndarray, epsilon: float, space: str
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the two points that are compared on each of several paths.

    Args:
        first: Where the paths start, `[N, ..., size]`: latents z, or w of any number of layers.
        second: Where they end, of the same shape.
        t: Place of the first point on each path, `[N]`, 0 to 1.
        epsilon: The second point is at `t + epsilon`; 1e-4 in all published protocols.
        space: "z" for paths along the arc between the latents scaled to length 1; "w" for straight ones.

    Returns:
        The points at t and at `t + epsilon`, float32, shaped as `first`. In z they have length 1.

    Raises:
        ValueError: The shapes do not fit, or `space` is neither.

    Reference: "A Style-Based Generator Architecture", Equations 2 (z) and 3 (w).
    """
    if space not in ("z", "w"):
        raise ValueError(f"space must be 'z' or 'w'. Received: space={space!r}.")
    start, end, places = (np.asarray(array, np.float64) for array in (first, second, t))
    if start.shape != end.shape or places.shape != start.shape[:1]:
        raise ValueError(
            "Both ends of the paths must have one shape, [N, ...], and t [N]. "
            f"Received: {start.shape}, {end.shape}, t.shape={places.shape}."
        )
    between = _slerp if space == "z" else _lerp
    places = places.reshape([-1] + [1] * (start.ndim - 1))
    return between(start, end, places).astype(np.float32), between(start, end, places + epsilon).astype(np.float32)


def perceptual_images(images: Any, crop: bool = False) -> tf.Tensor:
    """Makes of generated images what a feature network is shown for path lengths; runs inside a `tf.function` too.

    Args:
        images: Floats in [-1, 1], `[N, height, width, channels]`, array or tensor; its height and width are known.
        crop: Whether to keep only where the face is in aligned portraits: of eight equal parts of the height, those
            from 3 to 7 as rows and from 2 to 6 as columns.

    Returns:
        float32 on the scale of 0 to 255. Heights of 512 and more before the crop are reduced by the whole number
        `height // 256`, each pixel the mean of a square.

    Raises:
        ValueError: A side cannot be divided so.

    Reference: "A Style-Based Generator Architecture", Section 4.1.
    """
    images = tf.cast(images, tf.float32)
    height, width = images.shape[1:3]
    factor = max(height // PERCEPTUAL_SIZE, 1)
    if crop:
        if height % 8 or width < height * 6 // 8:
            raise UserError(
                "Images to be cropped must have a height that 8 divides, and a width of 6/8 of it or more. "
                f"Received: {height}x{width}."
            )
        eighth = height // 8
        images = images[:, 3 * eighth : 7 * eighth, 2 * eighth : 6 * eighth]
    rows, columns, channels = images.shape[1:]
    if rows % factor or columns % factor:
        raise UserError(f"Sides of images of this size must be multiples of {factor}. Received: {rows}x{columns}.")
    if factor > 1:
        squares = tf.reshape(images, [-1, rows // factor, factor, columns // factor, factor, channels])
        images = tf.reduce_mean(squares, axis=[2, 4])
    return (images + 1.0) * 127.5


def path_distances(first_features: Any, second_features: Any, epsilon: float) -> tf.Tensor:
    """Squared distances of the features of the two points of each path, over the squared step.

    It runs inside a `tf.function` too: perceptual features are too many to leave the device.

    Args:
        first_features: Of the images at t, floats `[N, ...]`.
        second_features: Of those at `t + epsilon`, likewise.
        epsilon: The step.

    Returns:
        float32 `[N]`.

    Reference: "A Style-Based Generator Architecture", Equations 2 and 3.
    """
    difference = tf.cast(first_features, tf.float32) - tf.cast(second_features, tf.float32)
    return tf.reduce_sum(tf.square(difference), axis=list(range(1, len(difference.shape)))) / epsilon**2


def trimmed_mean(distances: np.ndarray, low: float = 1.0, high: float = 99.0) -> float:
    """Mean of what is between two percentiles, both included: a few paths across a jump would outweigh all others.

    Args:
        distances: `[N]`, N at least 1.
        low: Percentile from which on values count; the value is the next one below that occurs.
        high: Percentile up to which they count; the next one above that occurs.

    Raises:
        ValueError: `distances` is not `[N]` with a value.
    """
    distances = np.asarray(distances, np.float64)
    if distances.ndim != 1 or not len(distances):
        raise ValueError(f"distances must be [N] with a value or more. Received: shape={distances.shape}.")
    lowest = np.percentile(distances, low, method="lower")
    highest = np.percentile(distances, high, method="higher")
    return float(np.mean(distances[(distances >= lowest) & (distances <= highest)]))


def _lerp(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    return start + (end - start) * t


def _slerp(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Along the arc, in the plane that the start and the part of the end at a right angle to it span."""
    start, end = _unit(start), _unit(end)
    cosine = np.sum(start * end, axis=-1, keepdims=True)
    angle = t * np.arccos(np.clip(cosine, -1.0, 1.0))
    return start * np.cos(angle) + _unit(end - cosine * start) * np.sin(angle)


def _unit(vectors: np.ndarray) -> np.ndarray:
    # A vector of length 0, as between equal ends, stays one.
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-30)
