"""The sliced Wasserstein distance against the published program, and its parts against closed forms."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from stylegan_tf.metrics.sliced_wasserstein import (
    cut_patches,
    expand_by_two,
    laplacian_pyramid,
    normalize_patches,
    projected_distance,
    random_directions,
    reduce_by_two,
    sliced_wasserstein,
)


@pytest.fixture(scope="module")
def metrics(reference: Callable[[str], Any]) -> Any:
    return reference("metrics_swd")


@pytest.fixture(scope="module")
def sets(metrics: Any, channels_last: Callable[..., np.ndarray]) -> dict[str, np.ndarray]:
    return {name: channels_last(images) for name, images in metrics.inputs.items() if images.dtype == np.uint8}


def _batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(images), size):
        yield images[start : start + size]


def _distances(sets: dict[str, np.ndarray], case: dict[str, Any], batch_size: int = 64) -> dict[int, float]:
    return sliced_wasserstein(
        _batches(sets[case["a"]], batch_size),
        _batches(sets[case["b"]], batch_size),
        num_images=64,
        patches_per_image=case["nhoods_per_image"],
        direction_sets=case["dir_repeats"],
        directions_per_set=case["dirs_per_repeat"],
        draw_size=case["mb"],
        seed=case["seed"],
    )


@pytest.mark.parametrize("name", ["r32_small", "r32_default", "r64_small", "r64_default"])
@pytest.mark.slow
def test_matches_progressive_growing(metrics: Any, sets: dict[str, np.ndarray], name: str) -> None:
    distances = _distances(sets, metrics.config["cases"][name])
    assert list(distances) == metrics.outputs[f"{name}/resolutions"].tolist()
    got = [*distances.values(), np.mean(list(distances.values()))]
    np.testing.assert_allclose(got, metrics.outputs[f"{name}/swd_x1e3"], rtol=1e-4)


@pytest.mark.parametrize("name", ["r32_small", "r64_small"])
def test_given_places_and_directions_match_progressive_growing(
    metrics: Any, sets: dict[str, np.ndarray], name: str
) -> None:
    case, outputs = metrics.config["cases"][name], metrics.outputs
    pyramids = {"real": laplacian_pyramid(sets[case["a"]]), "fake": laplacian_pyramid(sets[case["b"]])}
    for level, expected in enumerate(outputs[f"{name}/swd_x1e3"][:-1]):
        patches = []
        for which, pyramid in pyramids.items():
            # Widened first: small unsigned numbers would wrap around.
            places = outputs[f"{name}/pos_{which}_level{level}"].astype(np.int64)
            patches.append(cut_patches(pyramid[level], places))
            normalize_patches(patches[-1])
        raw = outputs[f"{name}/dirs_level{level}"]
        distances = [projected_distance(*patches, drawn / np.linalg.norm(drawn, axis=0)) for drawn in raw]
        np.testing.assert_allclose(1000 * np.mean(distances), expected, rtol=1e-4)


def test_pyramid_matches_progressive_growing(
    metrics: Any, sets: dict[str, np.ndarray], channels_last: Callable[..., np.ndarray]
) -> None:
    images = sets[metrics.config["pyr"]][:1].astype(np.float32)
    levels = laplacian_pyramid(images)
    assert len(levels) == 3
    for number, level in enumerate(levels):
        np.testing.assert_allclose(level, channels_last(metrics.outputs[f"pyramid/level{number}"]), atol=1e-3)
    np.testing.assert_allclose(reduce_by_two(images), channels_last(metrics.outputs["pyr_down"]), rtol=1e-5)
    # one channel of it
    np.testing.assert_allclose(expand_by_two(images)[..., :1], channels_last(metrics.outputs["pyr_up"]), rtol=1e-5)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((64, 64), [64, 32, 16]), ((64, 32), [64, 32]), ((50, 70), [50, 25]), ((31, 31), [31]), ((16, 80), [16])],
)
def test_levels_add_up_to_the_images(size: tuple[int, int], expected: list[int]) -> None:
    images = np.random.default_rng(0).integers(256, size=[2, *size, 3]).astype(np.float32)
    levels = laplacian_pyramid(images)
    assert [level.shape[1] for level in levels] == expected
    whole = levels.pop()
    while levels:
        whole = expand_by_two(whole) + levels.pop()
    np.testing.assert_allclose(whole, images, atol=1e-3)


def test_constant_images_are_their_last_level() -> None:
    *details, rest = laplacian_pyramid(np.full([1, 64, 64, 1], 7.0))
    np.testing.assert_allclose(rest, 7.0, rtol=1e-6)
    assert max(np.abs(level).max() for level in details) < 1e-5


def test_patches_are_ordered_by_channel_x_and_y() -> None:
    channel, y, x = np.meshgrid(np.arange(2), np.arange(20), np.arange(30), indexing="ij")
    level = np.moveaxis(1000 * channel + 100 * x + y, 0, -1)[None].astype(np.float32)
    level = np.concatenate([level, -level])
    patches = cut_patches(level, np.array([[3, 16], [26, 3], [10, 10], [11, 10]])).reshape(4, 2, 7, 7)
    dx, dy = np.meshgrid(np.arange(-3, 4), np.arange(-3, 4), indexing="ij")
    for patch, sign, (at_x, at_y) in zip(patches, [1, 1, -1, -1], [(3, 16), (26, 3), (10, 10), (11, 10)], strict=True):
        np.testing.assert_array_equal(patch, [sign * (1000 * c + 100 * (at_x + dx) + at_y + dy) for c in (0, 1)])


def test_normalized_patches_have_mean_zero_and_deviation_one_by_channel() -> None:
    patches = np.random.default_rng(0).normal(5.0, 3.0, size=[50, 147]).astype(np.float32)
    patches[:, 49:98] = 4.0
    normalize_patches(patches)
    by_channel = patches.reshape(50, 3, 49)
    np.testing.assert_allclose(by_channel.mean(axis=(0, 2)), 0.0, atol=1e-6)
    np.testing.assert_allclose(by_channel.std(axis=(0, 2)), [1, 0, 1], rtol=1e-5)


def test_shifted_sets_are_as_far_apart_as_the_shift_along_each_direction() -> None:
    random = np.random.RandomState(0)
    first = random.randn(1000, 5).astype(np.float32)
    directions = random_directions(5, 40, random)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=0), 1.0, rtol=1e-6)
    shift = np.array([1.0, -2.0, 0.5, 0.0, 3.0], np.float32)
    expected = np.mean(np.abs(shift @ directions))
    np.testing.assert_allclose(projected_distance(first, first[::-1] + shift, directions), expected, rtol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 7, 16, 50])
def test_batches_change_nothing(metrics: Any, sets: dict[str, np.ndarray], batch_size: int) -> None:
    case = metrics.config["cases"]["r32_small"]
    assert _distances(sets, case, batch_size) == _distances(sets, case)


def test_a_seed_repeats_and_another_differs(metrics: Any, sets: dict[str, np.ndarray]) -> None:
    case = metrics.config["cases"]["r32_small"]
    assert _distances(sets, case) == _distances(sets, case) != _distances(sets, {**case, "seed": 5})


def test_grey_images_and_what_exceeds_the_number() -> None:
    images = np.random.default_rng(0).integers(256, size=[2, 30, 32, 16, 1], dtype=np.uint8)
    whole = sliced_wasserstein([images[0]], [images[1]], 20, patches_per_image=8)
    assert list(whole) == [32]
    assert whole == sliced_wasserstein([images[0, :20]], [images[1, :20]], 20, patches_per_image=8)


def test_unfit_images_are_refused() -> None:
    images = np.zeros([4, 32, 32, 3], np.uint8)
    with pytest.raises(ValueError, match="must hold 5 images. Received: 4"):
        sliced_wasserstein([images, images], [images], 5)
    with pytest.raises(ValueError, match="must hold 5 images. Received: 0"):
        sliced_wasserstein([], [images], 5)
    with pytest.raises(ValueError, match="num_images must be at least 1"):
        sliced_wasserstein([images], [images], 0)
    for other in (images[..., :1], images[:, :, :28]):
        with pytest.raises(ValueError, match=r"must have one size. Received: levels of \[\(32, 32, 3\)"):
            sliced_wasserstein([images], [other], 4)
    for unfit in (images[:, :8], images.astype(np.float32), images[0]):
        with pytest.raises(ValueError, match="must be uint8 .* Received: "):
            sliced_wasserstein([unfit], [images], 4)
    with pytest.raises(ValueError, match="of one size"):
        sliced_wasserstein([images[:2], images[:, :16]], [images], 4)
