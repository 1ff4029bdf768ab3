"""The line or bar that tells how far a job is, with a clock that the tests turn."""

import io
import types

import pytest
from screen import on_screen

from stylegan_tf.live import is_live
from stylegan_tf.progress import ProgressLine, counted, doing, format_seconds


@pytest.fixture(autouse=True)
def able_terminal(monkeypatch) -> None:
    """Of the usual size; some test runners are in none, and say so."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def clock(monkeypatch) -> types.SimpleNamespace:
    """Set `now`, in seconds."""
    clock = types.SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr("stylegan_tf.progress.time", clock)
    return clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(clock, stream: io.StringIO, seconds: int, per_second: int = 4, already: int = 0) -> str:
    """A job of 1,000 pictures that has done `already` when it starts, and reports every quarter of a second."""
    with ProgressLine("Reading", stream=stream) as progress:
        for quarter in range(4 * seconds + 1):
            progress(already + quarter * per_second // 4, 1000)
            clock.now += 0.25
    return stream.getvalue()


def test_a_log_gets_a_line_now_and_then(clock):
    lines = run(clock, io.StringIO(), seconds=35).splitlines()
    assert len(lines) == 3  # one every ten seconds
    assert lines[0] == "Reading: 40 of 1,000 pictures, 4/s, 4 min 0 s left"
    assert "\033" not in "".join(lines)


def test_a_terminal_gets_a_bar_that_is_drawn_anew_and_taken_away(clock):
    stream = Terminal()
    with ProgressLine("Reading", stream=stream) as progress:
        for done in (0, 250, 500):
            progress(done, 1000)
            clock.now += 10.0
        (row,) = on_screen(stream.getvalue())
        assert row.startswith("Reading ━━")
        assert row.endswith(" 500 of 1,000 pictures, 25/s, 20 s left")
        assert len(row) == 80
    assert on_screen(stream.getvalue()) == []


def test_a_bar_is_drawn_twice_a_second(clock, monkeypatch):
    drawn = []
    monkeypatch.setattr("stylegan_tf.live.show", lambda content, stream: drawn.append(content))
    run(clock, Terminal(), seconds=10)
    assert len(drawn) == 19  # but for the first second
    assert drawn[-1].fraction == 0.04


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_short_jobs_say_nothing(clock, stream):
    assert run(clock, stream(), seconds=0) == ""
    with ProgressLine("Reading", stream=stream()) as progress:
        clock.now += 0.9
        progress(1, 2)
    with ProgressLine("Reading", stream=(written := stream())):
        clock.now += 100
    assert written.getvalue() == ""


def test_what_an_earlier_run_did_says_nothing_about_speed(clock):
    written = run(clock, io.StringIO(), seconds=11, already=800)
    assert written == "Reading: 840 of 1,000 pictures, 4/s, 40 s left\n"


def test_no_speed_no_time(clock):
    assert run(clock, io.StringIO(), seconds=11, per_second=0) == "Reading: 0 of 1,000 pictures, 0/s, ? left\n"


def test_a_bar_is_taken_away_after_an_error_too(clock):
    stream = Terminal()
    with pytest.raises(RuntimeError), ProgressLine("Reading", stream=stream) as progress:
        progress(0, 10)
        clock.now += 5
        progress(5, 10)
        assert on_screen(stream.getvalue())
        raise RuntimeError
    assert on_screen(stream.getvalue()) == []


def test_units_and_stdout(clock, capsys):
    with ProgressLine("Checking", "images") as progress:
        progress(0, 3000)
        clock.now += 20
        progress(2000, 3000)
    assert capsys.readouterr().out == "Checking: 2,000 of 3,000 images, 100/s, 10 s left\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((1, "picture"), "1 picture"), ((0, "picture"), "0 pictures"), ((12340, "picture"), "12,340 pictures"),
        ((1, "class", "classes"), "1 class"), ((2, "class", "classes"), "2 classes"),
    ],
)  # fmt: skip
def test_counted(arguments, expected):
    assert counted(*arguments) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"), (0.4, "0 s"), (45, "45 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (60, "1 min 0 s"),
        (723, "12 min 3 s"), (3599.7, "1 h 0 min"), (7500, "2 h 5 min"), (360000, "100 h 0 min"),
        (float("inf"), "?"), (float("nan"), "?"),
    ],
)  # fmt: skip
def test_format_seconds(seconds, expected):
    assert format_seconds(seconds) == expected


@pytest.mark.parametrize("kind", ["dumb", ""])
def test_a_terminal_that_clears_no_line_gets_what_a_log_gets(clock, monkeypatch, kind):
    monkeypatch.setenv("TERM", kind)
    assert not is_live(Terminal())
    written = run(clock, Terminal(), seconds=35)
    assert written == run(clock, io.StringIO(), seconds=35)
    assert written.count("\n") == 3


def test_work_without_a_number_is_told_on_a_terminal_alone(monkeypatch):
    for stream, shown in ((Terminal(), ["Thinking ..."]), (io.StringIO(), [])):
        monkeypatch.setattr("sys.stdout", stream)
        with doing("Thinking"):
            assert on_screen(stream.getvalue()) == shown
        assert on_screen(stream.getvalue()) == []
