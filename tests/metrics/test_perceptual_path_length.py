"""Path lengths against the published program, with the stand-in networks that its reference numbers were made with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.metrics.perceptual_path_length import path_distances, path_points, perceptual_images, trimmed_mean


@pytest.mark.parametrize("space", ["z", "w"])
@pytest.mark.parametrize("crop", [False, True])
def test_matches_stylegan2_ada(metrics: Any, channels_last: Callable[..., np.ndarray], space: str, crop: bool) -> None:
    inputs, config = metrics.inputs, metrics.config
    prefix = f"ppl_{space}_crop{crop:d}/"
    expected = {key[len(prefix) :]: value for key, value in metrics.outputs.items() if key.startswith(prefix)}
    ends = inputs[f"{space}0"], inputs[f"{space}1"]
    points = path_points(*ends, inputs["t"], config["ppl_epsilon"], space)
    np.testing.assert_allclose(np.concatenate(points), expected["ws"], atol=1e-6)

    features, shown = [], []
    for ws in points:
        brightness = 0.1 * ws.mean(axis=tuple(range(1, ws.ndim)))
        images = channels_last(inputs["ppl_img"]) + brightness[:, None, None, None]
        shown.append(perceptual_images(images, crop).numpy())
        features.append(shown[-1].mean(axis=(1, 2), dtype=np.float64) / config["vgg_div"])
    means = np.concatenate(shown).mean(axis=(1, 2), dtype=np.float64)
    np.testing.assert_allclose(means, expected["vgg_in_mean"], rtol=1e-5)
    if "vgg_in_first" in expected:
        np.testing.assert_allclose(shown[0][:1], channels_last(expected["vgg_in_first"]), atol=1e-3)
    distances = path_distances(*features, config["ppl_epsilon"])
    np.testing.assert_allclose(distances, expected["dist"], rtol=1e-2)


def test_points_in_z_match_stylegan2_ada(metrics: Any) -> None:
    inputs = metrics.inputs
    points = path_points(inputs["z0"], inputs["z1"], inputs["t"], metrics.config["epsilon"], "z")
    for got, name in zip(points, ["slerp_t", "slerp_t_eps"], strict=True):
        np.testing.assert_allclose(got, metrics.outputs[name], atol=2e-7)
        assert got.dtype == np.float32


def test_points_in_z_divide_the_arc() -> None:
    first, second = np.array([[3.0, 0.0, 0.0]] * 3), np.array([[0.0, 0.0, 0.2]] * 3)
    t = np.array([0.0, 1 / 3, 0.5])
    got, _ = path_points(first, second, t, 1e-4, "z")
    np.testing.assert_allclose(got, np.stack([np.cos(t * np.pi / 2), 0 * t, np.sin(t * np.pi / 2)], axis=1), atol=1e-7)


def test_equal_ends_are_the_whole_path() -> None:
    z = np.array([[3.0, 4.0], [-1.0, 0.0]])
    for points in path_points(z, z, np.array([0.2, 0.9]), 1e-4, "z"):
        np.testing.assert_allclose(points, [[0.6, 0.8], [-1.0, 0.0]], atol=1e-7)


def test_filtered_mean_matches_stylegan2_ada(metrics: Any) -> None:
    distances, outputs = metrics.inputs["dists"], metrics.outputs
    np.testing.assert_allclose(trimmed_mean(distances), outputs["ppl_filtered_mean"], rtol=1e-6)
    inside = distances[(distances >= outputs["ppl_lo"]) & (distances <= outputs["ppl_hi"])]
    np.testing.assert_allclose(trimmed_mean(distances), np.mean(inside, dtype=np.float64), rtol=1e-12)


def test_filtered_mean_leaves_out_the_extremes_only_where_there_are_enough() -> None:
    # With 1000 values nine at each end are beyond the percentiles, rounded outwards.
    middle = np.arange(982.0)
    assert trimmed_mean(np.concatenate([np.full(9, -1e9), middle, np.full(9, 1e12)])) == np.mean(middle)
    assert trimmed_mean(np.array([1.0, 2.0, 30.0])) == 11.0
    assert trimmed_mean(np.array([4.0])) == 4.0


@pytest.mark.parametrize(
    ("size", "crop", "expected"),
    [
        ((64, 48), False, (64, 48)),
        ((256, 256), False, (256, 256)),
        ((768, 512), False, (256, 170)),
        ((64, 64), True, (32, 32)),
        ((64, 48), True, (32, 32)),
        ((1024, 1024), True, (128, 128)),
    ],
)
def test_sizes(size: tuple[int, int], crop: bool, expected: tuple[int, int]) -> None:
    images = np.zeros([1, size[0], 510 if expected[1] == 170 else size[1], 1], np.float32)
    assert perceptual_images(images, crop).shape == (1, *expected, 1)


def test_crop_is_rows_3_to_7_and_columns_2_to_6_of_eight() -> None:
    rows, columns = np.meshgrid(np.arange(16), np.arange(16), indexing="ij")
    shown = perceptual_images(np.stack([rows, columns], axis=-1)[None] / 127.5 - 1, crop=True).numpy()[0]
    np.testing.assert_allclose(shown[:, 0, 0], np.arange(6, 14), atol=1e-4)
    np.testing.assert_allclose(shown[0, :, 1], np.arange(4, 12), atol=1e-4)


@pytest.mark.parametrize(("shape", "crop"), [((1, 12, 12, 3), True), ((1, 64, 40, 3), True), ((1, 768, 512, 3), False)])
def test_sizes_that_do_not_divide_are_refused(shape: tuple[int, ...], crop: bool) -> None:
    with pytest.raises(ValueError, match=f"Received: {shape[1]}x{shape[2]}"):
        perceptual_images(np.zeros(shape, np.float32), crop)


def test_run_inside_a_function_with_any_batch_in_half_precision() -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, 512, 512, 3], tf.bfloat16)] * 2, autograph=False)
    def distances(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        return path_distances(perceptual_images(first), perceptual_images(second), 0.5)

    images = tf.zeros([2, 512, 512, 3], tf.bfloat16)
    got = distances(images, images + 1.0)
    assert got.dtype == tf.float32
    np.testing.assert_allclose(got, [127.5**2 * 256 * 256 * 3 / 0.25] * 2, rtol=1e-5)


def test_unfit_paths_are_refused() -> None:
    z, t = np.ones([2, 4]), np.zeros(2)
    with pytest.raises(ValueError, match="Received: space='v'"):
        path_points(z, z, t, 1e-4, "v")
    for arguments in ((z, z[:1], t), (z, z, t[:1]), (z, z, t[:, None])):
        with pytest.raises(ValueError, match="Received: "):
            path_points(*arguments, 1e-4, "w")
    for distances in (np.zeros([0]), np.zeros([2, 2])):
        with pytest.raises(ValueError, match="distances must be"):
            trimmed_mean(distances)
