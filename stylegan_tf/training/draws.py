"""The random numbers of a training step, as a function of seed and clock."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from stylegan_tf.networks.synthesis import SynthesisNetwork


class Draws(NamedTuple):
    """What one pass through the generator and the critic draws for N images.

    Attributes:
      z, other_z: latents [N, z_size], N(0, 1).
      crossover: int32 [N]; layers from it on take their style from `other_z`.
      noise: two tensors [N, H, W, 1] a level.
      factors: [N], uniform in [0, 1], places on the line from real to fake.
    """

    z: tf.Tensor
    other_z: tf.Tensor
    crossover: tf.Tensor
    noise: list[tf.Tensor]
    factors: tf.Tensor


def draw(
    key: tf.Tensor,
    batch_size: int,
    z_size: int,
    synthesis: SynthesisNetwork,
    level: int,
    style_mixing_probability: float,
) -> Draws:
    """Draws for `batch_size` images.

    Style mixing follows Karras et al. 2019 (StyleGAN), section 3.1: the crossover is uniform over the active
    layers, for each image of its own.

    Args:
      key: int32 [2], a seed for `tf.random.stateless_*`; equal keys give equal numbers.
      batch_size: N.
      z_size: size of the latents.
      synthesis: tells the sizes of the noise.
      level: the active level.
      style_mixing_probability: share of images that mix two styles.
    """
    keys = iter(tf.unstack(tf.random.experimental.stateless_split(key, 5 + 2 * (level + 1))))
    layers = 2 * (level + 1)
    crossover = tf.random.stateless_uniform([batch_size], next(keys), 1, layers, tf.int32)
    mixed = tf.random.stateless_uniform([batch_size], next(keys)) < style_mixing_probability
    return Draws(
        z=tf.random.stateless_normal([batch_size, z_size], next(keys)),
        other_z=tf.random.stateless_normal([batch_size, z_size], next(keys)),
        crossover=tf.where(mixed, crossover, layers),
        factors=tf.random.stateless_uniform([batch_size], next(keys)),
        noise=[
            tf.random.stateless_normal([batch_size, *synthesis.size(index // 2), 1], next(keys))
            for index in range(layers)
        ],
    )


def step_key(seed: int, images_seen: tf.Tensor, replica: tf.Tensor | int, phase: int) -> tf.Tensor:
    """A key for `draw` that is different for every step, replica and phase of a step."""
    key = tf.stack([tf.cast(seed % (2**31), tf.int32), 0])
    for number in (tf.cast(images_seen, tf.int32), tf.cast(replica, tf.int32), phase):
        key = tf.random.experimental.stateless_fold_in(key, number)
    return key
