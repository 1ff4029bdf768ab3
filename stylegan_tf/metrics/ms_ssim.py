"""Multi-scale structural similarity of pairs of images; low between generated images means that they vary.

References: Wang, Simoncelli and Bovik, "Multi-Scale Structural Similarity for Image Quality Assessment", Asilomar
Conference 2003; Odena, Olah and Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs",
https://arxiv.org/abs/1610.09585, Section 4.2, for its use as a measure of variation; Karras et al., "Progressive
Growing of GANs", https://arxiv.org/abs/1710.10196, which reports it for random pairs.
"""

import numpy as np

from stylegan_tf.errors import UserError

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest first: Wang et al., Section 3.2
_WINDOW_SIZE, _WINDOW_SIGMA = 11, 1.5  # pixels
_LARGEST_VALUE = 255.0
_LUMINANCE_CONSTANT, _CONTRAST_CONSTANT = (0.01 * _LARGEST_VALUE) ** 2, (0.03 * _LARGEST_VALUE) ** 2


def ms_ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compares images pair by pair at five scales.

    Windows are Gaussian. Where a scale is smaller than the window, the window shrinks with its standard deviation to
    the smaller side, so that images of 16 pixels and more can be compared. Each scale halves the one before by means
    of 2 x 2 pixels.

    Args:
        first: uint8 `[N, height, width, channels]`, sides of 16 pixels or more.
        second: What they are compared with, likewise.

    Returns:
        float64 `[N]`, 1 for equal images, 0 for unrelated ones; negative similarities count as 0.

    Raises:
        ValueError: The images are of another type, shape, or size.

    Reference: Wang et al. 2003, Equation 7.
    """
    if (
        first.dtype != np.uint8
        or second.dtype != np.uint8
        or first.shape != second.shape
        or first.ndim != 4
        or min(first.shape[1:3]) < 2 ** (len(SCALE_WEIGHTS) - 1)
    ):
        raise UserError(
            "Both sets must be uint8 of one shape [N, height, width, channels], with sides of 16 pixels or more. "
            f"Received: {first.dtype} {first.shape} and {second.dtype} {second.shape}."
        )
    a, b = first.astype(np.float64), second.astype(np.float64)
    similarity = np.ones(len(a))
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            a, b = _halved(a), _halved(b)
        whole, structure = structural_similarity(a, b)
        term = whole if scale == len(SCALE_WEIGHTS) - 1 else structure
        similarity *= np.maximum(term, 0.0) ** weight
    return similarity


def structural_similarity(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compares images at one scale.

    Args:
        first: Floats from 0 to 255, `[N, height, width, channels]`.
        second: Likewise.

    Returns:
        The similarity, and its factor of contrast and structure alone, without that of luminance: each float64 `[N]`,
        the mean over pixels and channels.

    Reference: Wang et al. 2003, Equations 1 to 6.
    """
    window = _window(min(_WINDOW_SIZE, *first.shape[1:3]))
    first_mean, second_mean = _blurred(first, window), _blurred(second, window)
    first_variance = _blurred(first * first, window) - first_mean**2
    second_variance = _blurred(second * second, window) - second_mean**2
    covariance = _blurred(first * second, window) - first_mean * second_mean
    structure = (2.0 * covariance + _CONTRAST_CONSTANT) / (first_variance + second_variance + _CONTRAST_CONSTANT)
    luminance = (2.0 * first_mean * second_mean + _LUMINANCE_CONSTANT) / (
        first_mean**2 + second_mean**2 + _LUMINANCE_CONSTANT
    )
    return np.mean(luminance * structure, axis=(1, 2, 3)), np.mean(structure, axis=(1, 2, 3))


def _window(size: int) -> np.ndarray:
    """A Gaussian that adds up to 1, `[size]`, of a deviation in proportion."""
    offsets = np.arange(size) - (size - 1) / 2.0
    weights = np.exp(-0.5 * np.square(offsets * _WINDOW_SIZE / (_WINDOW_SIGMA * size)))
    return weights / np.sum(weights)


def _blurred(images: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Weighted means of all windows that lie wholly inside."""
    rows, columns = (side - len(window) + 1 for side in images.shape[1:3])
    vertical = np.zeros([len(images), rows, *images.shape[2:]])
    for index, weight in enumerate(window):
        vertical += weight * images[:, index : index + rows]
    both = np.zeros([len(images), rows, columns, images.shape[3]])
    for index, weight in enumerate(window):
        both += weight * vertical[:, :, index : index + columns]
    return both


def _halved(images: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels; where a side is odd, its last pixels count twice."""
    images = np.pad(images, [(0, 0), (0, images.shape[1] % 2), (0, images.shape[2] % 2), (0, 0)], mode="edge")
    above, below = images[:, ::2], images[:, 1::2]
    return (above[:, :, ::2] + above[:, :, 1::2] + below[:, :, ::2] + below[:, :, 1::2]) / 4.0
