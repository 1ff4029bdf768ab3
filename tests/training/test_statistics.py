"""What the steps report: means, and what is not finite."""

import math

import numpy as np
import pytest

from stylegan_tf.training.statistics import MAY_OVERFLOW, PENALTY_TERMS, NonFiniteError, Statistics
from stylegan_tf.training.steps import STATISTICS


class Report:
    """Stands for a tensor on a device; reading it is what has to wait."""

    reads = 0

    def __init__(self, value=1.0, **terms):
        self.values = [terms.get(name, value) for name in STATISTICS]

    def numpy(self):
        Report.reads += 1
        return np.array(self.values, np.float32)


def test_read_means_over_the_reports_since_the_last_read():
    statistics = Statistics()
    statistics.add(0, True, Report(1.0))
    statistics.add(8, True, Report(3.0))
    assert statistics.read() == dict.fromkeys(STATISTICS, 2.0)
    statistics.add(16, True, Report(7.0))
    assert statistics.read() == dict.fromkeys(STATISTICS, 7.0)
    assert statistics.read() == dict.fromkeys(STATISTICS, 7.0)  # nothing new


def test_means_cover_what_was_read_in_between():
    statistics = Statistics()
    for value in (1.0, 3.0):
        statistics.add(0, True, Report(value))
        statistics.read()
    statistics.add(0, True, Report(8.0))
    assert statistics.means() == dict.fromkeys(STATISTICS, 4.0)
    statistics.add(8, True, Report(5.0))
    assert statistics.means() == dict.fromkeys(STATISTICS, 5.0)


def test_adding_does_not_wait_for_the_device():
    statistics, before = Statistics(), Report.reads
    statistics.add(0, True, Report())
    assert Report.reads == before
    statistics.read()
    statistics.means()
    assert Report.reads == before + 1


def test_steps_without_a_penalty_do_not_count_in_its_mean():
    statistics = Statistics()
    for regularized in (True, False, False, True):
        statistics.add(0, regularized, Report(2.0, **({} if regularized else dict.fromkeys(PENALTY_TERMS, 0.0))))
    assert statistics.read() == dict.fromkeys(STATISTICS, 2.0)


def test_a_mean_of_nothing_new_is_the_last_one_known():
    statistics = Statistics()
    statistics.add(0, True, Report(2.0))
    statistics.read()
    statistics.add(8, False, Report(4.0))
    found = statistics.read()
    assert {found[name] for name in PENALTY_TERMS} == {2.0}
    assert {found[name] for name in STATISTICS if name not in PENALTY_TERMS} == {4.0}


def test_what_was_never_measured_is_nan_and_not_missing():
    """As in a run that is resumed between two penalties."""
    statistics = Statistics()
    assert set(statistics.read()) == set(STATISTICS)
    statistics.add(8, False, Report(4.0))
    for found in (statistics.read(), statistics.means()):
        assert set(found) == set(STATISTICS)
        assert all(math.isnan(found[name]) == (name in PENALTY_TERMS) for name in STATISTICS)


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_what_is_not_finite_is_named_with_its_step(name, value):
    statistics = Statistics()
    statistics.add(80, True, Report())
    statistics.add(88, True, Report(**{name: value}))
    with pytest.raises(NonFiniteError, match=f"^{name} became {value} in the step at 88 images$"):
        statistics.read()


def test_a_penalty_that_is_not_finite_in_a_step_that_leaves_it_out_is_an_error_too():
    statistics = Statistics()
    statistics.add(0, False, Report(gradient_penalty=math.nan))
    with pytest.raises(NonFiniteError):
        statistics.read()


@pytest.mark.parametrize("name", STATISTICS)
def test_loss_scaling_lets_gradients_of_weights_overflow_and_nothing_else(name):
    statistics = Statistics(loss_scaling=True)
    statistics.add(0, True, Report(2.0))
    statistics.add(8, True, Report(4.0, **{name: math.inf}))
    if name in MAY_OVERFLOW:
        assert statistics.read() == {**dict.fromkeys(STATISTICS, 3.0), name: 2.0}
    else:
        with pytest.raises(NonFiniteError, match=name):
            statistics.read()


def test_an_unsound_report_stays_unsound():
    """A second reader, such as the checkpoint after the status line, must not get past it."""
    statistics = Statistics()
    statistics.add(0, True, Report(critic_loss=math.nan))
    for read in (statistics.read, statistics.means, statistics.read):
        with pytest.raises(NonFiniteError):
            read()
