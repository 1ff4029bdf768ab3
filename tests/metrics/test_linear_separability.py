"""Linear separability against closed forms."""

import builtins
import re
from typing import Any

import numpy as np
import pytest

from stylegan_tf.invocation import install
from stylegan_tf.metrics.linear_separability import conditional_entropy, linear_separability, separability

_HALF = np.array([False, True])


def _surely(classes: np.ndarray, num_classes: int) -> np.ndarray:
    return 20.0 * np.eye(num_classes)[classes]


def test_labels_that_follow_from_predictions_leave_nothing_unknown() -> None:
    labels = np.repeat(_HALF, [3, 7])
    assert conditional_entropy(labels, labels) == conditional_entropy(labels, ~labels) == 0.0


def test_predictions_that_say_nothing_leave_the_entropy_of_the_labels() -> None:
    labels, predictions = np.tile(_HALF, 10), np.repeat(_HALF, 10)
    np.testing.assert_allclose(conditional_entropy(labels, predictions), np.log(2), rtol=1e-12)
    np.testing.assert_allclose(conditional_entropy(labels, np.ones(20, bool)), np.log(2), rtol=1e-12)


def test_conditional_entropy_has_the_closed_form() -> None:
    # Of four predicted False one is True; of six predicted True all are.
    labels = np.array([False] * 3 + [True] * 7)
    predictions = np.array([False] * 4 + [True] * 6)
    expected = 0.4 * (0.75 * np.log(4 / 3) + 0.25 * np.log(4))
    np.testing.assert_allclose(conditional_entropy(labels, predictions), expected, rtol=1e-12)


def test_entropies_multiply() -> None:
    np.testing.assert_allclose(separability(np.full(3, np.log(2))), 8.0, rtol=1e-12)
    assert separability(np.array([])) == 1.0


def test_classes_in_corners_are_separable() -> None:
    pytest.importorskip("sklearn")
    random = np.random.default_rng(0)
    classes = random.integers(4, size=600)
    corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])[classes]
    latents = corners * 2 + random.uniform(-1, 1, size=[600, 2])
    np.testing.assert_allclose(linear_separability(latents, _surely(classes, 4), keep=1.0), 1.0, atol=1e-12)


def test_latents_that_say_nothing_leave_the_entropies_of_the_classes() -> None:
    pytest.importorskip("sklearn")
    random = np.random.default_rng(0)
    classes = random.integers(2, size=4000)
    # Two classes are two attributes of ln 2 each: 2^2.
    score = linear_separability(random.normal(size=[4000, 3]), _surely(classes, 2))
    np.testing.assert_allclose(score, 4.0, rtol=1e-2)


def test_a_ring_around_a_class_cannot_be_separated_by_a_plane() -> None:
    pytest.importorskip("sklearn")
    random = np.random.default_rng(0)
    latents = random.normal(size=[2000, 2])
    classes = (np.linalg.norm(latents, axis=1) > np.sqrt(2 * np.log(2))).astype(int)  # half and half
    assert linear_separability(latents, _surely(classes, 2)) > 3.5


def test_only_the_surest_part_counts() -> None:
    pytest.importorskip("sklearn")
    random = np.random.default_rng(0)
    latents = random.normal(size=[400, 2])
    classes = (latents[:, 0] > 0).astype(int)
    latents[:, 0] += np.where(classes, 0.5, -0.5)  # a gap for the plane
    logits = _surely(classes, 2)
    unsure = random.permutation(400)[:200]
    logits[unsure] = _surely(random.integers(2, size=200), 2) / 10
    np.testing.assert_allclose(linear_separability(latents, logits), 1.0, atol=1e-12)
    assert linear_separability(latents, logits, keep=1.0) > 2.0
    # Adding a number to the logits of an image changes no probability.
    logits += random.uniform(-1000, 1000, size=[400, 1])
    np.testing.assert_allclose(linear_separability(latents, logits), 1.0, atol=1e-12)


def test_classes_without_images_add_nothing() -> None:
    pytest.importorskip("sklearn")
    latents = np.linspace(-1, 1, 20)[:, None]
    classes = (latents[:, 0] > 0).astype(int)
    assert linear_separability(latents, _surely(classes, 7), keep=1.0) == pytest.approx(1.0, abs=1e-12)
    assert linear_separability(latents, _surely(np.zeros(20, int), 3)) == 1.0


def test_a_seed_repeats() -> None:
    pytest.importorskip("sklearn")
    random = np.random.default_rng(0)
    latents, logits = random.normal(size=[300, 400]), random.normal(size=[300, 3])
    assert linear_separability(latents, logits, seed=3) == linear_separability(latents, logits, seed=3)


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=re.escape(install("metrics"))):
        linear_separability(np.zeros([4, 2]), np.eye(4), keep=1.0)


@pytest.mark.parametrize(
    ("latents", "logits", "keep"),
    [((4, 2), (3, 2), 0.5), ((4,), (4, 2), 0.5), ((0, 2), (0, 2), 0.5), ((4, 2), (4, 2), 0.0), ((4, 2), (4, 2), 1.1)],
)
def test_unfit_input_is_refused(latents: tuple[int, ...], logits: tuple[int, ...], keep: float) -> None:
    with pytest.raises(ValueError, match="Received: "):
        linear_separability(np.zeros(latents), np.zeros(logits), keep)
