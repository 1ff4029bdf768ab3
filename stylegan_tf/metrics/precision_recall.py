"""How much of the generated images looks real, and how much of the real ones is generated, from nearest neighbours.

References: Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models",
https://arxiv.org/abs/1904.06991, Section 2; Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative
Models", https://arxiv.org/abs/2002.09797, Section 3. In both, the ball around a feature reaches to its k-th nearest
neighbour in its own set, itself not counted, and the balls of a set stand for the region that it covers.
"""

from collections.abc import Iterator

import numpy as np

from stylegan_tf.errors import UserError

_BLOCK_ROWS = 2048  # features of each set that are compared, and converted to float64, at a time
# Squared distances that differ by less, relative to themselves, are equal: the products that they come from are
# rounded in one way or another according to the block that they are in.
_TIE = 1e-9


def precision_recall(real_features: np.ndarray, fake_features: np.ndarray, neighbours: int = 3) -> tuple[float, float]:
    """Computes improved precision and recall.

    Precision is the share of generated features within the ball of a real one, recall the share of real features
    within the ball of a generated one. A feature on the surface of a ball is in it. Both depend on the sizes of the
    sets: compare only at equal sizes.

    Args:
        real_features: `[M, d]`, M above `neighbours`; large and memory-mapped sets are read in blocks.
        fake_features: `[N, d]`, N above `neighbours`.
        neighbours: Which neighbour a ball reaches to, k, at least 1.

    Returns:
        Precision and recall, from 0 to 1.

    Raises:
        ValueError: A set is not `[count, d]` with more than `neighbours` rows, the two differ in d, or `neighbours` is
            below 1.

    Reference: "Improved Precision and Recall Metric", Equations 1 and 2.
    """
    real, fake = _checked(real_features, fake_features, neighbours)
    real_radii = _squared_radii(real, neighbours) * (1.0 + _TIE)
    fake_radii = _squared_radii(fake, neighbours) * (1.0 + _TIE)
    fake_is_covered, real_is_covered = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    for rows, columns, distances in _squared_distances(real, fake):
        fake_is_covered[columns] |= np.any(distances <= real_radii[rows, None], axis=0)
        real_is_covered[rows] |= np.any(distances <= fake_radii[columns], axis=1)
    return float(np.mean(fake_is_covered)), float(np.mean(real_is_covered))


def density_coverage(real_features: np.ndarray, fake_features: np.ndarray, neighbours: int = 5) -> tuple[float, float]:
    """Computes density and coverage, which outliers among the features disturb less than precision and recall.

    Density is the number of real balls that a generated feature lies in, over all and divided by k; coverage the share
    of real balls with a generated feature in them. A feature on the surface of a ball is outside, as in the authors'
    program.

    Args:
        real_features: `[M, d]`, M above `neighbours`; large and memory-mapped sets are read in blocks.
        fake_features: `[N, d]`, N at least 1.
        neighbours: Which neighbour a ball reaches to, k, at least 1.

    Returns:
        Density, 1 on average where both sets come from one distribution, and coverage, from 0 to 1.

    Raises:
        ValueError: A set is not `[count, d]` or is too small, the two differ in d, or `neighbours` is below 1.

    Reference: "Reliable Fidelity and Diversity Metrics", Section 3.
    """
    real, fake = _checked(real_features, fake_features, neighbours, fewest_fakes=1)
    radii = _squared_radii(real, neighbours) * (1.0 - _TIE)
    inside_each = np.zeros(len(real), np.int64)
    for rows, _, distances in _squared_distances(real, fake):
        inside_each[rows] += np.count_nonzero(distances < radii[rows, None], axis=1)
    return float(np.sum(inside_each) / (neighbours * len(fake))), float(np.mean(inside_each > 0))


def _checked(
    real_features: np.ndarray, fake_features: np.ndarray, neighbours: int, fewest_fakes: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    real, fake = np.asarray(real_features), np.asarray(fake_features)
    if neighbours < 1:
        raise ValueError(f"neighbours must be at least 1. Received: neighbours={neighbours}.")
    fewest = neighbours + 1 if fewest_fakes is None else fewest_fakes
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(
            "Features must be [count, d] with one d for both sets. "
            f"Received: real_features.shape={real.shape}, fake_features.shape={fake.shape}."
        )
    if len(real) <= neighbours or len(fake) < fewest:
        raise UserError(
            f"{neighbours} neighbours must be looked for among {neighbours + 1} real features or more, and {fewest} "
            f"generated ones or more. Received: {len(real)} and {len(fake)}."
        )
    return real, fake


def _blocks(features: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Where a block of rows is, the rows in float64, and their squared lengths."""
    for start in range(0, len(features), _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, len(features)))
        block = np.asarray(features[rows], np.float64)
        yield rows, block, np.sum(np.square(block), axis=1)


def _squared_distances(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """All squared distances in blocks: rows of `a`, rows of `b`, and the distances between these."""
    for rows, a_block, a_lengths in _blocks(a):
        for columns, b_block, b_lengths in _blocks(b):
            lengths = a_lengths[:, None] + b_lengths
            distances = lengths - 2.0 * (a_block @ b_block.T)
            # What is left of two equal features is rounding.
            distances[distances < 1e-13 * lengths] = 0.0
            yield rows, columns, distances


def _squared_radii(features: np.ndarray, neighbours: int) -> np.ndarray:
    """Squared distance `[N]` of each feature to its k-th nearest neighbour."""
    nearest = np.full([len(features), neighbours], np.inf)
    for rows, columns, distances in _squared_distances(features, features):
        if rows == columns:
            np.fill_diagonal(distances, np.inf)  # a feature is no neighbour of itself
        candidates = np.concatenate([nearest[rows], distances], axis=1)
        nearest[rows] = np.partition(candidates, neighbours - 1, axis=1)[:, :neighbours]
    return np.max(nearest, axis=1)
