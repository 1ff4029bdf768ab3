"""The Frechet distance against published implementations and closed forms.

The reference numbers are those of NVlabs/stylegan2-ada-pytorch (`fid_sg2ada`, `mean_real`, `cov_real`), NVlabs/stylegan
(`fid_sg1_firstN`), clean-fid and torch-fidelity.
"""

from typing import Any

import numpy as np
import pytest

from stylegan_tf.metrics import frechet_distance as module
from stylegan_tf.metrics.frechet_distance import (
    FeatureStatistics,
    RunningStatistics,
    feature_statistics,
    frechet_distance,
)


def _distance(real: np.ndarray, fake: np.ndarray, ddof: int = 1) -> float:
    return frechet_distance(feature_statistics(real, ddof), feature_statistics(fake, ddof))


def test_matches_stylegan2_ada(metrics: Any, real: np.ndarray, fake: np.ndarray) -> None:
    np.testing.assert_allclose(_distance(real, fake, ddof=0), metrics.outputs["fid_sg2ada"], rtol=1e-6)


def test_matches_stylegan(metrics: Any, real: np.ndarray, fake: np.ndarray) -> None:
    count = min(len(real), len(fake))
    np.testing.assert_allclose(_distance(real[:count], fake[:count]), metrics.outputs["fid_sg1_firstN"], rtol=1e-6)


@pytest.mark.parametrize("name", ["fid_cleanfid", "fid_torchfidelity"])
def test_matches_other_implementations(metrics: Any, real: np.ndarray, fake: np.ndarray, name: str) -> None:
    np.testing.assert_allclose(_distance(real, fake), metrics.outputs[name], rtol=1e-6)


def test_statistics_match_stylegan2_ada(metrics: Any, real: np.ndarray) -> None:
    statistics = feature_statistics(real, ddof=0)
    np.testing.assert_allclose(statistics.mean, metrics.outputs["mean_real"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(statistics.covariance, metrics.outputs["cov_real"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("ddof", [0, 1])
def test_statistics_match_numpy(real: np.ndarray, ddof: int) -> None:
    statistics = feature_statistics(real, ddof)
    np.testing.assert_allclose(statistics.mean, real.mean(axis=0, dtype=np.float64), rtol=1e-12)
    covariance = np.cov(real.astype(np.float64), rowvar=False, ddof=ddof)
    np.testing.assert_allclose(statistics.covariance, covariance, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("part", [1, 7, 64, 300])
def test_parts_add_up_to_the_whole(real: np.ndarray, part: int) -> None:
    running = RunningStatistics.empty(real.shape[1])
    for start in range(0, len(real), part):
        running.add(real[start : start + part])
    assert running.count == len(real)
    _assert_same(running.statistics(), feature_statistics(real))


def test_large_arrays_are_read_in_blocks(real: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = feature_statistics(real)
    monkeypatch.setattr(module, "_BLOCK_ROWS", 11)
    _assert_same(feature_statistics(real), whole)


def test_a_large_offset_costs_no_digits(real: np.ndarray) -> None:
    # Sums of squares would lose twelve of sixteen digits here.
    features = real.astype(np.float64) + 1e6
    running = RunningStatistics.empty(real.shape[1])
    for part in np.split(features, 10):
        running.add(part)
    covariance = running.statistics().covariance
    np.testing.assert_allclose(covariance, feature_statistics(real).covariance, rtol=1e-6, atol=1e-8)


def test_two_halves_merge_into_the_whole(real: np.ndarray) -> None:
    first, second = RunningStatistics.empty(64), RunningStatistics.empty(64)
    first.add(real[:70])
    second.add(real[70:])
    before = first.mean.copy(), first.scatter.copy()
    _assert_same(first.merge(second).statistics(), feature_statistics(real))
    _assert_same(second.merge(first).statistics(0), feature_statistics(real, 0))
    np.testing.assert_array_equal((first.mean, *first.scatter), (before[0], *before[1]))
    assert first.count == 70


def test_nothing_merges_with_anything(real: np.ndarray) -> None:
    some, none = RunningStatistics.empty(64), RunningStatistics.empty(64)
    some.add(real)
    for merged in (some.merge(none), none.merge(some)):
        _assert_same(merged.statistics(), feature_statistics(real))
    assert none.merge(none).count == 0


def test_saved_arrays_go_on_and_stay_as_they_are(real: np.ndarray) -> None:
    first = RunningStatistics.empty(64)
    first.add(real[:70])
    arrays = np.array(first.mean), np.array(first.scatter)
    for array in arrays:
        array.flags.writeable = False
    resumed = RunningStatistics(first.count, *arrays)
    resumed.add(real[70:])
    _assert_same(resumed.statistics(), feature_statistics(real))


def test_gaussians_with_diagonal_covariances_have_the_closed_form() -> None:
    first = FeatureStatistics(np.array([1.0, 2.0, 3.0]), np.diag([1.0, 4.0, 9.0]))
    second = FeatureStatistics(np.array([1.0, 0.0, 6.0]), np.diag([4.0, 4.0, 0.0]))
    # squared differences of means, then of standard deviations
    for one, other in ((first, second), (second, first)):
        np.testing.assert_allclose(frechet_distance(one, other), (0 + 4 + 9) + (1 + 0 + 9), rtol=1e-12)


def test_a_scaled_covariance_has_the_closed_form(real: np.ndarray) -> None:
    covariance = feature_statistics(real).covariance
    mean = np.zeros(len(covariance))
    distance = frechet_distance(FeatureStatistics(mean, covariance), FeatureStatistics(mean, 9 * covariance))
    np.testing.assert_allclose(distance, (3 - 1) ** 2 * np.trace(covariance), rtol=1e-9)


def test_equal_images_are_as_far_apart_as_their_means() -> None:
    distance = _distance(np.full([5, 3], 2.0), np.full([4, 3], 4.0))
    np.testing.assert_allclose(distance, 3 * 2.0**2, rtol=1e-12)


@pytest.mark.parametrize("count", [300, 20])  # 20 samples of 64 features: a singular covariance
def test_identical_sets_are_at_zero(real: np.ndarray, count: int) -> None:
    distance = _distance(real[:count], real[:count])
    assert 0 <= distance < 1e-10 * np.trace(feature_statistics(real).covariance)


def test_rounding_makes_no_distance_negative() -> None:
    random = np.random.default_rng(0)
    sets = [random.normal(size=[count, 12]) for count in range(2, 40)]
    assert min(_distance(features, features) for features in sets) >= 0


def test_fewer_samples_than_features_lose_no_digits(real: np.ndarray, fake: np.ndarray) -> None:
    # The trace of the root is the sum of the singular values of the product of the centred sets themselves.
    real, fake = real[:20].astype(np.float64), fake[:20].astype(np.float64)
    first, second = real - real.mean(axis=0), fake - fake.mean(axis=0)
    root = np.sum(np.linalg.svd(first @ second.T, compute_uv=False))
    means = np.sum((real.mean(axis=0) - fake.mean(axis=0)) ** 2)
    expected = means + (np.sum(first**2) + np.sum(second**2) - 2 * root) / 19
    np.testing.assert_allclose(_distance(real, fake), expected, rtol=1e-9)


def test_a_shift_of_the_mean_adds_its_square(real: np.ndarray) -> None:
    shift = np.linspace(-1, 1, real.shape[1])
    np.testing.assert_allclose(_distance(real, real.astype(np.float64) + shift), np.sum(shift**2), rtol=1e-6)


def test_is_symmetric(real: np.ndarray, fake: np.ndarray) -> None:
    np.testing.assert_allclose(_distance(real, fake), _distance(fake, real), rtol=1e-9)


def test_unfit_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Received: shape=\(1, 4\)"):
        feature_statistics(np.zeros([1, 4]))
    with pytest.raises(ValueError, match=r"same dimension"):
        frechet_distance(feature_statistics(np.zeros([5, 4])), feature_statistics(np.zeros([5, 3])))
    running = RunningStatistics.empty(4)
    for shape in ([5, 3], [4]):
        with pytest.raises(ValueError, match=r"features must be \[n, 4\]. Received"):
            running.add(np.zeros(shape))
    running.add(np.zeros([1, 4]))
    with pytest.raises(ValueError, match=r"Received: count=1"):
        running.statistics()
    with pytest.raises(ValueError, match=r"same dimension"):
        running.merge(RunningStatistics.empty(3))


def _assert_same(got: FeatureStatistics, want: FeatureStatistics) -> None:
    np.testing.assert_allclose(got.mean, want.mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(got.covariance, want.covariance, rtol=1e-9, atol=1e-11)
