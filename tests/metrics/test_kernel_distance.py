"""The kernel distance against published implementations, a closed form, and sums written out pair by pair.

`reference_metrics.npz` holds random features and what the official code computed from them:
NVlabs/stylegan2-ada-pytorch @ d72cc7d (`fid_sg2ada`, `kid_*`), NVlabs/stylegan @ 1e0d5c7 (`fid_sg1_firstN`),
GaParmar/clean-fid @ e88c4d6 (`fid_cleanfid`) and toshas/torch-fidelity @ 5e211a9 (`*_torchfidelity*`).
"""

import pathlib

import numpy as np
import pytest

from stylegan_tf.metrics.kernel_distance import kernel_distance, kernel_distance_subsets

_REFERENCE = np.load(pathlib.Path(__file__).with_name("reference_metrics.npz"))
_REAL, _FAKE = _REFERENCE["in/feat_real"], _REFERENCE["in/feat_gen"]


def _normal(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=[count, 8]) + shift


def test_full_sets_match_stylegan2_ada() -> None:
    count = min(len(_REAL), len(_FAKE))
    distance = kernel_distance(_REAL[:count], _FAKE[:count])
    np.testing.assert_allclose(distance, _REFERENCE["out/kid_full_firstN"], rtol=1e-5)


def test_subsets_match_stylegan2_ada() -> None:
    mean, _ = kernel_distance_subsets(_REAL, _FAKE, num_subsets=20, subset_size=100, seed=77)
    np.testing.assert_allclose(mean, _REFERENCE["out/kid_subsets"], rtol=1e-5)


def test_subsets_match_torch_fidelity() -> None:
    mean, deviation = kernel_distance_subsets(_REAL, _FAKE, num_subsets=20, subset_size=100, seed=2020)
    np.testing.assert_allclose(mean, _REFERENCE["out/kid_torchfidelity_mean"], rtol=1e-5)
    np.testing.assert_allclose(deviation, _REFERENCE["out/kid_torchfidelity_std"], rtol=1e-5)


def test_sets_of_different_sizes_match_sums_over_pairs() -> None:
    real, fake = _normal(5, seed=0), _normal(7, seed=1)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((np.dot(x, y) / 8 + 1) ** 3)

    within = [
        np.mean([kernel(x, y) for i, x in enumerate(features) for j, y in enumerate(features) if i != j])
        for features in (real, fake)
    ]
    across = np.mean([kernel(x, y) for x in real for y in fake])
    np.testing.assert_allclose(kernel_distance(real, fake), within[0] + within[1] - 2 * across, rtol=1e-12)


def test_constant_sets_have_the_closed_form() -> None:
    ones, zeros = np.ones([4, 3]), np.zeros([6, 3])
    # k(1, 1) = 2^3, k(0, 0) = k(0, 1) = 1
    np.testing.assert_allclose(kernel_distance(ones, zeros), 8 + 1 - 2 * 1, rtol=1e-12)


def test_identical_sets_fall_a_little_below_zero() -> None:
    features = _normal(400, seed=0)
    # Without its diagonal the mean kernel of a set with itself is smaller: that is the whole difference.
    diagonal = np.mean((np.sum(features**2, axis=1) / 8 + 1) ** 3)
    everything = np.mean((features @ features.T / 8 + 1) ** 3)
    np.testing.assert_allclose(
        kernel_distance(features, features), -2 * (diagonal - everything) / 399, rtol=1e-9
    )


def test_estimate_is_unbiased_and_grows_with_a_shift() -> None:
    distances = [kernel_distance(_normal(20, seed), _normal(20, seed + 1000)) for seed in range(400)]
    assert abs(np.mean(distances)) < 4 * np.std(distances) / np.sqrt(len(distances))
    shifted = [kernel_distance(_normal(400, 0), _normal(400, 1, shift)) for shift in (0.0, 0.2, 0.4)]
    assert shifted == sorted(shifted) and shifted[2] > 0.1


def test_subsets_are_a_function_of_the_seed() -> None:
    first, again, other = (kernel_distance_subsets(_REAL, _FAKE, 3, 50, seed) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("fake_shape", [(10, 3), (1, 4), (10,), (10, 4, 1)])
def test_unfit_features_are_refused(fake_shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Received: real_features.shape=\(10, 4\)"):
        kernel_distance(np.zeros([10, 4]), np.zeros(fake_shape))


@pytest.mark.parametrize(("num_subsets", "subset_size"), [(0, 5), (1, 1), (1, 11)])
def test_impossible_subsets_are_refused(num_subsets: int, subset_size: int) -> None:
    with pytest.raises(ValueError, match="Received: (num_subsets|subset_size)="):
        kernel_distance_subsets(np.zeros([10, 4]), np.zeros([20, 4]), num_subsets, subset_size)
