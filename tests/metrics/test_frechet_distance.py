"""The Frechet distance against published implementations and closed forms.

test_kernel_distance.py says where the reference numbers come from.
"""

import pathlib

import numpy as np
import pytest

from stylegan_tf.metrics.frechet_distance import FeatureStatistics, feature_statistics, frechet_distance

_REFERENCE = np.load(pathlib.Path(__file__).with_name("reference_metrics.npz"))
_REAL, _FAKE = _REFERENCE["in/feat_real"], _REFERENCE["in/feat_gen"]


def _distance(real: np.ndarray, fake: np.ndarray, ddof: int = 1) -> float:
    return frechet_distance(feature_statistics(real, ddof), feature_statistics(fake, ddof))


def test_matches_stylegan2_ada() -> None:
    np.testing.assert_allclose(_distance(_REAL, _FAKE, ddof=0), _REFERENCE["out/fid_sg2ada"], rtol=1e-6)


def test_matches_stylegan() -> None:
    count = min(len(_REAL), len(_FAKE))
    distance = _distance(_REAL[:count], _FAKE[:count])
    np.testing.assert_allclose(distance, _REFERENCE["out/fid_sg1_firstN"], rtol=1e-6)


@pytest.mark.parametrize("name", ["fid_cleanfid", "fid_torchfidelity"])
def test_matches_other_implementations(name: str) -> None:
    np.testing.assert_allclose(_distance(_REAL, _FAKE), _REFERENCE[f"out/{name}"], rtol=1e-6)


def test_statistics_match_numpy() -> None:
    for ddof in (0, 1):
        statistics = feature_statistics(_REAL, ddof)
        np.testing.assert_allclose(statistics.mean, _REAL.mean(axis=0, dtype=np.float64), rtol=1e-12)
        np.testing.assert_allclose(
            statistics.covariance,
            np.cov(_REAL.astype(np.float64), rowvar=False, ddof=ddof),
            rtol=1e-9,
            atol=1e-12,
        )


def test_gaussians_with_diagonal_covariances_have_the_closed_form() -> None:
    first = FeatureStatistics(np.array([1.0, 2.0, 3.0]), np.diag([1.0, 4.0, 9.0]))
    second = FeatureStatistics(np.array([1.0, 0.0, 6.0]), np.diag([4.0, 4.0, 0.0]))
    # squared differences of means, then of standard deviations
    np.testing.assert_allclose(frechet_distance(first, second), (0 + 4 + 9) + (1 + 0 + 9), rtol=1e-12)


def test_one_dimension_and_a_scaled_covariance_have_the_closed_form() -> None:
    covariance = feature_statistics(_REAL).covariance
    mean = np.zeros(len(covariance))
    distance = frechet_distance(FeatureStatistics(mean, covariance), FeatureStatistics(mean, 9 * covariance))
    np.testing.assert_allclose(distance, (3 - 1) ** 2 * np.trace(covariance), rtol=1e-9)


@pytest.mark.parametrize("count", [300, 20])  # 20 samples of 64 features: a singular covariance
def test_identical_sets_are_at_zero(count: int) -> None:
    assert abs(_distance(_REAL[:count], _REAL[:count])) < 1e-5 * np.trace(
        feature_statistics(_REAL).covariance
    )


def test_a_shift_of_the_mean_adds_its_square() -> None:
    shift = np.linspace(-1, 1, _REAL.shape[1])
    np.testing.assert_allclose(
        _distance(_REAL, _REAL.astype(np.float64) + shift), np.sum(shift**2), rtol=1e-6
    )


def test_is_symmetric() -> None:
    np.testing.assert_allclose(_distance(_REAL, _FAKE), _distance(_FAKE, _REAL), rtol=1e-9)


def test_unfit_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Received: shape=\(1, 4\)"):
        feature_statistics(np.zeros([1, 4]))
    with pytest.raises(ValueError, match=r"same dimension"):
        frechet_distance(feature_statistics(np.zeros([5, 4])), feature_statistics(np.zeros([5, 3])))
