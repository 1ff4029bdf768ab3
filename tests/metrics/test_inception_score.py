"""The inception score against published implementations and closed forms."""

from typing import Any

import numpy as np
import pytest

from stylegan_tf.metrics.inception_score import RunningInceptionScore, inception_score


@pytest.mark.parametrize("splits", [1, 10])
def test_matches_stylegan2_ada(metrics: Any, splits: int) -> None:
    mean, deviation = inception_score(metrics.outputs["probs"], splits)
    np.testing.assert_allclose(mean, metrics.outputs[f"is_mean_splits{splits}"], rtol=1e-5)
    np.testing.assert_allclose(deviation, metrics.outputs[f"is_std_splits{splits}"], rtol=1e-5)


def test_matches_torch_fidelity(metrics: Any) -> None:
    mean, deviation = inception_score(metrics.outputs["probs"])
    np.testing.assert_allclose(mean, metrics.outputs["is_torchfidelity_splits10"], rtol=1e-5)
    np.testing.assert_allclose(deviation, metrics.outputs["is_torchfidelity_std_splits10"], rtol=1e-5)


def test_sure_of_every_class_scores_their_number_and_no_logarithm_of_zero() -> None:
    with np.errstate(all="raise"):
        np.testing.assert_allclose(inception_score(np.tile(np.eye(5), [4, 1]), splits=4), (5.0, 0.0), atol=1e-12)


def test_equal_rows_score_one() -> None:
    rows = np.tile([0.7, 0.2, 0.1, 0.0], [20, 1])
    np.testing.assert_allclose(inception_score(rows, splits=3), (1.0, 0.0), atol=1e-12)


def test_parts_of_unequal_size_follow_each_other() -> None:
    # 7 rows in 2 parts: 3 of one class, which score 1, and 4 of two, which score 2.
    rows = np.eye(2)[[0, 0, 0, 0, 0, 1, 1]]
    np.testing.assert_allclose(inception_score(rows, splits=2), (1.5, 0.5), atol=1e-12)


@pytest.mark.parametrize("part", [1, 13, 64, 400])
def test_batches_change_nothing(metrics: Any, part: int) -> None:
    probabilities = metrics.outputs["probs"]
    running = RunningInceptionScore(*probabilities.shape, splits=7)
    for start in range(0, len(probabilities), part):
        running.add(probabilities[start : start + part])
    np.testing.assert_allclose(running.score(), inception_score(probabilities, 7), rtol=1e-12)


@pytest.mark.parametrize("splits", [0, 4])
def test_impossible_splits_are_refused(splits: int) -> None:
    with pytest.raises(ValueError, match=f"Received: splits={splits}"):
        inception_score(np.eye(3), splits)


def test_wrong_numbers_of_images_are_refused() -> None:
    running = RunningInceptionScore(4, 3, splits=2)
    running.add(np.eye(3))
    with pytest.raises(ValueError, match="4 images must be added first. Received: 3"):
        running.score()
    with pytest.raises(ValueError, match="No more than 4 images must be added. Received: 6"):
        running.add(np.eye(3))
    with pytest.raises(ValueError, match=r"Received: shape=\(2, 2\)"):
        running.add(np.eye(2))
