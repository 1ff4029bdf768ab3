"""What happens beside the steps: when it is due, what it says, draws and saves."""

import io
import itertools
import math
import sys
from types import SimpleNamespace

import pytest
import tensorflow as tf
from tiny_run import report, resolved_schedule, table

from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.training import actions
from stylegan_tf.training.actions import LoopState, StatusLine, crosses, format_seconds, time_left
from stylegan_tf.training.statistics import Statistics

# 4x4 until 1000 images, 8x8 faded in until 3000, 8x8 until 4000.
SCHEDULE = Schedule(
    resolved_schedule(
        start_resolution=4, stage_kimg=table("1"), fade_kimg=table("2"), batch_size=table("10"), total_kimg=4.0
    ),
    (4, 4),
    2,
)


def loop_at(images_seen, state=None, speed=0.0, statistics=None):
    """The loop after the step of ten images that ended at `images_seen`."""
    stage = SCHEDULE.at(max(images_seen - 10, 0))
    return LoopState(state, SCHEDULE, statistics or Statistics(), stage, images_seen, images_per_second=speed)


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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (45.4, "45 s"),
        (59.6, "1 min 0 s"),
        (723, "12 min 3 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (360000, "100 h 0 min"),
        (math.inf, "?"),
        (math.nan, "?"),
    ],
)
def test_format_seconds(seconds, text):
    assert format_seconds(seconds) == text


def test_time_left_grows_with_the_number_of_pixels():
    # 500 images of 4x4 at 10 a second, then 3000 of 8x8, four times as large.
    assert time_left(loop_at(500, speed=10.0), 4000) == pytest.approx(50 + 300 * 4)
    assert time_left(loop_at(2000, speed=10.0), 4000) == pytest.approx(200)
    assert time_left(loop_at(1000, speed=10.0), 4000) == pytest.approx(1200)


def test_time_left_at_the_ends():
    assert time_left(loop_at(4000, speed=10.0), 4000) == 0
    assert time_left(loop_at(4000, speed=0.0), 4000) == 0
    assert time_left(loop_at(500, speed=0.0), 4000) == math.inf


class Clock:
    def __init__(self, monkeypatch):
        self.now = 5000.0
        monkeypatch.setattr(actions.time, "monotonic", lambda: self.now)


class Terminal(io.StringIO):
    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.fixture
def status(monkeypatch):
    """`status(is_terminal)`: a status line each 10 s, its clock, what it prints, and the lines that it logs."""

    def make(is_terminal, total_images=4000):
        logged, out, clock = [], Terminal(is_terminal), Clock(monkeypatch)
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setenv("TERM", "xterm")
        statistics = Statistics()
        line = StatusLine(total_images, 10.0, logged.append, statistics.reader())
        return SimpleNamespace(line=line, clock=clock, out=out, logged=logged, statistics=statistics)

    return make


def steps(status, seconds, count, start=0):
    """Runs the line as the loop does, in `count` steps of ten images; returns the images seen at each line."""
    ran = []
    for before in range(start, start + 10 * count, 10):
        status.clock.now += seconds
        status.statistics.add(before, report())
        said = len(status.logged), status.out.getvalue()
        if status.line.due(before, before + 10):
            status.line.run(loop_at(before + 10, statistics=status.statistics))
        if said != (len(status.logged), status.out.getvalue()):
            ran.append(before + 10)
    return ran


def test_without_a_terminal_there_is_a_log_line_now_and_then(status):
    made = status(False)
    assert steps(made, 2.0, 14) == [60, 110]
    assert len(made.logged) == 2
    assert made.out.getvalue() == ""
    assert "\r" not in "".join(made.logged)


def test_on_a_terminal_one_line_is_written_over_and_the_log_gets_one_now_and_then(status):
    made = status(True)
    assert steps(made, 0.5, 44) == list(range(30, 441, 20))  # each second
    shown = made.out.getvalue()
    assert "\n" not in shown
    assert shown.count("\r\033[K") == 21
    assert len(made.logged) == 3  # the first, and each ten seconds
    assert all("\r" not in text for text in made.logged)


@pytest.mark.parametrize(("count", "ran"), [(7, [60, 70]), (1, [10])])
def test_the_last_step_always_has_a_line(status, count, ran):
    """Also where it is the first."""
    made = status(False, total_images=10 * count)
    assert steps(made, 2.0, count) == ran
    assert f"kimg {count / 100:.1f} of {count / 100:g}" in made.logged[-1]
    assert " 0 s left" in made.logged[-1]


def test_text(status):
    made = status(False)
    steps(made, 2.0, 6, start=1990)
    text = "8x8 fading in  52% | kimg 2.0 of 4 | 5 images/s | critic 1.00 generator 2.00 | 6 min 30 s left"
    assert made.logged == [text]
    steps(made, 2.0, 6, start=3490)
    assert made.logged[1].startswith("8x8 | kimg 3.5 of 4 | ")


def test_the_line_tells_the_strength_of_the_augmentation_when_asked():
    loop = loop_at(2000, SimpleNamespace(augment_p=tf.Variable(0.1234)))
    reader = loop.statistics.reader()
    text = StatusLine(4000, 10.0, print, reader, show_augmentation=True).text(loop, reader.means())
    assert "generator nan | augment 0.123 | ? left" in text


def test_speed_is_that_of_the_steps_between_two_lines(status):
    """The first step is left out: tracing it takes longer than many steps."""
    made = status(False)
    made.clock.now += 100.0
    assert steps(made, 0.0, 1) == []
    loop = loop_at(60, statistics=made.statistics)
    made.clock.now += 10.0
    assert made.line.due(50, 60)
    made.line.run(loop)
    assert loop.images_per_second == pytest.approx(5.0)
    assert len(made.logged) == 1
