"""Frechet distance between Gaussians fitted to two sets of features (FID over Inception's).

Reference: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
https://arxiv.org/abs/1706.08500, Section 2, Equation 6; the closed form is Dowson and Landau's (1982).
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """The Gaussian that stands for a set of features.

    Attributes:
        mean: float64, `[d]`.
        covariance: float64, `[d, d]`, symmetric.
    """

    mean: np.ndarray
    covariance: np.ndarray


def feature_statistics(features: np.ndarray, ddof: int = 1) -> FeatureStatistics:
    """Fits a Gaussian to features, in float64.

    Args:
        features: `[N, d]`, N above `ddof`.
        ddof: The covariance is divided by `N - ddof`: 1 as in the FID paper and StyleGAN, 0 as in
            StyleGAN2-ADA.

    Returns:
        Mean and covariance.

    Raises:
        ValueError: `features` is not `[N, d]` with more than `ddof` rows.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) <= ddof:
        raise ValueError(f"features must be [N, d] with N above {ddof}. Received: shape={features.shape}.")
    mean = features.mean(axis=0)
    centred = features - mean
    return FeatureStatistics(mean, centred.T @ centred / (len(features) - ddof))


def frechet_distance(real_statistics: FeatureStatistics, fake_statistics: FeatureStatistics) -> float:
    """Computes the squared 2-Wasserstein distance of two Gaussians.

    That is `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))` for means m and covariances C.

    The trace of the root is the sum of the roots of the eigenvalues of the symmetric `C1^(1/2) C2 C1^(1/2)`,
    which stays real and exact where fewer samples than features make the covariances singular. The result is
    biased upwards by small sets: compare it with the distance between two sets of real images of the same
    sizes.

    Args:
        real_statistics: Gaussian of the real features, d dimensions.
        fake_statistics: Gaussian of the generated features, d dimensions.

    Returns:
        The distance, 0 or above but for rounding, in the squared unit of the features.

    Raises:
        ValueError: The two statistics differ in d.

    Reference: "GANs Trained by a Two Time-Scale Update Rule", Equation 6.
    """
    if real_statistics.mean.shape != fake_statistics.mean.shape:
        raise ValueError(
            "Both statistics must have the same dimension. "
            f"Received: {real_statistics.mean.shape} and {fake_statistics.mean.shape}."
        )
    real_root = _symmetric_root(real_statistics.covariance)
    product = real_root @ fake_statistics.covariance @ real_root
    # Symmetrised because eigvalsh looks at one triangle; tiny negative eigenvalues are rounding.
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2.0)
    trace_of_root = np.sum(np.sqrt(np.maximum(eigenvalues, 0.0)))
    mean_term = np.sum(np.square(real_statistics.mean - fake_statistics.mean))
    traces = np.trace(real_statistics.covariance) + np.trace(fake_statistics.covariance)
    return float(mean_term + traces - 2.0 * trace_of_root)


def _symmetric_root(matrix: np.ndarray) -> np.ndarray:
    eigenvalues, eigenvectors = np.linalg.eigh(matrix)
    return (eigenvectors * np.sqrt(np.maximum(eigenvalues, 0.0))) @ eigenvectors.T
