"""Kernel distance between two sets of features (KID over Inception's).

Reference: Binkowski, Sutherland, Arbel and Gretton, "Demystifying MMD GANs",
https://arxiv.org/abs/1801.01401, Section 4. The estimate is the unbiased one of Gretton et al., "A Kernel
Two-Sample Test", JMLR 2012, Lemma 6.
"""

from collections.abc import Iterator

import numpy as np

from stylegan_tf.errors import UserError

_BLOCK_ROWS = 1024  # rows of each set that are compared, and converted to float64, at a time


def kernel_distance(real_features: np.ndarray, fake_features: np.ndarray) -> float:
    """Computes the unbiased squared maximum mean discrepancy under the kernel `(x . y / d + 1) ** 3`.

    Every pair of the two sets takes part, in float64 and in blocks: large and memory-mapped sets are read in parts.
    The expectation is 0 when both sets come from one distribution, so a single value may fall a little below 0.

    Args:
        real_features: `[M, d]`, M at least 2.
        fake_features: `[N, d]`, N at least 2; M and N may differ.

    Returns:
        The distance, in the kernel's own unit: not multiplied by 1000, as some tables do.

    Raises:
        ValueError: A set is not `[count, d]` with two rows or more, or the two differ in d.

    Reference: "Demystifying MMD GANs", Section 4.
    """
    real, fake = _checked(real_features, fake_features)
    across = _sum_over_pairs(real, fake) / (len(real) * len(fake))
    return _mean_of_distinct_pairs(real) + _mean_of_distinct_pairs(fake) - 2.0 * across


def kernel_distance_subsets(
    real_features: np.ndarray, fake_features: np.ndarray, num_subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Averages the kernel distance over random subsets, which published KID protocols do for large sets.

    Each subset is drawn without replacement, fakes before reals, from one `np.random.RandomState(seed)`: the
    order in which torch-fidelity draws, so that its numbers can be reproduced.

    Args:
        real_features: `[M, d]`.
        fake_features: `[N, d]`.
        num_subsets: How many pairs of subsets to draw, at least 1.
        subset_size: Features in each subset, between 2 and both M and N.
        seed: Seed of the draw; the result is a function of it.

    Returns:
        Mean and standard deviation (divided by `num_subsets`) of the distances of the subsets.

    Raises:
        ValueError: The features are unfit for `kernel_distance`, or a count is out of range.

    Reference: "Demystifying MMD GANs", Section 4; StyleGAN2-ADA reports 100 subsets of 1000.
    """
    real, fake = _checked(real_features, fake_features)
    if num_subsets < 1:
        raise ValueError(f"num_subsets must be at least 1. Received: num_subsets={num_subsets}.")
    if not 2 <= subset_size <= min(len(real), len(fake)):
        raise UserError(
            f"subset_size must be between 2 and {min(len(real), len(fake))}, the size of the smaller set. "
            f"Received: subset_size={subset_size}."
        )
    random = np.random.RandomState(seed)
    distances = []
    for _ in range(num_subsets):
        fake_subset = fake[random.choice(len(fake), subset_size, replace=False)]
        real_subset = real[random.choice(len(real), subset_size, replace=False)]
        distances.append(kernel_distance(real_subset, fake_subset))
    return float(np.mean(distances)), float(np.std(distances))


def _checked(real_features: np.ndarray, fake_features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    real, fake = np.asarray(real_features), np.asarray(fake_features)
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1:] != fake.shape[1:] or min(len(real), len(fake)) < 2:
        raise ValueError(
            "Features must be [count, d] with two rows or more and one d for both sets. "
            f"Received: real_features.shape={real.shape}, fake_features.shape={fake.shape}."
        )
    return real, fake


def _blocks(features: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(features), _BLOCK_ROWS):
        yield np.asarray(features[start : start + _BLOCK_ROWS], np.float64)


def _cubic_kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    base = a @ b.T / a.shape[1] + 1.0
    return base * base * base  # a power of floats is many times slower


def _sum_over_pairs(a: np.ndarray, b: np.ndarray) -> float:
    return float(sum(np.sum(_cubic_kernel(rows, others)) for rows in _blocks(a) for others in _blocks(b)))


def _mean_of_distinct_pairs(features: np.ndarray) -> float:
    """Mean of the kernel over all pairs i != j: leaving the diagonal out makes the estimate unbiased."""
    count, total = len(features), 0.0
    for index, rows in enumerate(_blocks(features)):
        kernel = _cubic_kernel(rows, rows)
        total += float(np.sum(kernel) - np.trace(kernel))
        # The kernel is symmetric: what lies beyond this block counts twice.
        total += 2.0 * _sum_over_pairs(rows, features[(index + 1) * _BLOCK_ROWS :])
    return total / (count * (count - 1))
