"""A few lines at the end of a terminal that are drawn anew: bars, the state of a training.

There is one such area. Whatever is printed meanwhile takes it away first, and stands above it when it comes back.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.live import Live

_BARS = "▁▂▃▄▅▆▇█"
_SHORTEST_BAR = 10
_SEPARATOR = " · "

_area: Live | None = None
_lock = threading.RLock()  # one thread may tell what another has no time to


def is_live(stream: TextIO | None = None) -> bool:
    """Whether lines of a stream (None: of stdout) can be drawn anew: of a terminal that knows how to clear one."""
    stream = stream or sys.stdout  # None where it is closed
    return stream is not None and stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def width() -> int:
    """Columns of the terminal that stdout is; 0 where it is none."""
    stream = sys.stdout  # None where it is closed
    return shutil.get_terminal_size().columns if stream is not None and stream.isatty() else 0


def show(content: RenderableType, stream: TextIO | None = None) -> None:
    """Draws the area, in place of what it showed.

    Args:
        content: Of rich's kind; its words are printed as they are, and must be printable.
        stream: Of a live terminal; None for stdout.
    """
    global _area
    with _lock:
        if _area is None:
            _area = _make_area(stream or sys.stdout)
            _area.start()
        _area.update(content, refresh=True)


def erase() -> None:
    """Takes the area away, where there is one; whoever prints does that first."""
    global _area
    with _lock:
        if _area is not None:
            area, _area = _area, None
            area.update("", refresh=True)  # rich draws the last rows once more, all of them, before it takes them away
            area.stop()


def _make_area(stream: TextIO) -> Live:
    from rich.console import Console
    from rich.live import Live

    class Terminal(Console):
        """Leaves the cursor visible: a process that is killed could not bring it back."""

        def show_cursor(self, show: bool = True) -> bool:
            return False

    # What makes words printable would make the terminal's own codes words, too.
    unfiltered = getattr(stream, "unfiltered", stream)
    console = Terminal(file=unfiltered, force_terminal=True, highlight=False, markup=False, emoji=False)
    return Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)


class Bar:
    """A row with a bar, as wide as the terminal; without the bar where that is too narrow.

    Args:
        label: In front of the bar.
        fraction: Of the bar that is full, in [0, 1].
        numbers: After the bar.
    """

    def __init__(self, label: str, fraction: float, numbers: str) -> None:
        self.label, self.fraction, self.numbers = label, fraction, numbers

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if len(self.label) + len(self.numbers) + _SHORTEST_BAR + 2 > options.max_width:
            yield Text(f"{self.label}{_SEPARATOR}{self.numbers}")
            return
        row = Table.grid(expand=True, padding=(0, 1, 0, 0))
        row.add_column(no_wrap=True)
        row.add_column(ratio=1)
        row.add_column(no_wrap=True)
        bar = ProgressBar(1.0, self.fraction, complete_style="cyan", finished_style="green", style="bright_black")
        row.add_row(Text(self.label), bar, Text(self.numbers))
        yield row


class Row:
    """Words side by side, on as many rows as they need.

    Args:
        parts: Empty ones are left out.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self.parts = [part for part in parts if part]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        row = ""
        for part in self.parts:
            longer = f"{row}{_SEPARATOR}{part}" if row else part
            if row and len(longer) > options.max_width:
                yield Text(row)
                longer = part
            row = longer
        yield Text(row)


class Sparkline:
    """A row with words and the course of a number, as small bars; words alone where bars cannot be written.

    Args:
        label: In front of the bars.
        values: The course; of a long one, the last values that fit.
        numbers: After the bars.
    """

    def __init__(self, label: str, values: Sequence[float], numbers: str) -> None:
        self.label, self.values, self.numbers = label, values, numbers

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        room = options.max_width - len(self.label) - len(self.numbers) - 2
        bars = "" if options.ascii_only or room < 1 else sparkline(self.values[-room:])
        yield Text(" ").join(word for word in (Text(self.label), Text(bars, "cyan"), Text(self.numbers)) if word)


def sparkline(values: Sequence[float]) -> str:
    """Finite numbers as bars from their lowest to their highest; of one height where all are equal.

    >>> sparkline([3.0, 1.0, 2.0])
    '█▁▅'
    """
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low == high:
        return _BARS[len(_BARS) // 2] * len(values)
    return "".join(_BARS[round((value - low) / (high - low) * (len(_BARS) - 1))] for value in values)
