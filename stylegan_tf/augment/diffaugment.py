"""Differentiable augmentation (DiffAugment): colours, shifts and squares that are cut out, on every image.

Zhao et al. 2020 (Differentiable Augmentation for Data-Efficient GAN Training), section 3 and its appendix. Nothing is
resampled, which makes it a few operations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from stylegan_tf.augment.base import images_with_draws
from stylegan_tf.errors import UserError


class DiffAugmentDraws(NamedTuple):
    """Random numbers for N images, uniform in [0, 1).

    Attributes:
        color: [N, 3], brightness, saturation and contrast.
        shift: [N, 2], how far an image moves, along the height and the width.
        cutout: [N, 2], where the rectangle is, along the height and the width.
    """

    color: tf.Tensor
    shift: tf.Tensor
    cutout: tf.Tensor


@dataclasses.dataclass(frozen=True)
class DiffAugment:
    """Which transforms there are. Every image gets all of them, in this order.

    Each is affine in the images, so gradients of every order exist.

    Args:
        color: Brightness (a shift by -0.5 to 0.5 of colours in [-1, 1]), saturation (0 to 2 times the distance from
            a pixel's mean), contrast (0.5 to 1.5 times the distance from the image's mean). Alpha stays as it is.
        translation: Moves by whole pixels, at most an eighth of width and height; zeros come in.
        cutout: Sets a rectangle of half the width and height to zero. Its centre is anywhere in the image, so that
            a part of it may lie outside.
    """

    color: bool = False
    translation: bool = False
    cutout: bool = False

    @classmethod
    def from_groups(cls, groups: str) -> DiffAugment:
        """The transforms whose names are given, joined by commas.

        Raises:
            ValueError: For a name that is none of theirs.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        names = [name.strip() for name in groups.split(",")]
        if not set(names) <= set(known):
            raise UserError(f"groups must be names out of {', '.join(known)}, joined by commas. Received: {groups!r}.")
        return cls(**dict.fromkeys(names, True))

    def draw(
        self, key: tf.Tensor, batch_size: int, image_shape: Sequence[int], batches: int = 1
    ) -> list[DiffAugmentDraws]:
        """See `AnyAugmentation.draw`; the numbers do not depend on which transforms there are, nor on the shape."""
        drawn = tf.random.stateless_uniform([batches, batch_size, 7], key)
        return [DiffAugmentDraws(*tf.split(numbers, [3, 2, 2], axis=1)) for numbers in tf.unstack(drawn)]

    def __call__(self, images: tf.Tensor, draws: DiffAugmentDraws, p: tf.Tensor | float = 1.0) -> tf.Tensor:
        """Augments images.

        Args:
            images: [N, H, W, C] in about [-1, 1], with static H and W of at least 2 and C of 1, 3 or 4, of any
                floating-point type.
            draws: Of `draw` for these images.
            p: Not used: there is no strength.

        Returns:
            [N, H, W, C] of the same type, not clipped. It is computed in float32.

        Raises:
            ValueError: For another shape, or draws for another number of images.
        """
        images = images_with_draws(images, draws.color.shape[0])
        augmented = tf.cast(images, tf.float32)
        if self.color:
            augmented = _recolored(augmented, draws.color)
        if self.translation:
            limits = np.array(_margins(images.shape), np.float32)
            pixels = tf.floor(draws.shift * (2 * limits + 1)) - limits
            augmented = _moved(augmented, tf.cast(pixels, tf.int64))  # computed on a GPU, as int32 is not
        if self.cutout:
            augmented *= _uncovered(draws.cutout, *images.shape[1:3])
        return tf.cast(augmented, images.dtype)


def _recolored(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Brightness, then saturation, then contrast, as one sum of the colours and of their means."""
    factors = draws * np.array([1.0, 2.0, 1.0], np.float32) + np.array([-0.5, 0.0, 0.5], np.float32)
    brightness, saturation, contrast = (tf.reshape(factor, [-1, 1, 1, 1]) for factor in tf.unstack(factors, axis=1))
    alpha = images.shape[3] == 4
    colors = images[..., :3] if alpha else images
    grey = tf.reduce_mean(colors, axis=3, keepdims=True)
    mean = tf.reduce_mean(grey, axis=[1, 2], keepdims=True)
    saturated = contrast * saturation
    colors = colors * saturated + (grey * (contrast - saturated) + (mean * (1.0 - contrast) + brightness))
    return tf.concat([colors, images[..., 3:]], axis=3) if alpha else colors


def _share(pixels: int, part: int) -> int:
    """A part of a number of pixels, rounded to whole ones, halves up."""
    return (2 * pixels + part) // (2 * part)


def _margins(shape: tf.TensorShape) -> tuple[int, int]:
    """How many pixels images of a shape [N, H, W, C] move at most, along the height and the width."""
    return _share(shape[1], 8), _share(shape[2], 8)


def _moved(images: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """Images moved by int64 [N, 2] pixels within `_margins`, to where zeros were.

    The transpose of a move is the move back, hence its gradient. That of a gather would add up numbers one by one.
    """

    @tf.custom_gradient
    def move(images: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return _window(images, pixels), lambda upstream: _moved(upstream, -pixels)

    return move(images)


def _window(images: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """What a window of an image's size shows of it and a margin of zeros around it, when it is moved the other way."""
    count, height, width, channels = images.shape
    above, beside = _margins(images.shape)
    padded = tf.pad(images, [[0, 0], [above, above], [beside, beside], [0, 0]])
    row = width + 2 * beside
    unmoved = np.arange(above, above + height)[:, np.newaxis] * row + np.arange(beside, beside + width)
    index = unmoved.ravel() - tf.reduce_sum(pixels * np.array([row, 1]), axis=1, keepdims=True)  # [N, H * W]
    flat = tf.reshape(padded, [count, -1, channels])
    return tf.reshape(tf.gather(flat, index, axis=1, batch_dims=1), images.shape)


def _uncovered(draws: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """0 inside the rectangle that is cut out of an image, 1 elsewhere: [N, H, W, 1]."""
    sizes = [_share(pixels, 2) for pixels in (height, width)]
    # An even size has its centre between two pixels, or at an edge of the image.
    places = [pixels + 1 - size % 2 for pixels, size in zip((height, width), sizes, strict=True)]
    y, x = tf.unstack(tf.floor(draws * np.array(places, np.float32)), axis=1)
    beyond_y = _beyond(tf.reshape(y, [-1, 1, 1, 1]), height, sizes[0])
    beyond_x = _beyond(tf.reshape(x, [-1, 1, 1, 1]), width, sizes[1])
    return tf.cast(beyond_y | tf.reshape(beyond_x, [-1, 1, width, 1]), tf.float32)


def _beyond(place: tf.Tensor, pixels: int, size: int) -> tf.Tensor:
    """Which pixels of an axis lie outside a stretch of a size that is centred at, or just before, a place."""
    positions = np.arange(pixels, dtype=np.float32).reshape(1, -1, 1, 1) + np.float32(0.0 if size % 2 else 0.5)
    return tf.abs(positions - place) >= size / 2.0
