"""When actions are due."""

import itertools

import pytest

from stylegan_tf.training.actions import crosses


@pytest.mark.parametrize(
    ("before", "now", "interval", "expected"),
    [
        (0, 8, 0.016, False),
        (8, 16, 0.016, True),
        (16, 24, 0.016, False),
        (0, 999, 1, False),
        (992, 1000, 1, True),
        (1000, 1008, 1, False),
        (996, 1004, 1, True),
        (0, 5000, 1, True),
        (0, 8, 0.001, True),
        (0, 0, 1, False),
    ],
)
def test_crosses(before, now, interval, expected):
    assert crosses(before, now, interval) is expected


@pytest.mark.parametrize("interval_kimg", [0.016, 0.1, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("batch", [8, 96, 128])
def test_an_interval_is_crossed_once_by_every_multiple(interval_kimg, batch):
    """However the steps fall, and wherever a resumed run begins."""
    ends = range(0, 9601, batch)
    crossed = [now for before, now in itertools.pairwise(ends) if crosses(before, now, interval_kimg)]
    multiples = [k * round(interval_kimg * 1000) for k in range(1, 1000) if k * round(interval_kimg * 1000) <= ends[-1]]
    assert crossed == sorted({-(-multiple // batch) * batch for multiple in multiples})
