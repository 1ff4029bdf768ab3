"""Frechet distance between Gaussians fitted to two sets of features (FID over Inception's).

Reference: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
https://arxiv.org/abs/1706.08500, Section 2, Equation 6; the closed form is Dowson and Landau's (1982).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from stylegan_tf.errors import UserError

_BLOCK_ROWS = 4096  # rows that are converted to float64 at a time


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """The Gaussian that stands for a set of features.

    Attributes:
        mean: float64, `[d]`.
        covariance: float64, `[d, d]`, symmetric.
    """

    mean: np.ndarray
    covariance: np.ndarray


@dataclasses.dataclass(eq=False)
class RunningStatistics:
    """Mean and covariance of features that arrive in parts, in memory that does not grow with their number.

    Each part is centred by its own mean before anything is squared, so that a large common offset of the features
    costs no digits. `RunningStatistics(count, mean, scatter)` goes on from saved arrays.

    Attributes:
        count: How many features were added.
        mean: Their mean, float64 `[d]`.
        scatter: Sum of the outer products of their deviations from the mean, float64 `[d, d]`.

    Reference: Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", The American Statistician 37,
    1983: two sets are combined by their means and sums of squared deviations; here for vectors.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def empty(cls, feature_count: int) -> RunningStatistics:
        """Statistics of no features yet, each of `feature_count` numbers."""
        return cls(0, np.zeros(feature_count), np.zeros([feature_count, feature_count]))

    def add(self, features: np.ndarray) -> None:
        """Adds a part of the set.

        Args:
            features: `[n, d]`, of any n; a large or memory-mapped array is read in blocks. With thousands of features
                each call costs as much as some hundred rows: small batches are better collected first.

        Raises:
            ValueError: `features` is not `[n, d]`.
        """
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise ValueError(f"features must be [n, {len(self.mean)}]. Received: shape={features.shape}.")
        for start in range(0, len(features), _BLOCK_ROWS):
            block = np.array(features[start : start + _BLOCK_ROWS], np.float64)
            total = self.count + len(block)
            mean = block.mean(axis=0)
            difference = mean - self.mean
            # The last row carries the distance of the two means, so that one product does all.
            rows = np.vstack([block - mean, difference * math.sqrt(self.count * len(block) / total)])
            self.scatter = rows.T @ rows + self.scatter
            self.mean = self.mean + difference * (len(block) / total)
            self.count = total

    def merge(self, other: RunningStatistics) -> RunningStatistics:
        """The statistics of two sets without common members as one; neither is changed.

        Raises:
            ValueError: The two differ in d.
        """
        if self.mean.shape != other.mean.shape:
            raise ValueError(
                f"Both statistics must have the same dimension. Received: {self.mean.shape} and {other.mean.shape}."
            )
        total = max(self.count + other.count, 1)
        difference = other.mean - self.mean
        scatter = np.outer(difference, difference) * (self.count * other.count / total) + self.scatter + other.scatter
        return RunningStatistics(self.count + other.count, self.mean + difference * (other.count / total), scatter)

    def statistics(self, ddof: int = 1) -> FeatureStatistics:
        """The Gaussian of all features so far.

        Args:
            ddof: The covariance is divided by `count - ddof`: 1 as in the FID paper and StyleGAN, 0 as in
                StyleGAN2-ADA.

        Raises:
            ValueError: `ddof` features or fewer were added.
        """
        if self.count <= ddof:
            raise UserError(f"Statistics need more than {ddof} features. Received: count={self.count}.")
        return FeatureStatistics(self.mean.copy(), self.scatter / (self.count - ddof))


def feature_statistics(features: np.ndarray, ddof: int = 1) -> FeatureStatistics:
    """Fits a Gaussian to features, in float64.

    Args:
        features: `[N, d]`, N above `ddof`; a large or memory-mapped array is read in blocks.
        ddof: As for `RunningStatistics.statistics`.

    Returns:
        Mean and covariance.

    Raises:
        ValueError: `features` is not `[N, d]` with more than `ddof` rows.
    """
    features = np.asarray(features)
    if features.ndim != 2 or len(features) <= ddof:
        raise UserError(f"features must be [N, d] with N above {ddof}. Received: shape={features.shape}.")
    running = RunningStatistics.empty(features.shape[1])
    running.add(features)
    return running.statistics(ddof)


def frechet_distance(real_statistics: FeatureStatistics, fake_statistics: FeatureStatistics) -> float:
    """Computes the squared 2-Wasserstein distance of two Gaussians.

    That is `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))` for means m and covariances C.

    The trace of the root is the sum of the roots of the eigenvalues of the symmetric `R' C2 R` for any R with
    `R R' = C1`, which stays real and exact where fewer samples than features make the covariances singular. The
    result is biased upwards by small sets: compare it with the distance between two sets of real images of the same
    sizes.

    Args:
        real_statistics: Gaussian of the real features, d dimensions.
        fake_statistics: Gaussian of the generated features, d dimensions.

    Returns:
        The distance, in the squared unit of the features. It cannot be negative: where rounding of equal Gaussians
        makes it so, 0 is returned.

    Raises:
        ValueError: The two statistics differ in d.

    Reference: "GANs Trained by a Two Time-Scale Update Rule", Equation 6.
    """
    if real_statistics.mean.shape != fake_statistics.mean.shape:
        raise ValueError(
            "Both statistics must have the same dimension. "
            f"Received: {real_statistics.mean.shape} and {fake_statistics.mean.shape}."
        )
    real_root = _factor(real_statistics.covariance)
    # Tiny negative eigenvalues are rounding.
    eigenvalues = np.linalg.eigvalsh(real_root.T @ fake_statistics.covariance @ real_root)
    trace_of_root = np.sum(np.sqrt(np.maximum(eigenvalues, 0.0)))
    mean_term = np.sum(np.square(real_statistics.mean - fake_statistics.mean))
    traces = np.trace(real_statistics.covariance) + np.trace(fake_statistics.covariance)
    return max(float(mean_term + traces - 2.0 * trace_of_root), 0.0)


def _factor(covariance: np.ndarray) -> np.ndarray:
    """R with R R' = covariance, `[d, rank]`: Cholesky's, which is quick, where the covariance has full rank."""
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        eigenvalues, eigenvectors = np.linalg.eigh(covariance)
        # Eigenvalues that stand for 0 come out as the rounding of the largest one, whose roots would not be small.
        kept = eigenvalues > 100.0 * np.finfo(np.float64).eps * eigenvalues[-1]
        return eigenvectors[:, kept] * np.sqrt(eigenvalues[kept])
