"""What all metrics must do on real images, whatever the features: here a seeded random network's.

Real sets are nearest to themselves; blur, noise, missing kinds of images and repeated images are seen, and more of them
more.
"""

import itertools
import pathlib
from collections.abc import Callable

import numpy as np
import pytest

import stylegan_tf.data
from stylegan_tf.metrics.frechet_distance import feature_statistics, frechet_distance
from stylegan_tf.metrics.inception_score import inception_score
from stylegan_tf.metrics.kernel_distance import kernel_distance, kernel_distance_subsets
from stylegan_tf.metrics.ms_ssim import ms_ssim
from stylegan_tf.metrics.precision_recall import density_coverage, precision_recall
from stylegan_tf.metrics.sliced_wasserstein import laplacian_pyramid, sliced_wasserstein

COUNT = 600


@pytest.fixture(scope="module")
def portraits() -> tuple[np.ndarray, np.ndarray]:
    """Images in random order, and which of three artists drew them."""
    with np.load(pathlib.Path(stylegan_tf.data.__file__).with_name("portraits.npz")) as file:
        order = np.random.default_rng(0).permutation(len(file["images"]))
        return file["images"][order], file["labels"][order]


@pytest.fixture(scope="module")
def real(portraits: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return portraits[0][:COUNT]


@pytest.fixture(scope="module")
def held_out(portraits: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """What a perfect generator would make: other images of the same kind."""
    return portraits[0][COUNT : 2 * COUNT]


def _features(images: np.ndarray) -> np.ndarray:
    """Random projections of details and of a coarse image, through a nonlinearity: float32 `[N, 64]`."""
    details, coarse = (level.reshape(len(level), -1) for level in laplacian_pyramid(images))
    random = np.random.default_rng(1)
    projections = [
        values @ random.normal(size=[values.shape[1], 32]) / (scale * np.sqrt(values.shape[1]))
        for values, scale in ((details, 10.0), (coarse - 160.0, 60.0))
    ]
    return np.tanh(np.concatenate(projections, axis=1)).astype(np.float32)


def _blurred(images: np.ndarray, times: int) -> np.ndarray:
    blurred = images.astype(np.float64)
    for _ in range(times):
        blurred = sum(np.roll(blurred, (dy, dx), axis=(1, 2)) for dy in (0, 1) for dx in (0, 1)) / 4
    return np.round(blurred).astype(np.uint8)


def _noisy(images: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(2).normal(scale=deviation, size=images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def _frechet(real: np.ndarray, fake: np.ndarray) -> float:
    return frechet_distance(feature_statistics(_features(real)), feature_statistics(_features(fake)))


def _kernel(real: np.ndarray, fake: np.ndarray) -> float:
    return kernel_distance(_features(real), _features(fake))


def _sliced_by_level(real: np.ndarray, fake: np.ndarray) -> dict[int, float]:
    return sliced_wasserstein([real], [fake], 300, patches_per_image=16, direction_sets=1, directions_per_set=32)


def _sliced(real: np.ndarray, fake: np.ndarray) -> float:
    return float(np.mean(list(_sliced_by_level(real, fake).values())))


DISTANCES = pytest.mark.parametrize("distance", [_frechet, _kernel, _sliced])
Distance = Callable[[np.ndarray, np.ndarray], float]


@pytest.mark.slow
def test_a_set_is_at_no_distance_from_itself(real: np.ndarray) -> None:
    features = _features(real)
    assert _frechet(real, real) < 1e-9
    assert abs(_kernel(real, real)) < 0.01  # unbiased: not exactly 0
    assert precision_recall(features, features) == (1.0, 1.0)
    assert density_coverage(features, features) == (1.0, 1.0)
    np.testing.assert_allclose(ms_ssim(real, real), 1.0, rtol=1e-9)


@DISTANCES
@pytest.mark.slow
def test_distances_grow_with_blur(real: np.ndarray, held_out: np.ndarray, distance: Distance) -> None:
    _assert_grow([distance(real, _blurred(held_out, times)) for times in (0, 1, 2, 4)])


@DISTANCES
@pytest.mark.slow
def test_distances_grow_with_noise(real: np.ndarray, held_out: np.ndarray, distance: Distance) -> None:
    _assert_grow([distance(real, _noisy(held_out, deviation)) for deviation in (0, 15, 30, 60)])


@DISTANCES
@pytest.mark.slow
def test_distances_grow_where_kinds_of_images_are_missing(
    portraits: tuple[np.ndarray, np.ndarray], real: np.ndarray, distance: Distance
) -> None:
    images, artists = portraits[0][COUNT:], portraits[1][COUNT:]
    sets = [images[artists >= fewest][:500] for fewest in (0, 1, 2)]
    _assert_grow([distance(real[:500], kinds) for kinds in sets])


@DISTANCES
@pytest.mark.slow
def test_distances_grow_where_images_repeat(real: np.ndarray, held_out: np.ndarray, distance: Distance) -> None:
    _assert_grow([distance(real, np.resize(held_out[:distinct], real.shape)) for distinct in (600, 60, 15)])


def test_blur_costs_precision_and_repeats_cost_recall_and_coverage(real: np.ndarray, held_out: np.ndarray) -> None:
    features = _features(real)
    good, blurred = _features(held_out), _features(_blurred(held_out, 4))
    repeated = _features(np.resize(held_out[:20], real.shape))
    precision, recall = precision_recall(features, good)
    density, coverage = density_coverage(features, good)
    assert precision > 0.5 and recall > 0.5 and 0.7 < density < 1.3 and coverage > 0.8
    assert precision_recall(features, blurred)[0] < 0.7 * precision
    assert density_coverage(features, blurred)[0] < 0.85 * density
    assert precision_recall(features, repeated)[1] < 0.2 * recall
    assert density_coverage(features, repeated)[1] < 0.5 * coverage


def test_a_classifier_scores_sure_and_even_sets_higher() -> None:
    random = np.random.default_rng(0)

    def score(kinds: int, sureness: float) -> float:
        logits = sureness * np.eye(10)[random.integers(kinds, size=2000)] + random.normal(size=[2000, 10])
        return inception_score(np.exp(logits) / np.sum(np.exp(logits), axis=1, keepdims=True))[0]

    _assert_grow([score(10, sureness) for sureness in (0, 3, 6, 12)])
    _assert_grow([score(kinds, 8) for kinds in (1, 3, 6, 10)])


def test_pairs_of_repeated_images_are_more_similar(real: np.ndarray) -> None:
    def similarity(distinct: int) -> float:
        images = np.resize(real[:distinct], real.shape)
        order = np.random.default_rng(0).permutation(len(images))
        return float(np.mean(ms_ssim(images[order[::2]], images[order[1::2]])))

    _assert_grow([similarity(distinct) for distinct in (600, 10, 3, 1)])


def test_the_level_of_a_distance_tells_the_size_of_what_is_wrong(real: np.ndarray, held_out: np.ndarray) -> None:
    # One pixel's noise is gone at half the resolution.
    clean, noisy = (_sliced_by_level(real, fake) for fake in (held_out, _noisy(held_out, 20)))
    assert noisy[32] / clean[32] > 1.5 * noisy[16] / clean[16]


def test_match_torch_fidelity_on_the_same_features(real: np.ndarray, held_out: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    frechet, kernel, neighbours = (
        pytest.importorskip(f"torch_fidelity.metric_{name}", exc_type=ImportError) for name in ("fid", "kid", "prc")
    )
    real_features, fake_features = _features(real), _features(held_out)
    # torch-fidelity takes the generated set first.
    sets = torch.from_numpy(fake_features).double(), torch.from_numpy(real_features).double()
    statistics = [frechet.fid_features_to_statistics(features) for features in sets]
    expected = frechet.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    np.testing.assert_allclose(_frechet(real, held_out), expected, rtol=1e-6)
    found = kernel.kid_features_to_metric(*sets, kid_subsets=10, kid_subset_size=200, rng_seed=3, verbose=False)
    expected = found["kernel_inception_distance_mean"], found["kernel_inception_distance_std"]
    np.testing.assert_allclose(kernel_distance_subsets(real_features, fake_features, 10, 200, 3), expected, rtol=1e-6)
    found = neighbours.prc_features_to_metric(*sets, verbose=False)
    np.testing.assert_allclose(
        precision_recall(real_features, fake_features), (found["precision"], found["recall"]), rtol=1e-6
    )


def test_match_prdc_on_the_same_features(real: np.ndarray, held_out: np.ndarray) -> None:
    prdc = pytest.importorskip("prdc")
    features = _features(real), _features(held_out)
    found = prdc.compute_prdc(*features, nearest_k=5)
    assert precision_recall(*features, neighbours=5) == (found["precision"], found["recall"])
    np.testing.assert_allclose(density_coverage(*features), (found["density"], found["coverage"]), rtol=1e-12)


def _assert_grow(values: list[float]) -> None:
    assert all(larger > 1.02 * smaller for smaller, larger in itertools.pairwise(values)), values
