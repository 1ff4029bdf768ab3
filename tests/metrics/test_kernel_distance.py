"""The kernel distance against published implementations, a closed form, and sums written out pair by pair.

The reference numbers are those of NVlabs/stylegan2-ada-pytorch (`kid_subsets`, `kid_full_firstN`), clean-fid, which
draws in the same order, and torch-fidelity.
"""

import pathlib
import tracemalloc
from typing import Any

import numpy as np
import pytest

from stylegan_tf.metrics import kernel_distance as module
from stylegan_tf.metrics.kernel_distance import kernel_distance, kernel_distance_subsets


def _normal(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=[count, 8]) + shift


def test_full_sets_match_stylegan2_ada(metrics: Any, real: np.ndarray, fake: np.ndarray) -> None:
    count = min(len(real), len(fake))
    distance = kernel_distance(real[:count], fake[:count])
    np.testing.assert_allclose(distance, metrics.outputs["kid_full_firstN"], rtol=1e-5)


@pytest.mark.parametrize("name", ["kid_subsets", "kid_cleanfid"])
def test_subsets_match_stylegan2_ada_and_clean_fid(metrics: Any, real: np.ndarray, fake: np.ndarray, name: str) -> None:
    mean, _ = kernel_distance_subsets(real, fake, num_subsets=20, subset_size=100, seed=77)
    np.testing.assert_allclose(mean, metrics.outputs[name], rtol=1e-5)


def test_subsets_match_torch_fidelity(metrics: Any, real: np.ndarray, fake: np.ndarray) -> None:
    mean, deviation = kernel_distance_subsets(real, fake, num_subsets=20, subset_size=100, seed=2020)
    np.testing.assert_allclose(mean, metrics.outputs["kid_torchfidelity_mean"], rtol=1e-5)
    np.testing.assert_allclose(deviation, metrics.outputs["kid_torchfidelity_std"], rtol=1e-5)


@pytest.mark.parametrize("rows", [7, 64, 129])
def test_blocks_change_nothing(real: np.ndarray, fake: np.ndarray, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = kernel_distance(real[:130], fake)
    monkeypatch.setattr(module, "_BLOCK_ROWS", rows)
    np.testing.assert_allclose(kernel_distance(real[:130], fake), whole, rtol=1e-10)


def test_memory_mapped_sets_are_read_in_parts(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(0).normal(size=[2, 1000, 32]).astype(np.float32)
    features.tofile(tmp_path / "features")
    real, fake = np.memmap(tmp_path / "features", np.float32, "r", shape=features.shape)
    expected = kernel_distance(*features.astype(np.float64))
    monkeypatch.setattr(module, "_BLOCK_ROWS", 64)
    tracemalloc.start()
    distance = kernel_distance(real, fake)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_allclose(distance, expected, rtol=1e-9)
    assert peak < 200_000  # one set in float64 takes 256,000 bytes, all pairs 8,000,000


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
    np.testing.assert_allclose(kernel_distance(features, features), -2 * (diagonal - everything) / 399, rtol=1e-9)


def test_estimate_is_unbiased_and_grows_with_a_shift() -> None:
    distances = [kernel_distance(_normal(20, seed), _normal(20, seed + 1000)) for seed in range(400)]
    assert abs(np.mean(distances)) < 4 * np.std(distances) / np.sqrt(len(distances))
    shifted = [kernel_distance(_normal(400, 0), _normal(400, 1, shift)) for shift in (0.0, 0.2, 0.4)]
    assert shifted == sorted(shifted) and shifted[2] > 0.1


def test_subsets_are_a_function_of_the_seed(real: np.ndarray, fake: np.ndarray) -> None:
    first, again, other = (kernel_distance_subsets(real, fake, 3, 50, seed) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("fake_shape", [(10, 3), (1, 4), (10,), (10, 4, 1)])
def test_unfit_features_are_refused(fake_shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Received: real_features.shape=\(10, 4\)"):
        kernel_distance(np.zeros([10, 4]), np.zeros(fake_shape))


@pytest.mark.parametrize(("num_subsets", "subset_size"), [(0, 5), (1, 1), (1, 11)])
def test_impossible_subsets_are_refused(num_subsets: int, subset_size: int) -> None:
    with pytest.raises(ValueError, match="Received: (num_subsets|subset_size)="):
        kernel_distance_subsets(np.zeros([10, 4]), np.zeros([20, 4]), num_subsets, subset_size)
