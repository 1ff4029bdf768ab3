"""The wavelet filters of the augmentations, as NumPy float64 arrays, and the reflection at an image's edges."""

from __future__ import annotations

import numpy as np

# The symlet with six vanishing moments: orthogonal to its own even shifts, the root of Daubechies' polynomial with the
# phase nearest to linear. Scaled to sum 1.
SYM6_LOWPASS = np.array(
    [
        0.0108923501632923,
        0.0024683061859233,
        -0.0834316077060727,
        -0.0341615607932855,
        0.3472289864792180,
        0.5569463919628685,
        0.2389521856664344,
        -0.0513624849308390,
        -0.0148918756492696,
        0.0316252813300217,
        0.0012499610463979,
        -0.0055159337546887,
    ]
)


def band_filters() -> np.ndarray:
    """Four symmetric filters that split an axis into octaves and sum to a unit impulse.

    They are cascades of the autocorrelation of the symlet with two vanishing moments, for the bands [0, pi/8],
    [pi/8, pi/4], [pi/4, pi/2] and [pi/2, pi]. Karras et al. 2020 (Limited Data), appendix B.

    Returns:
        [4, 43], lowest frequencies first.
    """
    lowpass = np.array([1 + np.sqrt(3), 3 + np.sqrt(3), 3 - np.sqrt(3), 1 - np.sqrt(3)]) / 8
    smooth = np.convolve(lowpass, lowpass[::-1])
    detail = _unit_impulse(7) - smooth
    octaves = [detail]
    below = smooth
    for spacing in (2, 4):
        octaves.insert(0, np.convolve(below, _spread(detail, spacing)))
        below = np.convolve(below, _spread(smooth, spacing))
    return np.stack([_centred(octave, below.size) for octave in [below, *octaves]])


def reflected(index: np.ndarray, size: int) -> np.ndarray:
    """The pixel that a position outside an image shows: reflected at the outer pixels' centres, without end.

    Args:
        index: Integers.
        size: Pixels of the axis, 2 or more.

    Returns:
        Integers in [0, size).
    """
    index = index % (2 * size - 2)
    return np.minimum(index, 2 * size - 2 - index)


def _unit_impulse(size: int) -> np.ndarray:
    return _centred(np.ones(1), size)


def _spread(taps: np.ndarray, spacing: int) -> np.ndarray:
    spread = np.zeros((taps.size - 1) * spacing + 1)
    spread[::spacing] = taps
    return spread


def _centred(taps: np.ndarray, size: int) -> np.ndarray:
    return np.pad(taps, (size - taps.size) // 2)
