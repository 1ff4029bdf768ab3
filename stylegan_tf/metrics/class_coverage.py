"""Which classes a classifier sees in generated images, and how sure it is: for labelled sets such as digits.

References: Salimans et al., "Improved Techniques for Training GANs", https://arxiv.org/abs/1606.03498, Section 4, for
the use of a classifier's confidence and entropy; Metz et al., "Unrolled Generative Adversarial Networks",
https://arxiv.org/abs/1611.02163, Section 3.3, for counted classes and the divergence from the data's.
"""

import dataclasses

import numpy as np

LEAST_SHARE = 0.1  # a class counts as covered from this part of its share among the real images on


@dataclasses.dataclass(frozen=True)
class ClassCoverage:
    """What a classifier says about a set of images; an image's class is the most probable one.

    Attributes:
        occurring: Share of the classes that at least one image has, 0 to 1.
        coverage: Share of the classes that the images have at a tenth or more of the rate of the real ones, 0 to 1.
        entropy: Of the classes of the images, as share of that of equally frequent classes, 0 to 1.
        confidence: Mean probability of the most probable class, `1 / classes` to 1.
        divergence: Kullback-Leibler divergence of the classes of the images from those of the real ones, in nats, 0 or
            above; infinite where a class occurs that the real ones lack. None without real ones.
    """

    occurring: float
    coverage: float
    entropy: float
    confidence: float
    divergence: float | None


def class_coverage(probabilities: np.ndarray, real_probabilities: np.ndarray | None = None) -> ClassCoverage:
    """Counts classes.

    Args:
        probabilities: `[N, classes]` of generated images, each row a distribution over two classes or more.
        real_probabilities: `[M, classes]` of real images by the same classifier, so that its mistakes are on both
            sides; None takes equally frequent classes for `coverage`. Classes without a real image need not be covered.

    Returns:
        The counts.

    Raises:
        ValueError: Probabilities are none, or the two differ in classes.
    """
    probabilities = checked_probabilities(probabilities)
    num_classes = probabilities.shape[1]
    shares, expected = _shares(probabilities), np.full(num_classes, 1.0 / num_classes)
    if real_probabilities is not None:
        expected = _shares(checked_probabilities(real_probabilities, num_classes))
    wanted = expected > 0.0
    return ClassCoverage(
        occurring=float(np.mean(shares > 0.0)),
        coverage=float(np.mean(shares[wanted] >= LEAST_SHARE * expected[wanted])),
        entropy=_entropy(shares) / float(np.log(num_classes)),
        confidence=float(np.mean(np.max(probabilities, axis=1), dtype=np.float64)),
        divergence=None if real_probabilities is None else _divergence(shares, expected),
    )


def checked_probabilities(probabilities: np.ndarray, num_classes: int | None = None) -> np.ndarray:
    """Probabilities as an array.

    Raises:
        ValueError: They are not `[N, classes]` with a row or more and two classes or more (`num_classes`, where given),
            or a row is no distribution.
    """
    probabilities = np.asarray(probabilities)
    shape = probabilities.shape
    if len(shape) != 2 or shape[0] < 1 or shape[1] < 2 or shape[1] != (num_classes or shape[1]):
        raise ValueError(
            f"probabilities must be [N, {num_classes or 'classes'}] with a row or more and two classes or more. "
            f"Received: shape={shape}."
        )
    sums = np.sum(probabilities, axis=1, dtype=np.float64)
    if not np.all(np.abs(sums - 1.0) < 1e-2) or np.min(probabilities) < 0.0:
        raise ValueError(
            "probabilities must be 0 or above with rows that add up to 1, as a softmax gives. "
            f"Received: sums from {np.min(sums):g} to {np.max(sums):g}, a smallest value of {np.min(probabilities):g}."
        )
    return probabilities


def _shares(probabilities: np.ndarray) -> np.ndarray:
    """Share of the images that have each class."""
    classes = np.argmax(probabilities, axis=1)
    return np.bincount(classes, minlength=probabilities.shape[1]) / len(classes)


def _entropy(shares: np.ndarray) -> float:
    occurring = shares[shares > 0.0]
    return float(np.sum(occurring * np.log(1.0 / occurring)))


def _divergence(shares: np.ndarray, expected: np.ndarray) -> float:
    occurring = shares > 0.0
    if np.any(expected[occurring] == 0.0):
        return float("inf")
    return float(np.sum(shares[occurring] * np.log(shares[occurring] / expected[occurring])))
