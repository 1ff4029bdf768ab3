"""Resampling with a finite impulse response filter: zero insertion, padding, filtering, decimation.

The anti-aliased resampling of StyleGAN2 (Karras et al. 2020): every change of resolution filters with [1, 3, 3, 1].
Filters are NumPy arrays, known when the graph is made: [k] is applied along both axes, [kh, kw] at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import KerasTensor as Tensor

from stylegan_tf.ops.fir import FIR, Padding2D, apply_fir

Pair = int | tuple[int, int]

# From this length on a one-dimensional filter is applied along one axis after the other.
SEPARABLE_FROM = 8


def make_filter(
    taps: Sequence[Any] | np.ndarray | None,
    *,
    normalize: bool = True,
    flip: bool = False,
    gain: float = 1.0,
    separable: bool | None = None,
) -> np.ndarray:
    """Makes the filter that the functions here take.

    Args:
        taps: [k] or [kh, kw] numbers, a single number, or None for the filter that changes nothing.
        normalize: Divide by the sum, so that a constant image stays what it is.
        flip: Mirror along all axes.
        gain: Factor on the whole filter; its square root on each axis of a separable one.
        separable: Keep [k] instead of its outer product [k, k]. None means: from eight taps on.

    Returns:
        float32 [k] if separable, else [kh, kw].

    Raises:
        ValueError: For taps with more than two axes or none at all, two-dimensional taps that are to be separable, or
            taps to be normalised whose sum is zero.
    """
    array = np.array(1.0 if taps is None else taps, dtype=np.float32)
    if array.ndim > 2 or array.size == 0:
        raise ValueError(f"taps must have one or two axes and one number at least. Received: shape {array.shape}.")
    if separable is None:
        separable = array.ndim == 1 and array.size >= SEPARABLE_FROM
    if separable and array.ndim == 2:
        raise ValueError(f"separable taps must have one axis. Received: shape {array.shape}.")
    array = np.atleast_1d(array)
    if array.ndim == 1 and not separable:
        array = np.outer(array, array)
    if normalize:
        if np.sum(array) == 0:
            raise ValueError(f"taps to normalize must not sum to zero. Received: {array.tolist()}.")
        array = array / np.sum(array)
    if flip:
        array = np.flip(array)
    return np.ascontiguousarray(array * gain ** (array.ndim / 2), dtype=np.float32)


def upfirdn(
    x: Tensor,
    taps: np.ndarray | None,
    *,
    up: Pair = 1,
    down: Pair = 1,
    padding: int | Padding2D = 0,
    flip: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Inserts zeros, pads with zeros, filters and decimates.

    StyleGAN2 (Karras et al. 2020), section 2 and appendix B.

    Args:
        x: [N, H, W, C] with static H, W and C.
        taps: Filter of `make_filter`; None changes nothing.
        up: Up - 1 zeros behind every pixel; one number, or (along the height, along the width).
        down: Every down-th pixel is kept, from the first; as `up`.
        padding: Zeros around the image after the insertion: one number, or ((top, bottom), (left, right)).
            Negative numbers crop.
        flip: Correlate with the filter instead of convolving with it, which mirrors it.
        gain: Factor on the result.

    Returns:
        [N, H', W', C] of the type of `x`, with H' = (H * up + top + bottom - kh) // down + 1.

    Raises:
        ValueError: Where up or down is no positive number, or the filter is larger than the padded image.
    """
    up, down = _pair("up", up), _pair("down", down)
    (top, bottom), (left, right) = ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding
    taps = np.ones([1, 1], np.float32) if taps is None else taps
    kernel = taps if flip else np.flip(taps)
    size = [x.shape[1] * up[0] + top + bottom, x.shape[2] * up[1] + left + right]
    if size[0] < taps.shape[0] or size[1] < taps.shape[-1]:
        raise ValueError(
            f"the padded image must be as large as the filter at least. Received: {size[0]} x {size[1]} pixels and a "
            f"filter of shape {taps.shape}."
        )
    if taps.ndim == 1:
        x = _apply(x, kernel[:, np.newaxis] * gain, (up[0], 1), (down[0], 1), ((top, bottom), (0, 0)))
        return _apply(x, kernel[np.newaxis, :], (1, up[1]), (1, down[1]), ((0, 0), (left, right)))
    return _apply(x, kernel * gain, up, down, ((top, bottom), (left, right)))


def upsample_fir(x: Tensor, taps: np.ndarray | None, factor: int = 2) -> Tensor:
    """Enlarges an image, keeping its brightness and its place. [N, H, W, C] -> [N, H * factor, W * factor, C]."""
    return upfirdn(x, taps, up=factor, padding=upsampling_padding(taps, factor), gain=float(factor**2))


def downsample_fir(x: Tensor, taps: np.ndarray | None, factor: int = 2) -> Tensor:
    """Shrinks an image, keeping its brightness and its place. [N, H, W, C] -> [N, H / factor, W / factor, C]."""
    return upfirdn(x, taps, down=factor, padding=downsampling_padding(taps, factor))


def filter_image(x: Tensor, taps: np.ndarray | None) -> Tensor:
    """Filters an image, keeping its size. [N, H, W, C] -> the same."""
    return upfirdn(x, taps, padding=downsampling_padding(taps, 1))


def upsampling_padding(taps: np.ndarray | None, factor: int) -> Padding2D:
    """The padding with which `factor` times the pixels come out, in the middle."""
    height, width = filter_size(taps)
    return ((height + factor - 1) // 2, (height - factor) // 2), ((width + factor - 1) // 2, (width - factor) // 2)


def downsampling_padding(taps: np.ndarray | None, factor: int) -> Padding2D:
    """The padding with which 1 / `factor` of the pixels come out, in the middle."""
    height, width = filter_size(taps)
    return ((height - factor + 1) // 2, (height - factor) // 2), ((width - factor + 1) // 2, (width - factor) // 2)


def filter_size(taps: np.ndarray | None) -> tuple[int, int]:
    """Height and width of a filter; a separable one is as high as it is wide."""
    return (1, 1) if taps is None else (taps.shape[0], taps.shape[-1])


def _pair(name: str, value: Pair) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"{name} must be a positive number or two of them. Received: {name}={value}.")
    return pair[0], pair[1]


def _apply(x: Tensor, kernel: np.ndarray, up: tuple[int, int], down: tuple[int, int], padding: Padding2D) -> Tensor:
    return apply_fir(x, FIR(tuple(map(tuple, kernel.tolist())), up, down, padding))
