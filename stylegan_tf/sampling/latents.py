"""Seeds to latents, labels and noise, and paths between latents.

What is drawn for a seed depends on that seed alone: not on the batch, its order, or the device. Everything that is
drawn works inside a `tf.function`, with a [batch] of seeds that is known only when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from stylegan_tf.errors import UserError

# The second half of the 128-bit key: what is drawn for a seed.
_Z, _CLASS, _NOISE = 0, 1, 2  # _NOISE + layer

LARGEST_NUMPY_SEED = 2**32 - 1


def latents_from_seeds(seeds: Any, z_size: int) -> tf.Tensor:
    """Latents z of seeds.

    Args:
        seeds: Integers [N], of 64 bits.
        z_size: Size of a latent.

    Returns:
        float32 [N, z_size], N(0, 1).
    """
    return _normal(tf.cast(seeds, tf.int64), ((z_size,),), _Z)[0]


def latents_from_numpy_seeds(seeds: Any, z_size: int) -> np.ndarray:
    """Latents z that NumPy's `RandomState(seed).randn` draws, as the scripts published with StyleGAN name images.

    Args:
        seeds: Integers [N], 0 to 2^32 - 1.
        z_size: Size of a latent.

    Returns:
        float32 [N, z_size], N(0, 1).

    Raises:
        ValueError: For seeds that NumPy does not take.
    """
    seeds = np.asarray(seeds, np.int64)
    outside = seeds[(seeds < 0) | (seeds > LARGEST_NUMPY_SEED)]
    if outside.size:
        raise UserError(f"NumPy's seeds must lie between 0 and {LARGEST_NUMPY_SEED}. Received: {outside[0]}.")
    rows = [np.random.RandomState(seed).standard_normal(z_size) for seed in seeds]
    return np.asarray(rows, np.float32).reshape(len(rows), z_size)


def noise_from_seeds(seeds: Any, sizes: Sequence[tuple[int, int]]) -> list[tf.Tensor]:
    """The noise of every layer, for each seed its own.

    Args:
        seeds: Integers [N], of 64 bits.
        sizes: Height and width of each layer's noise, see `BaseSynthesis.noise_sizes`. Noise of lower levels does not
            depend on whether higher ones follow.

    Returns:
        float32 [N, H, W, 1], N(0, 1), one a layer.
    """
    shapes = tuple((*size, 1) for size in sizes)
    return [] if not shapes else list(_normal(tf.cast(seeds, tf.int64), shapes, _NOISE))


def classes_from_seeds(seeds: Any, num_classes: int) -> tf.Tensor:
    """The class that a seed has where nobody chose one: int32 [N], uniform below `num_classes`."""
    return _classes(tf.cast(seeds, tf.int64), num_classes)


def one_hot_labels(classes: Any, num_classes: int) -> np.ndarray:
    """Class numbers [N] to float32 [N, num_classes].

    Raises:
        ValueError: For a number that is no class.
    """
    classes = np.asarray(classes, np.int64)
    check_classes(classes, num_classes)
    return np.eye(num_classes, dtype=np.float32)[classes]


def check_classes(classes: np.ndarray, num_classes: int) -> None:
    """Raises UserError for a number that is no class."""
    if classes.size and not 0 <= classes.min() <= classes.max() < num_classes:
        raise UserError(f"classes must be numbers from 0 to {num_classes - 1}. Received: {classes.tolist()}.")


def lerp(start: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    """The point a share t of the straight way from start to end: what suits w."""
    return start + (end - start) * np.float32(t)


def slerp(start: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    """The point a share t of the way along the arc from start to end: what suits z, which lies near a sphere.

    Shoemake 1985, "Animating rotation with quaternion curves"; vectors lie along the last axis and need not have unit
    length. Parallel vectors are joined by a straight line.
    """
    lengths = np.linalg.norm(start, axis=-1) * np.linalg.norm(end, axis=-1)
    cosine = np.sum(np.asarray(start, np.float64) * end, axis=-1) / np.maximum(lengths, 1e-12)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))[..., None]
    sine = np.sin(angle)
    straight = sine < 1e-6
    sine = np.where(straight, 1.0, sine)
    start_share = np.where(straight, 1.0 - t, np.sin((1.0 - t) * angle) / sine)
    end_share = np.where(straight, t, np.sin(t * angle) / sine)
    return (start_share * start + end_share * end).astype(np.float32)


def loop_through(
    points: np.ndarray, steps: int, blend: Callable[[np.ndarray, np.ndarray, float], np.ndarray] = lerp
) -> np.ndarray:
    """A closed path through points, slow at each of them.

    Args:
        points: [N, ...].
        steps: Number of places from one point to the next; every `steps`-th place is a point itself.
        blend: `lerp` or `slerp`.

    Returns:
        [N * steps, ...]; the place after the last is the first.
    """
    path = []
    for index, start in enumerate(points):
        end = points[(index + 1) % len(points)]
        for step in range(steps):
            t = step / steps
            path.append(blend(start, end, t * t * (3.0 - 2.0 * t)))
    return np.stack(path)


@tf.function(autograph=False, reduce_retracing=True)
def _classes(seeds: tf.Tensor, num_classes: int) -> tf.Tensor:
    def draw(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform([], _key(seed, _CLASS), 0, num_classes, tf.int32, alg="philox")

    return tf.map_fn(draw, seeds, fn_output_signature=tf.int32)


def _key(seed: tf.Tensor, stream: int) -> tf.Tensor:
    return tf.stack([seed, tf.constant(stream, tf.int64)])


@tf.function(autograph=False, reduce_retracing=True)
def _normal(seeds: tf.Tensor, shapes: Sequence[tuple[int, ...]], first_stream: int) -> tuple[tf.Tensor, ...]:
    # Philox by name: the automatic choice is another generator on other devices.
    def draw(seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return tuple(
            tf.random.stateless_normal(shape, _key(seed, first_stream + index), alg="philox")
            for index, shape in enumerate(shapes)
        )

    return tf.map_fn(draw, seeds, fn_output_signature=tuple(tf.TensorSpec(shape, tf.float32) for shape in shapes))
