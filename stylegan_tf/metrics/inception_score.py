"""Inception score: how sure a classifier is of each generated image, and how many classes it sees in all.

Reference: Salimans et al., "Improved Techniques for Training GANs", https://arxiv.org/abs/1606.03498, Section 4. With
another classifier than Inception the numbers are comparable among themselves only.
"""

import numpy as np

from stylegan_tf.errors import UserError
from stylegan_tf.metrics.class_coverage import checked_probabilities


def inception_score(probabilities: np.ndarray, splits: int = 10) -> tuple[float, float]:
    """Computes `exp(mean KL(p(y|x) || p(y)))` for each of several parts of a set.

    The parts follow each other: the images belong in random order. Its range is 1 to the number of classes.

    Args:
        probabilities: `[N, classes]`, each row a distribution, N at least `splits`.
        splits: Number of parts, as equal as can be.

    Returns:
        Mean and standard deviation (divided by `splits`) of the scores of the parts.

    Raises:
        ValueError: `probabilities` are none, or `splits` is out of range.

    Reference: "Improved Techniques for Training GANs", Section 4; the published protocol takes 50,000 images, 10 parts.
    """
    probabilities = checked_probabilities(probabilities)
    running = RunningInceptionScore(len(probabilities), probabilities.shape[1], splits)
    running.add(probabilities)
    return running.score()


class RunningInceptionScore:
    """The inception score of probabilities that arrive in parts; equal to that of all at once but for rounding.

    Args:
        count: Number of images that will be added in all, at least `splits`.
        num_classes: Classes of the classifier.
        splits: As for `inception_score`.

    Raises:
        ValueError: `splits` is out of range.
    """

    def __init__(self, count: int, num_classes: int, splits: int = 10) -> None:
        if not 1 <= splits <= count:
            raise UserError(f"splits must be between 1 and the number of images, {count}. Received: splits={splits}.")
        self._count = count
        self._added = 0
        self._ends = [(index + 1) * count // splits for index in range(splits)]
        self._sums = np.zeros([splits, num_classes])
        self._negative_entropies = np.zeros(splits)

    def add(self, probabilities: np.ndarray) -> None:
        """Adds the next `[n, classes]`. Raises ValueError for what is no distribution, or more than `count`."""
        probabilities = checked_probabilities(probabilities, self._sums.shape[1])
        if self._added + len(probabilities) > self._count:
            raise ValueError(
                f"No more than {self._count} images must be added. Received: {self._added + len(probabilities)}."
            )
        parts = np.searchsorted(self._ends, np.arange(self._added, self._added + len(probabilities)), side="right")
        for part in np.unique(parts):
            rows = probabilities[parts == part].astype(np.float64)
            self._sums[part] += np.sum(rows, axis=0)
            self._negative_entropies[part] += np.sum(_times_log(rows))
        self._added += len(probabilities)

    def score(self) -> tuple[float, float]:
        """Mean and standard deviation of the scores of the parts. Raises ValueError before `count` were added."""
        if self._added != self._count:
            raise ValueError(f"{self._count} images must be added first. Received: {self._added}.")
        sizes = np.diff([0, *self._ends])
        # The mean of KL(p || m) over rows p with mean m is the mean of sum(p log p), less sum(m log m).
        divergences = self._negative_entropies / sizes - np.sum(_times_log(self._sums / sizes[:, None]), axis=1)
        scores = np.exp(divergences)
        return float(np.mean(scores)), float(np.std(scores))


def _times_log(values: np.ndarray) -> np.ndarray:
    """`p log p`, which is 0 at 0."""
    return values * np.log(np.where(values > 0.0, values, 1.0))
