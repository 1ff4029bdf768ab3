"""Learning rates by part: what patterns fit, and what is refused."""

import pytest

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.parts import LearningRateParts

PATHS = ["generator/mapping/dense_0/kernel", "critic/conv_3/kernel", "critic/conv_down_3/bias", "critic/conv_30/bias"]


@pytest.mark.parametrize(
    ("written", "factors"),
    [
        ("", [1, 1, 1, 1]),
        ("generator/mapping:0.1", [0.1, 1, 1, 1]),
        ("critic:0.5, critic/conv_3:0", [1, 0, 0.5, 0.5]),
        ("critic/conv*3:2", [1, 2, 2, 1]),
        ("*/bias:3", [1, 1, 3, 3]),
        ("generator/map:3", [1, 1, 1, 1]),  # the beginning of a name is no part
    ],
)
def test_factors(written, factors):
    parts = LearningRateParts.parse(written)
    assert [parts.of(path) for path in PATHS] == factors


@pytest.mark.parametrize("written", ["mapping", "mapping:", ":0.1", "mapping:-1", "mapping:inf", "mapping:nan"])
def test_anything_else_is_refused(written):
    with pytest.raises(ValueError, match=r"learning_rate_parts must be pairs such as .* Received: "):
        TrainConfig().replace({"learning_rate_parts": written}).validate()


def test_a_pattern_that_fits_nothing_says_what_there_is():
    parts = LearningRateParts.parse("critic:0.5,generator/maping:0.1")
    with pytest.raises(ValueError, match=r"Received: generator/maping, which .*There are: generator/mapping/"):
        parts.check(PATHS)
