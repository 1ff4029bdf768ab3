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


def test_means_are_over_the_reports_since_the_last_time():
    statistics = Statistics()
    reader = statistics.reader()
    statistics.add(0, report(1.0))
    statistics.add(8, report(3.0))
    assert reader.means() == dict.fromkeys(MAIN + PENALTY, 2.0)
    statistics.add(16, report(7.0))
    assert reader.means() == dict.fromkeys(MAIN + PENALTY, 7.0)
    assert reader.means() == dict.fromkeys(MAIN + PENALTY, 7.0)  # nothing new


def test_a_reader_takes_nothing_from_another():
    """The status line reads more often than TensorBoard's curves, and checkpoints look in between."""
    statistics = Statistics()
    often, seldom = statistics.reader(), statistics.reader()
    for value in (1.0, 3.0):
        statistics.add(0, report(value))
        assert often.means() == dict.fromkeys(MAIN + PENALTY, value)
        assert statistics.newest() == dict.fromkeys(MAIN + PENALTY, value)
    statistics.add(0, report(8.0))
    statistics.newest()
    assert seldom.means() == dict.fromkeys(MAIN + PENALTY, 4.0)
    assert often.means() == dict.fromkeys(MAIN + PENALTY, 8.0)
    statistics.add(8, report(5.0))
    assert seldom.means() == dict.fromkeys(MAIN + PENALTY, 5.0)


def test_adding_does_not_wait_for_the_device_and_a_value_is_read_once():
    statistics, before = Statistics(), Scalar.reads
    readers = statistics.reader(), statistics.reader()
    statistics.add(0, report())
    assert Scalar.reads == before
    statistics.newest()
    for reader in readers:
        reader.means()
    assert Scalar.reads == before + len(MAIN + PENALTY)


def test_steps_without_a_penalty_do_not_count_in_its_mean():
    statistics = Statistics()
    reader = statistics.reader()
    for regularized in (True, False, False, True):
        statistics.add(0, report(2.0, MAIN + PENALTY if regularized else MAIN))
    assert reader.means() == dict.fromkeys(MAIN + PENALTY, 2.0)


def test_a_mean_of_nothing_new_is_the_last_one_known():
    statistics = Statistics()
    reader = statistics.reader()
    statistics.add(0, report(2.0))
    reader.means()
    statistics.add(8, report(4.0, MAIN))
    expected = {**dict.fromkeys(PENALTY, 2.0), **dict.fromkeys(MAIN, 4.0)}
    assert reader.means() == statistics.newest() == expected


def test_what_was_never_measured_is_nan_and_not_missing():
    """As in a run that is resumed between two penalties."""
    statistics = Statistics()
    reader = statistics.reader()
    assert math.isnan(reader.means()["critic_loss"])
    statistics.add(8, report(4.0, MAIN))
    found = reader.means()
    assert {found[name] for name in MAIN} == {4.0}
    assert all(math.isnan(found[name]) for name in PENALTY)


@pytest.mark.parametrize("name", MAIN + PENALTY)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_what_is_not_finite_is_named_with_its_step(name, value):
    statistics = Statistics()
    statistics.add(80, report())
    statistics.add(88, report(**{name: value}))
    with pytest.raises(NonFiniteError, match=f"^{name} became {value} in the step at 88 images$"):
        statistics.newest()


@pytest.mark.parametrize("name", MAIN + PENALTY)
def test_loss_scaling_lets_gradients_of_weights_overflow_and_nothing_else(name):
    statistics = Statistics(loss_scaling=True)
    reader = statistics.reader()
    statistics.add(0, report(2.0))
    statistics.add(8, report(4.0, **{name: math.inf}))
    if name in MAY_OVERFLOW:
        assert reader.means() == {**dict.fromkeys(MAIN + PENALTY, 3.0), name: 2.0}
        assert statistics.newest() == {**dict.fromkeys(MAIN + PENALTY, 4.0), name: 2.0}
    else:
        with pytest.raises(NonFiniteError, match=name):
            reader.means()


def test_an_unsound_report_stays_unsound():
    """A second reader, such as the checkpoint after the status line, must not get past it."""
    statistics = Statistics()
    statistics.add(0, report(critic_loss=math.nan))
    for read in (statistics.newest, statistics.reader().means, statistics.newest):
        with pytest.raises(NonFiniteError):
            read()
