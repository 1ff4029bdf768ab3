"""What a training step asks of an augmentation, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import tensorflow as tf


class AnyAugmentation(Protocol):
    """Changes what the critic sees by random numbers that are drawn before, and leaves gradients to pass through."""

    def draw(self, key: tf.Tensor, batch_size: int, image_shape: Sequence[int], batches: int) -> list[Any]:
        """The random numbers of several batches, each with its own.

        Args:
            key: int32 [2], a seed for `tf.random.stateless_*`.
            batch_size: Images of a batch.
            image_shape: Height, width and channels.
            batches: Number of batches.

        Returns:
            For each batch a tuple of tensors whose first axis is that of the images.
        """

    def __call__(self, images: tf.Tensor, draws: Any, p: tf.Tensor | float) -> tf.Tensor:
        """Augmented images, of the same shape.

        Args:
            images: [N, H, W, C] in about [-1, 1].
            draws: Of `draw` for these images.
            p: Scalar, the strength of an augmentation that has one.
        """


def images_with_draws(images: tf.Tensor, batch_size: int) -> tf.Tensor:
    """Images of a static shape that there are draws for.

    Raises:
        ValueError: For another shape, or draws for another number of images.
    """
    rank, shape = images.shape.rank, images.shape
    if rank != 4 or None in shape[1:] or shape[3] not in (1, 3, 4) or min(shape[1:3]) < 2:
        raise ValueError(
            f"images must be [N, H, W, C] with static H and W of 2 or more and C of 1, 3 or 4. Received: shape {shape}."
        )
    if shape[0] not in (None, batch_size):
        raise ValueError(f"draws must be for {shape[0]} images, as many as there are. Received: for {batch_size}.")
    return tf.ensure_shape(images, [batch_size, *shape[1:]])
