"""What the steps report: means, and what is not finite."""

import math

import numpy as np
import pytest

from stylegan_tf.training.statistics import MAY_OVERFLOW, NonFiniteError, Statistics

MAIN = ("critic_loss", "real_scores", "fake_scores", "generator_loss", *MAY_OVERFLOW)
PENALTY = ("gradient_penalty", "critic_gradient_norm")  # only in steps with that phase


class Scalar:
    """Stands for a tensor on a device; reading it is what has to wait."""

    reads = 0

    def __init__(self, value):
        self.value = value

    def numpy(self):
        Scalar.reads += 1
        return np.float32(self.value)


def report(value=1.0, names=MAIN + PENALTY, **terms):
    return {name: Scalar(number) for name, number in {**dict.fromkeys(names, value), **terms}.items()}


def test_read_means_over_the_reports_since_the_last_read():
    statistics = Statistics()
    statistics.add(0, report(1.0))
    statistics.add(8, report(3.0))
    assert statistics.read() == dict.fromkeys(MAIN + PENALTY, 2.0)
    statistics.add(16, report(7.0))
    assert statistics.read() == dict.fromkeys(MAIN + PENALTY, 7.0)
    assert statistics.read() == dict.fromkeys(MAIN + PENALTY, 7.0)  # nothing new


def test_means_cover_what_was_read_in_between():
    statistics = Statistics()
    for value in (1.0, 3.0):
        statistics.add(0, report(value))
        statistics.read()
    statistics.add(0, report(8.0))
    assert statistics.means() == dict.fromkeys(MAIN + PENALTY, 4.0)
    statistics.add(8, report(5.0))
    assert statistics.means() == dict.fromkeys(MAIN + PENALTY, 5.0)


def test_adding_does_not_wait_for_the_device():
    statistics, before = Statistics(), Scalar.reads
    statistics.add(0, report())
    assert Scalar.reads == before
    statistics.read()
    statistics.means()
    assert Scalar.reads == before + len(MAIN + PENALTY)


def test_steps_without_a_penalty_do_not_count_in_its_mean():
    statistics = Statistics()
    for regularized in (True, False, False, True):
        statistics.add(0, report(2.0, MAIN + PENALTY if regularized else MAIN))
    assert statistics.read() == dict.fromkeys(MAIN + PENALTY, 2.0)


def test_a_mean_of_nothing_new_is_the_last_one_known():
    statistics = Statistics()
    statistics.add(0, report(2.0))
    statistics.read()
    statistics.add(8, report(4.0, MAIN))
    found = statistics.read()
    assert {found[name] for name in PENALTY} == {2.0}
    assert {found[name] for name in MAIN} == {4.0}


@pytest.mark.parametrize("read", [Statistics.read, Statistics.means])
def test_what_was_never_measured_is_nan_and_not_missing(read):
    """As in a run that is resumed between two penalties."""
    statistics = Statistics()
    assert math.isnan(read(statistics)["critic_loss"])
    statistics.add(8, report(4.0, MAIN))
    found = read(statistics)
    assert {found[name] for name in MAIN} == {4.0}
    assert all(math.isnan(found[name]) for name in PENALTY)


@pytest.mark.parametrize("name", MAIN + PENALTY)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_what_is_not_finite_is_named_with_its_step(name, value):
    statistics = Statistics()
    statistics.add(80, report())
    statistics.add(88, report(**{name: value}))
    with pytest.raises(NonFiniteError, match=f"^{name} became {value} in the step at 88 images$"):
        statistics.read()


@pytest.mark.parametrize("name", MAIN + PENALTY)
def test_loss_scaling_lets_gradients_of_weights_overflow_and_nothing_else(name):
    statistics = Statistics(loss_scaling=True)
    statistics.add(0, report(2.0))
    statistics.add(8, report(4.0, **{name: math.inf}))
    if name in MAY_OVERFLOW:
        assert statistics.read() == {**dict.fromkeys(MAIN + PENALTY, 3.0), name: 2.0}
    else:
        with pytest.raises(NonFiniteError, match=name):
            statistics.read()


def test_an_unsound_report_stays_unsound():
    """A second reader, such as the checkpoint after the status line, must not get past it."""
    statistics = Statistics()
    statistics.add(0, report(critic_loss=math.nan))
    for read in (statistics.read, statistics.means, statistics.read):
        with pytest.raises(NonFiniteError):
            read()
