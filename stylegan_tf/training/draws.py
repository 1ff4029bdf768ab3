"""The random numbers of a training step, as a function of seed and clock."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from stylegan_tf.augment.base import AnyAugmentation

# Folded into a phase's key, beside the draws that every phase has.
_AUGMENTATION, _PATH_NOISE = 101, 103


class Draws(NamedTuple):
    """What one pass through the generator and the critic draws for N images.

    Attributes:
        z, other_z: Latents [N, z_size], N(0, 1).
        crossover: int32 [N]; layers from it on take their style from `other_z`.
        noise: A tensor [N, H, W, 1] for each noise image of the synthesis network.
        factors: [N], uniform in [0, 1], places on the line from real to fake.
        path_noise: [N, H, W, C], N(0, 1), the directions in which path lengths are taken; None in other phases.
        real_augmentation, fake_augmentation: Of the reals and of the fakes; None without augmentation.
    """

    z: tf.Tensor
    other_z: tf.Tensor
    crossover: tf.Tensor
    noise: list[tf.Tensor]
    factors: tf.Tensor
    path_noise: tf.Tensor | None = None
    real_augmentation: Any = None
    fake_augmentation: Any = None


def make_draws(
    key: tf.Tensor, batch_size: int, z_size: int, synthesis: Any, level: int, style_mixing_probability: float
) -> Draws:
    """Draws for `batch_size` images.

    Style mixing follows Karras et al. 2019 (StyleGAN), section 3.1: the crossover is uniform over the active
    layers, for each image of its own.

    Args:
        key: int32 [2], a seed for `tf.random.stateless_*`; equal keys give equal numbers.
        batch_size: N.
        z_size: Size of the latents.
        synthesis: The synthesis network, which tells the sizes of the noise and the number of layers.
        level: The active level.
        style_mixing_probability: Share of images that mix two styles.
    """
    noise_sizes = synthesis.noise_sizes(level)
    keys = iter(tf.unstack(tf.random.experimental.stateless_split(key, 5 + len(noise_sizes))))
    layers = synthesis.active_ws(level)
    crossover = tf.random.stateless_uniform([batch_size], next(keys), 1, layers, tf.int32)
    mixed = tf.random.stateless_uniform([batch_size], next(keys)) < style_mixing_probability
    return Draws(
        z=tf.random.stateless_normal([batch_size, z_size], next(keys)),
        other_z=tf.random.stateless_normal([batch_size, z_size], next(keys)),
        crossover=tf.where(mixed, crossover, layers),
        factors=tf.random.stateless_uniform([batch_size], next(keys)),
        noise=[tf.random.stateless_normal([batch_size, *size, 1], next(keys)) for size in noise_sizes],
    )


def draw_augmentation_pair(
    augmentation: AnyAugmentation, key: tf.Tensor, batch_size: int, shape: tuple[int, int, int]
) -> list[Any]:
    """What an augmentation of `batch_size` reals, and of as many fakes, draws; `shape` is an image's."""
    return augmentation.draw(tf.random.experimental.stateless_fold_in(key, _AUGMENTATION), batch_size, shape, 2)


def draw_path_noise(key: tf.Tensor, batch_size: int, shape: tuple[int, int, int]) -> tf.Tensor:
    """N(0, 1) of the shape of the images: float32 [batch_size, *shape]."""
    return tf.random.stateless_normal([batch_size, *shape], tf.random.experimental.stateless_fold_in(key, _PATH_NOISE))


def step_key(seed: int, images_seen: tf.Tensor, replica: tf.Tensor | int, phase: int) -> tf.Tensor:
    """A key for `make_draws` that is different for every step, replica and phase of a step."""
    key = tf.stack([tf.cast(seed % (2**31), tf.int32), 0])
    for number in (tf.cast(images_seen, tf.int32), tf.cast(replica, tf.int32), phase):
        key = tf.random.experimental.stateless_fold_in(key, number)
    return key
