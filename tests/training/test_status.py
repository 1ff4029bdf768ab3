"""How a training stands: a line of a log, rows of a terminal."""

import dataclasses
import io
import math
import re
import sys
from types import SimpleNamespace

import pytest
import tensorflow as tf
from made_up import make_result
from screen import on_screen
from tiny_run import report, resolved_schedule, table

from stylegan_tf import live
from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.training import status as status_module
from stylegan_tf.training.actions import LoopState
from stylegan_tf.training.statistics import Statistics
from stylegan_tf.training.status import Status, time_left

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
        monkeypatch.setattr(status_module.time, "monotonic", lambda: self.now)


class Terminal(io.StringIO):
    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.fixture
def status(monkeypatch):
    """`status(is_terminal)`: a line each 10 s, its clock, what it prints, and the lines that it logs."""

    def make(is_terminal, total_images=4000):
        logged, out, clock = [], Terminal(is_terminal), Clock(monkeypatch)
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "80")
        statistics = Statistics()
        line = Status(total_images, 10.0, logged.append, statistics.reader())
        return SimpleNamespace(line=line, clock=clock, out=out, logged=logged, statistics=statistics)

    yield make
    live.erase()


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


def test_on_a_terminal_rows_are_written_over_and_the_log_gets_a_line_now_and_then(status):
    made = status(True)
    assert steps(made, 0.5, 44) == list(range(30, 441, 20))  # each second
    shown = on_screen(made.out.getvalue())
    assert re.fullmatch(r"4x4 ━+╸━+ 0\.4 of 4 kimg", shown[0])
    assert shown[1:] == ["20 images/s · 10 min 28 s left · critic 1.00 generator 2.00"]
    live.erase()
    assert on_screen(made.out.getvalue()) == []
    assert len(made.logged) == 3  # the first, and each ten seconds
    assert all("\033" not in text for text in made.logged)


def test_rows_of_a_terminal_tell_the_course_of_the_first_metric(status):
    made = status(True)
    scores = [make_result("kd2k_full", kimg=kimg, kd=value) for kimg, value in ((1, 0.5), (2, 0.25), (3, 0.375))]
    made.line.run(loop_at(10, statistics=made.statistics))
    made.clock.now += 2.0
    made.statistics.add(10, report())
    made.line.run(dataclasses.replace(loop_at(20, statistics=made.statistics), scores=scores))
    assert on_screen(made.out.getvalue())[2] == "kd2k_full 0.3750 █▁▅ best 0.2500 at 2 kimg"
    live.erase()


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
    text = Status(4000, 10.0, print, reader, show_augmentation=True).text(loop, reader.means())
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


def test_a_score_that_is_no_number_leaves_a_gap(status):
    made = status(True)
    scores = [make_result("kd2k_full", kimg=1, kd=value) for value in (0.5, math.nan, 0.25)]
    made.line.run(loop_at(10, statistics=made.statistics))
    made.clock.now += 2.0
    made.statistics.add(10, report())
    made.line.run(dataclasses.replace(loop_at(20, statistics=made.statistics), scores=scores))
    assert "█▁ best 0.2500" in on_screen(made.out.getvalue())[2]
