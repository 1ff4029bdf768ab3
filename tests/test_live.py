"""Rows at the end of a terminal that are drawn anew, as the terminal shows them."""

import io

import pytest
from rich.console import Group
from screen import on_screen

from stylegan_tf import live
from stylegan_tf.printing import PrintableStream


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def able_terminal(monkeypatch):
    """Of the usual size; some test runners are in none, and say so."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    yield
    live.erase()


def rows(content, columns, monkeypatch, terminal=Terminal):
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = terminal()
    live.show(content, stream)
    shown = on_screen(stream.getvalue(), columns)
    live.erase()
    return shown


def test_a_bar_is_as_wide_as_the_terminal_and_as_full_as_its_fraction(monkeypatch):
    assert rows(live.Bar("16x16", 1.0, "50 of 50"), 40, monkeypatch) == ["16x16 " + "━" * 25 + " 50 of 50"]
    monkeypatch.setenv("NO_COLOR", "1")  # then, what is not full is not drawn
    assert rows(live.Bar("16x16", 0.5, "50 of 100"), 40, monkeypatch) == ["16x16 " + "━" * 12 + " " * 13 + "50 of 100"]


def test_a_terminal_too_narrow_for_a_bar_gets_the_words(monkeypatch):
    assert rows(live.Bar("16x16", 0.5, "50 of 100 kimg"), 30, monkeypatch) == ["16x16 · 50 of 100 kimg"]
    assert rows(live.Bar("16x16", 0.5, "50 of 100 kimg"), 14, monkeypatch) == ["16x16 · 50 of", "100 kimg"]


def test_words_go_on_in_another_row_where_one_is_full(monkeypatch):
    row = live.Row(["20 images/s", "", "3 min left", "critic 1.00"])
    assert rows(row, 80, monkeypatch) == ["20 images/s · 3 min left · critic 1.00"]
    assert rows(row, 26, monkeypatch) == ["20 images/s · 3 min left", "critic 1.00"]
    assert rows(row, 12, monkeypatch) == ["20 images/s", "3 min left", "critic 1.00"]


def test_a_course_leaves_out_what_is_oldest_and_then_all_of_it(monkeypatch):
    course = live.Sparkline("kd 0.5", [8.0, 1.0, 2.0, 3.0], "best 0.25")
    assert rows(course, 80, monkeypatch) == ["kd 0.5 █▁▂▃ best 0.25"]
    assert rows(course, 20, monkeypatch) == ["kd 0.5 ▁▅█ best 0.25"]
    assert rows(course, 17, monkeypatch) == ["kd 0.5 best 0.25"]


def test_a_terminal_that_has_no_bars_gets_none(monkeypatch):
    class Plain(Terminal):
        encoding = "ascii"

    content = Group(live.Bar("a", 0.5, "b"), live.Sparkline("kd", [1.0, 2.0], "best"))
    first, second = rows(content, 40, monkeypatch, Plain)
    assert first.isascii() and second == "kd best"


@pytest.mark.parametrize(
    ("values", "bars"),
    [([], ""), ([3.0], "▅"), ([2.0, 2.0], "▅▅"), ([0.0, 7.0], "▁█"), ([float(k) for k in range(8)], "▁▂▃▄▅▆▇█")],
)
def test_sparkline(values, bars):
    assert live.sparkline(values) == bars


def test_what_is_printed_stands_above_the_rows():
    stream = Terminal()
    printable = PrintableStream(stream)
    live.show(live.Row(["one", "two"]), printable)
    printable.write("a line\n")
    assert on_screen(stream.getvalue()) == ["a line"]
    live.show(Group(live.Row(["three"]), live.Row(["four"])), printable)
    live.show(Group(live.Row(["five"]), live.Row(["six"])), printable)
    printable.write("\x1b[31mno colour\n")
    live.show(live.Row(["seven"]), printable)
    assert on_screen(stream.getvalue()) == ["a line", r"\x1b[31mno colour", "seven"]


def test_colours_are_left_out_where_nobody_wants_them(monkeypatch):
    stream = Terminal()
    live.show(live.Bar("a", 0.5, "b"), stream)
    assert "\x1b[36m" in stream.getvalue()
    live.erase()
    monkeypatch.setenv("NO_COLOR", "1")
    live.show(live.Bar("a", 0.5, "b"), stream := Terminal())
    assert "\x1b[36m" not in stream.getvalue()


def test_the_cursor_stays_visible():
    stream = Terminal()
    live.show(live.Row(["one"]), stream)
    live.erase()
    assert "\x1b[?25" not in stream.getvalue()


def test_rows_higher_than_the_terminal_leave_nothing_behind(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "3")
    stream = Terminal()
    for number in range(3):
        live.show(Group(*(live.Row([f"row {row}"]) for row in range(6))), stream)
        live.erase()
        stream.write(f"line {number}\n")
    assert on_screen(stream.getvalue(), 30, 24) == ["line 0", "line 1", "line 2"]


def test_a_closed_stream_is_not_live(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    assert not live.is_live()
