"""Counted classes against closed forms."""

import numpy as np
import pytest

from stylegan_tf.metrics.class_coverage import ClassCoverage, checked_probabilities, class_coverage


def _of_classes(counts: list[int], probability: float = 1.0) -> np.ndarray:
    """Rows that give a class the probability, and the rest to the others evenly."""
    classes = np.repeat(np.arange(len(counts)), counts)
    rows = np.full([len(classes), len(counts)], (1 - probability) / (len(counts) - 1))
    rows[np.arange(len(classes)), classes] = probability
    return rows


def test_all_classes_alike() -> None:
    assert class_coverage(_of_classes([5, 5, 5, 5])) == ClassCoverage(1.0, 1.0, 1.0, 1.0, None)


def test_one_class_alone() -> None:
    found = class_coverage(_of_classes([9, 0, 0, 0], 0.7), _of_classes([1, 1, 1, 1]))
    assert (found.occurring, found.coverage, found.entropy) == (0.25, 0.25, 0.0)
    np.testing.assert_allclose(found.confidence, 0.7, rtol=1e-12)
    np.testing.assert_allclose(found.divergence, np.log(4), rtol=1e-12)


def test_a_tenth_of_the_expected_rate_covers_a_class_and_less_does_not() -> None:
    # Of 1000 images and 4 classes a tenth of the even share is 25.
    found = class_coverage(_of_classes([25, 24, 951, 0]))
    assert (found.occurring, found.coverage) == (0.75, 0.5)
    # A tenth of the real shares is 20, 2, 76 and 2 of 1000.
    assert class_coverage(_of_classes([25, 24, 951, 0]), _of_classes([20, 2, 76, 2])).coverage == 0.75


def test_entropy_and_divergence_have_the_closed_form() -> None:
    found = class_coverage(_of_classes([1, 3, 4]), _of_classes([2, 4, 4]))
    shares, reals = np.array([1, 3, 4]) / 8, np.array([2, 4, 4]) / 10
    np.testing.assert_allclose(found.entropy, -np.sum(shares * np.log(shares)) / np.log(3), rtol=1e-12)
    np.testing.assert_allclose(found.divergence, np.sum(shares * np.log(shares / reals)), rtol=1e-12)


def test_equal_shares_do_not_diverge() -> None:
    assert class_coverage(_of_classes([1, 2, 0]), _of_classes([2, 4, 0])).divergence == 0.0


def test_classes_that_the_reals_lack() -> None:
    reals = _of_classes([5, 5, 0])
    # need not be covered
    assert class_coverage(_of_classes([2, 2, 0]), reals).coverage == 1.0
    assert class_coverage(_of_classes([4, 0, 0]), reals).coverage == 0.5
    assert class_coverage(_of_classes([2, 2, 1]), reals).divergence == float("inf")


@pytest.mark.parametrize(
    "probabilities",
    [np.ones([3, 1]), np.zeros([0, 3]), np.full([4], 0.25), np.full([2, 4], 0.3), [[1.5, -0.5]], [[np.nan, 1.0]]],
)
def test_what_is_no_distribution_is_refused(probabilities: np.ndarray) -> None:
    with pytest.raises(ValueError, match="probabilities must be .* Received: "):
        checked_probabilities(probabilities)


def test_half_precision_is_a_distribution_still() -> None:
    values = np.random.default_rng(0).normal(size=[50, 1000])
    rows = (np.exp(values) / np.sum(np.exp(values), axis=1, keepdims=True)).astype(np.float16)
    assert checked_probabilities(rows) is rows


def test_sets_must_have_the_same_classes() -> None:
    with pytest.raises(ValueError, match=r"must be \[N, 4\].*Received: shape=\(3, 3\)"):
        class_coverage(np.eye(4), np.eye(3))
