"""Precision, recall, density and coverage against published implementations and against loops over pairs."""

import pathlib
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stylegan_tf.metrics import precision_recall as module
from stylegan_tf.metrics.precision_recall import density_coverage, precision_recall


@pytest.mark.parametrize("name", ["", "_torchfidelity"])
def test_precision_and_recall_match_published_programs(
    metrics: Any, real: np.ndarray, fake: np.ndarray, name: str
) -> None:
    precision, recall = precision_recall(real, fake)
    assert round(precision * len(fake)) == round(float(metrics.outputs[f"precision{name}"]) * len(fake))
    assert round(recall * len(real)) == round(float(metrics.outputs[f"recall{name}"]) * len(real))


def _radius(point: int, features: np.ndarray, neighbours: int) -> float:
    others = np.delete(features, point, axis=0)
    return np.sort(np.linalg.norm(others - features[point], axis=1))[neighbours - 1]


@pytest.mark.parametrize("neighbours", [1, 5])
def test_match_loops_over_pairs(neighbours: int) -> None:
    random = np.random.default_rng(neighbours)
    real, fake = random.normal(size=[40, 6]), random.normal(size=[30, 6]) + 0.5
    # in_real[i, j]: whether the ball of real i holds fake j; in_fake[j, i]: the other way round.
    in_real = np.array([np.linalg.norm(fake - x, axis=1) < _radius(i, real, neighbours) for i, x in enumerate(real)])
    in_fake = np.array([np.linalg.norm(real - y, axis=1) < _radius(j, fake, neighbours) for j, y in enumerate(fake)])
    expected = np.mean(in_real.any(axis=0)), np.mean(in_fake.any(axis=0))
    np.testing.assert_allclose(precision_recall(real, fake, neighbours), expected, rtol=1e-12)
    expected = np.sum(in_real) / (neighbours * 30), np.mean(in_real.any(axis=1))
    np.testing.assert_allclose(density_coverage(real, fake, neighbours), expected, rtol=1e-12)
    assert 0.1 < expected[1] < 0.9  # neither everything nor nothing


def test_points_on_a_line() -> None:
    real, fake = np.array([[0.0], [1.0], [3.0], [7.0]]), np.array([[2.0], [11.5], [12.0]])
    # Balls with k = 1: around 0 and 1 of radius 1, around 3 of radius 2, around 7 of radius 4: up to 11. Their
    # surfaces touch 2.0. Around the fakes: 9.5, 0.5, 0.5.
    assert precision_recall(real, fake, 1) == (1 / 3, 1.0)
    assert density_coverage(real, fake, 1) == (1 / 3, 1 / 4)
    # The surface alone: in for precision, out for density.
    assert precision_recall(real[:2], np.array([[2.0], [30.0]]), 1) == (0.5, 1.0)
    assert density_coverage(real[:2], np.array([[2.0]]), 1) == (0.0, 0.0)


def test_a_set_against_itself(real: np.ndarray) -> None:
    assert precision_recall(real, real) == (1.0, 1.0)
    assert density_coverage(real, real) == (1.0, 1.0)


def test_far_sets_have_nothing_in_common(real: np.ndarray, fake: np.ndarray) -> None:
    assert precision_recall(real, fake + 100) == (0.0, 0.0)
    assert density_coverage(real, fake + 100) == (0.0, 0.0)


def test_copies_of_few_images_are_precise_and_recall_only_these(real: np.ndarray) -> None:
    copies = np.repeat(real[:30], 10, axis=0)
    assert precision_recall(real, copies) == (1.0, 30 / 300)


def test_nothing_is_inside_balls_of_no_size() -> None:
    copies = np.repeat(np.random.default_rng(0).normal(1000.0, size=[30, 64]), 6, axis=0)
    assert density_coverage(copies, copies) == (0.0, 0.0)
    # On their surface is what is equal to them.
    assert precision_recall(copies, copies[::6]) == (1.0, 1.0)


def test_surfaces_are_in_for_precision_and_out_for_density_whatever_the_rounding() -> None:
    random = np.random.default_rng(0)
    centres = 50.0 * np.eye(100)
    steps = random.normal(size=[100, 100])
    real = np.concatenate([centres, centres + steps])  # of each pair, one is the other's neighbour
    assert precision_recall(real, centres - steps, 1)[0] == 1.0
    assert density_coverage(real, centres - steps, 1) == (0.0, 0.0)


@pytest.mark.parametrize("rows", [3, 64, 149])
def test_blocks_change_nothing(real: np.ndarray, fake: np.ndarray, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = precision_recall(real[:150], fake[:100]), density_coverage(real[:150], fake[:100])
    itself = density_coverage(real[:150], real[:150])
    monkeypatch.setattr(module, "_BLOCK_ROWS", rows)
    assert expected == (precision_recall(real[:150], fake[:100]), density_coverage(real[:150], fake[:100]))
    assert itself == density_coverage(real[:150], real[:150])


def test_memory_mapped_sets_are_read_in_parts(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(0).normal(size=[2, 1000, 32]).astype(np.float32)
    features.tofile(tmp_path / "features")
    real, fake = np.memmap(tmp_path / "features", np.float32, "r", shape=features.shape)
    monkeypatch.setattr(module, "_BLOCK_ROWS", 64)
    tracemalloc.start()
    values = precision_recall(real, fake), density_coverage(real, fake)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    monkeypatch.undo()
    assert values == (precision_recall(*features), density_coverage(*features))
    assert peak < 400_000  # all pairs in float64 take 8,000,000 bytes


@pytest.mark.parametrize("function", [precision_recall, density_coverage])
@pytest.mark.parametrize(
    ("real_shape", "fake_shape", "neighbours"),
    [((9, 3), (9, 4), 3), ((9,), (9,), 3), ((3, 4), (9, 4), 3), ((9, 4), (9, 4), 0)],
)
def test_unfit_input_is_refused(
    function: Callable[..., Any], real_shape: tuple[int, ...], fake_shape: tuple[int, ...], neighbours: int
) -> None:
    with pytest.raises(ValueError, match="Received: "):
        function(np.zeros(real_shape), np.zeros(fake_shape), neighbours)


def test_recall_needs_neighbours_among_the_fakes_and_coverage_does_not() -> None:
    real, fake = np.zeros([9, 4]), np.zeros([3, 4])
    with pytest.raises(ValueError, match="Received: 9 and 3"):
        precision_recall(real, fake)
    density_coverage(real, fake)
    with pytest.raises(ValueError, match="Received: 9 and 0"):
        density_coverage(real, fake[:0])
