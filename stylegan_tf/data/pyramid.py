"""The same images at every resolution of the growing schedule."""

from __future__ import annotations

import numpy as np

from stylegan_tf.configuration.resolutions import MAX_LEVELS
from stylegan_tf.errors import UserError

_CHUNK_BYTES = 2**24  # of images that are halved at once


def image_pyramid(images: np.ndarray, num_levels: int) -> list[np.ndarray]:
    """Halves images again and again by averaging 2x2 pixels.

    As in the published training data, the averages are not rounded on the way: level k is the mean over
    `2^k x 2^k` pixels of the full image, rounded to the nearest integer (half to even).

    Args:
        images: uint8, `[N, height, width, channels]`.
        num_levels: Number of levels, at least 1 and at most 9.

    Returns:
        uint8 arrays `[N, height / 2^k, width / 2^k, channels]` for k = 0 .. num_levels - 1; the first is
        `images`.

    Raises:
        ValueError: The sides cannot be halved so many times.

    Reference: Karras et al., "Progressive Growing of GANs", https://arxiv.org/abs/1710.10196, Section 2.
    """
    height, width = images.shape[1:3]
    factor = 2 ** (num_levels - 1) if 1 <= num_levels <= MAX_LEVELS else 0
    if not factor or height % factor or width % factor:
        raise UserError(
            f"num_levels must be from 1 to {MAX_LEVELS}, and height and width must be multiples of 2^(num_levels - 1). "
            f"Received: num_levels={num_levels}, height={height}, width={width}."
        )
    levels = [images] + [
        np.empty((len(images), height >> level, width >> level, images.shape[3]), np.uint8)
        for level in range(1, num_levels)
    ]
    chunk = max(1, _CHUNK_BYTES // images[0].size)
    for start in range(0, len(images) if num_levels > 1 else 0, chunk):
        sums = images[start : start + chunk]
        for number, level in enumerate(levels[1:], start=1):
            sums = _sums_of_four(sums, np.uint16 if number <= 4 else np.uint32)  # of at most 4^number bytes
            shift = 2 * number
            to_even = (sums >> shift) & 1
            level[start : start + chunk] = (sums + (2 ** (shift - 1) - 1) + to_even) >> shift
    return levels


def _sums_of_four(values: np.ndarray, dtype: type[np.unsignedinteger]) -> np.ndarray:
    """Adds 2x2 pixels. Whole rows first, then a channel at a time, so that NumPy's inner loops are long."""
    rows = np.add(values[:, 0::2], values[:, 1::2], dtype=dtype)
    sums = np.empty((*rows.shape[:2], rows.shape[2] // 2, rows.shape[3]), dtype)
    for channel in range(rows.shape[3]):
        np.add(rows[:, :, 0::2, channel], rows[:, :, 1::2, channel], out=sums[..., channel])
    return sums
