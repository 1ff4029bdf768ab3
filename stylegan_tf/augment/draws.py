"""The random numbers of the augmentations: a function of a key, so that a step can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf


class Gates(NamedTuple):
    """Numbers uniform in [0, 1) that decide which transforms an image gets: those whose number is below p.

    Attributes:
        xflip, rotate90, xint, scale, rotate_before, aniso, rotate_after, xfrac: [N], of moves and changes of shape.
        brightness, contrast, lumaflip, hue, saturation: [N], of changes of colour.
        noise, cutout: [N].
        imgfilter: [N, 4], one for each band.
    """

    xflip: tf.Tensor
    rotate90: tf.Tensor
    xint: tf.Tensor
    scale: tf.Tensor
    rotate_before: tf.Tensor
    aniso: tf.Tensor
    rotate_after: tf.Tensor
    xfrac: tf.Tensor
    brightness: tf.Tensor
    contrast: tf.Tensor
    lumaflip: tf.Tensor
    hue: tf.Tensor
    saturation: tf.Tensor
    imgfilter: tf.Tensor
    noise: tf.Tensor
    cutout: tf.Tensor


class AugmentDraws(NamedTuple):
    """Raw numbers for the augmentation of N images, before any strength: U is uniform in [0, 1), N normal.

    Attributes:
        gates: What is applied.
        xflip: U [N], mirrored from 0.5 on.
        rotate90: U [N], a quarter of the range for each multiple of 90 degrees.
        xint: U [N, 2], shift by whole pixels, along the width and the height.
        scale: N [N], logarithm of the isotropic scale.
        rotate_before, rotate_after: U [N], angles before and after the anisotropic scale; 0.5 is no rotation.
        aniso: N [N], logarithm of the anisotropic scale.
        xfrac: N [N, 2], shift along the width and the height.
        brightness: N [N].
        contrast: N [N], logarithm of the factor.
        lumaflip: U [N], luma inverted from 0.5 on.
        hue: U [N], angle; 0.5 is no change.
        saturation: N [N], logarithm of the factor.
        imgfilter: N [N, 4], logarithm of the gain of each band, lowest frequencies first.
        noise_strength: N [N], its size is the noise's standard deviation.
        noise: N [N, H, W, C].
        cutout: U [N, 2], centre of the rectangle, along the width and the height.
    """

    gates: Gates
    xflip: tf.Tensor
    rotate90: tf.Tensor
    xint: tf.Tensor
    scale: tf.Tensor
    rotate_before: tf.Tensor
    aniso: tf.Tensor
    rotate_after: tf.Tensor
    xfrac: tf.Tensor
    brightness: tf.Tensor
    contrast: tf.Tensor
    lumaflip: tf.Tensor
    hue: tf.Tensor
    saturation: tf.Tensor
    imgfilter: tf.Tensor
    noise_strength: tf.Tensor
    noise: tf.Tensor
    cutout: tf.Tensor


_GATE_SIZES = {name: 4 if name == "imgfilter" else 1 for name in Gates._fields}
_GATES = {f"{name} gate": size for name, size in _GATE_SIZES.items()}
_UNIFORM_SIZES = {
    "xflip": 1,
    "rotate90": 1,
    "xint": 2,
    "rotate_before": 1,
    "rotate_after": 1,
    "lumaflip": 1,
    "hue": 1,
    "cutout": 2,
}
_NORMAL_SIZES = {
    "scale": 1,
    "aniso": 1,
    "xfrac": 2,
    "brightness": 1,
    "contrast": 1,
    "saturation": 1,
    "imgfilter": 4,
    "noise_strength": 1,
}


def draw_augmentation(key: tf.Tensor, batch_size: int, image_shape: Sequence[int]) -> AugmentDraws:
    """Draws for `batch_size` images.

    Inside a `tf.function`, what no transform takes (the noise, first of all) is never drawn. Equal keys give equal
    numbers on processors and GPUs; a function compiled with XLA has other ones.

    Args:
        key: int32 [2], a seed for `tf.random.stateless_*`.
        batch_size: N.
        image_shape: Height, width and channels.

    Returns:
        float32 numbers.
    """
    return draw_augmentations(key, batch_size, image_shape, 1)[0]


def draw_augmentations(key: tf.Tensor, batch_size: int, image_shape: Sequence[int], batches: int) -> list[AugmentDraws]:
    """The same for several batches, each with numbers of its own; it takes hardly more operations than for one."""
    uniform, normal, *noise = tf.unstack(tf.random.experimental.stateless_split(key, 2 + batches))
    uniforms = _rows(tf.random.stateless_uniform, uniform, batch_size, {**_GATES, **_UNIFORM_SIZES}, batches)
    normals = _rows(tf.random.stateless_normal, normal, batch_size, _NORMAL_SIZES, batches)
    noises = [tf.random.stateless_normal([batch_size, *image_shape], one) for one in noise]
    return [
        AugmentDraws(
            gates=Gates(**{gate: drawn[name] for name, gate in zip(_GATES, _GATE_SIZES, strict=True)}),
            **{name: drawn[name] for name in _UNIFORM_SIZES},
            **others,
            noise=image_noise,
        )
        for drawn, others, image_noise in zip(uniforms, normals, noises, strict=True)
    ]


def _rows(
    draw: Callable[..., tf.Tensor], key: tf.Tensor, batch_size: int, sizes: dict[str, int], batches: int
) -> list[dict[str, tf.Tensor]]:
    """One draw for all names of all batches, [N] each, or [N, size] where that is more than one.

    Drawn in rows: columns would have to be copied, each in an operation of its own.
    """
    drawn = draw([batches * sum(sizes.values()), batch_size], key)
    rows = iter(tf.unstack(drawn))
    return [
        {
            name: tf.stack([next(rows) for _ in range(size)], 1) if size > 1 else next(rows)
            for name, size in sizes.items()
        }
        for _ in range(batches)
    ]
