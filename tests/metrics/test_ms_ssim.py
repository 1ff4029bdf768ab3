"""Multi-scale structural similarity against the published program, and windows written out one by one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stylegan_tf.metrics.ms_ssim import ms_ssim, structural_similarity


@pytest.fixture(scope="module")
def metrics(reference: Callable[[str], Any]) -> Any:
    return reference("metrics_msssim")


@pytest.mark.parametrize("pairs", ["p32", "p64"])
def test_matches_progressive_growing(metrics: Any, pairs: str) -> None:
    first, second = metrics.inputs[f"{pairs}_a"], metrics.inputs[f"{pairs}_b"]
    similarities = ms_ssim(first, second)
    np.testing.assert_allclose(similarities, metrics.outputs[f"{pairs}/msssim_each"], rtol=1e-5)
    np.testing.assert_allclose(similarities.mean(), metrics.outputs[f"{pairs}/msssim"], rtol=1e-5)
    np.testing.assert_allclose(similarities.mean(), metrics.outputs[f"{pairs}/api_interleaved"][0], rtol=1e-5)


@pytest.mark.parametrize("pairs", ["p32", "p64"])
def test_one_scale_matches_progressive_growing(metrics: Any, pairs: str) -> None:
    first, second = (metrics.inputs[f"{pairs}_{name}"].astype(np.float64) for name in "ab")
    whole, structure = structural_similarity(first, second)
    np.testing.assert_allclose(whole, metrics.outputs[f"{pairs}/ssim_scale0"], rtol=1e-5)
    np.testing.assert_allclose(structure, metrics.outputs[f"{pairs}/cs_scale0"], rtol=1e-5)


def test_one_scale_matches_windows_one_by_one() -> None:
    first, second = np.random.default_rng(0).uniform(0, 255, size=[2, 1, 13, 12, 2])
    square = np.square(np.arange(11) - 5.0)
    window = np.exp(-(square[:, None] + square) / (2 * 1.5**2))
    window = (window / window.sum())[:, :, None]
    similarities = []
    for y in range(3):
        for x in range(2):
            a, b = first[0, y : y + 11, x : x + 11], second[0, y : y + 11, x : x + 11]
            mean_a, mean_b = np.sum(window * a, axis=(0, 1)), np.sum(window * b, axis=(0, 1))
            variances = [np.sum(window * (v - m) ** 2, axis=(0, 1)) for v, m in ((a, mean_a), (b, mean_b))]
            covariance = np.sum(window * (a - mean_a) * (b - mean_b), axis=(0, 1))
            luminance = (2 * mean_a * mean_b + 2.55**2) / (mean_a**2 + mean_b**2 + 2.55**2)
            similarities.append(luminance * (2 * covariance + 7.65**2) / (sum(variances) + 7.65**2))
    np.testing.assert_allclose(structural_similarity(first, second)[0], [np.mean(similarities)], rtol=1e-9)


def _images(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=[count, height, width, 3], dtype=np.uint8)


@pytest.mark.parametrize("size", [(16, 16), (32, 48), (40, 24), (50, 37)])  # the last two have odd sides at some scale
def test_equal_images_are_wholly_similar(size: tuple[int, int]) -> None:
    images = _images(3, *size)
    np.testing.assert_allclose(ms_ssim(images, images), 1.0, rtol=1e-9)


def test_unrelated_images_are_not() -> None:
    assert np.all(ms_ssim(_images(5, 64, 64), _images(5, 64, 64, seed=1)) < 0.2)


def test_opposite_images_count_as_zero() -> None:
    images = _images(2, 64, 64)
    np.testing.assert_array_equal(ms_ssim(images, 255 - images), 0.0)


def test_pairs_do_not_depend_on_each_other(metrics: Any) -> None:
    first, second = metrics.inputs["p32_a"], metrics.inputs["p32_b"]
    np.testing.assert_allclose(ms_ssim(first[3:5], second[3:5]), ms_ssim(first, second)[3:5], rtol=1e-12)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.zeros([1, 15, 32, 3], np.uint8), np.zeros([1, 15, 32, 3], np.uint8)),
        (np.zeros([1, 32, 32, 3], np.uint8), np.zeros([2, 32, 32, 3], np.uint8)),
        (np.zeros([1, 32, 32, 3], np.float32), np.zeros([1, 32, 32, 3], np.uint8)),
        (np.zeros([32, 32, 3], np.uint8), np.zeros([32, 32, 3], np.uint8)),
    ],
)
def test_unfit_images_are_refused(first: np.ndarray, second: np.ndarray) -> None:
    with pytest.raises(ValueError, match="Both sets must be uint8 .* Received: "):
        ms_ssim(first, second)
