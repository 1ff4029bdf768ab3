"""How far a long job is, on one line of a terminal or a line now and then in a log; numbers in such lines."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Self, TextIO, TypeVar

from stylegan_tf.printing import CLEAR_LINE

T = TypeVar("T")

_LIVE_INTERVAL_S = 0.5
_LOG_INTERVAL_S = 10.0
_QUIET_S = 1.0  # jobs that are done before say nothing


def is_live(stream: TextIO | None = None) -> bool:
    """Whether a line of a stream (None: of stdout) can be written anew: of a terminal that knows how to clear one."""
    return (stream or sys.stdout).isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def live_line(text: str) -> str:
    """What writes a line of a terminal anew, cut to the terminal's width: a line that wraps could not be cleared."""
    return f"{CLEAR_LINE}{text[: shutil.get_terminal_size().columns - 1]}"


class _Line:
    """A line that is written anew on a terminal, or now and then in a log.

    A context manager: the line of a terminal is cleared at the end.

    Args:
        stream: Where it is printed; None for stdout.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._live = is_live(self._stream)
        self._interval_s = _LIVE_INTERVAL_S if self._live else _LOG_INTERVAL_S
        self._printed = False

    def __enter__(self) -> Self:
        return self

    def _print(self, line: str) -> None:
        print(live_line(line) if self._live else line, end="" if self._live else "\n", file=self._stream, flush=True)
        self._printed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live and self._printed:
            print(CLEAR_LINE, end="", file=self._stream, flush=True)


class ProgressLine(_Line):
    """Called with the work done and the whole work, prints how far it is and how long it will take.

    A context manager: the line of a terminal is cleared at the end.

    Args:
        what: What is done, such as "Reading the data".
        units: What is counted.
        stream: Where it is printed; None for stdout.
    """

    def __init__(self, what: str, units: str = "pictures", stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._what, self._units = what, units

    def __enter__(self) -> Self:
        self._started = self._last = time.monotonic()
        self._first: int | None = None
        return self

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done  # what an earlier run did says nothing about speed
        if now - self._started < _QUIET_S or now - self._last < self._interval_s:
            return
        self._last = now
        speed = (done - self._first) / (now - self._started)
        left = format_seconds((total - done) / speed) if speed > 0 else "?"
        self._print(f"{self._what}: {done:,} of {total:,} {self._units}, {speed:,.0f}/s, {left} left")


class WaitingLine(_Line):
    """Says what is being waited for, and for how long already.

    A context manager: the line of a terminal is cleared at the end.

    Args:
        stream: Where it is printed; None for stdout.
    """

    def wait(self, future: Future[T], what: str) -> T:
        """The result of work that another thread does; raises what it raises."""
        started = time.monotonic()
        while not wait([future], self._interval_s).done:
            self._print(f"{what}: {format_seconds(time.monotonic() - started)}")
        return future.result()


def counted(number: int, one: str, many: str = "") -> str:
    """Such as "1 picture", "12,340 pictures" or, with `many` given, "2 classes"."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def format_seconds(seconds: float) -> str:
    """Such as "45 s", "12 min 3 s" or "2 h 5 min"."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
