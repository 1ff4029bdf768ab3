"""How far a long job is: a bar on a terminal, a line now and then in a log; numbers in such lines."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Self, TextIO, TypeVar

from stylegan_tf import live

T = TypeVar("T")

_LIVE_INTERVAL_S = 0.5
_LOG_INTERVAL_S = 10.0
_QUIET_S = 1.0  # jobs that are done before say nothing


class _Line:
    """Rows that are drawn anew on a terminal, or a line now and then in a log.

    A context manager: the rows of a terminal are taken away at the end.

    Args:
        stream: Where it is printed; None for stdout.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._live = live.is_live(self._stream)
        self._interval_s = _LIVE_INTERVAL_S if self._live else _LOG_INTERVAL_S

    def __enter__(self) -> Self:
        return self

    def _log(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        live.erase()


class ProgressLine(_Line):
    """Called with the work done and the whole work, shows how far it is and how long it will take.

    A context manager: the bar of a terminal is taken away at the end.

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
        numbers = f"{done:,} of {total:,} {self._units}, {speed:,.0f}/s, {left} left"
        if self._live:
            live.show(live.Bar(self._what, done / total if total else 1.0, numbers), self._stream)
        else:
            self._log(f"{self._what}: {numbers}")


class WaitingLine(_Line):
    """Says what is being waited for, and for how long already.

    A context manager: the line of a terminal is taken away at the end.

    Args:
        stream: Where it is printed; None for stdout.
    """

    def wait(self, future: Future[T], what: str) -> T:
        """The result of work that another thread does; raises what it raises."""
        started = time.monotonic()
        while not wait([future], self._interval_s).done:
            text = f"{what}: {format_seconds(time.monotonic() - started)}"
            if self._live:
                live.show(live.Row([text]), self._stream)
            else:
                self._log(text)
        return future.result()


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Says on a terminal what takes long and has no number, while the block runs."""
    if live.is_live():
        live.show(live.Row([f"{what} ..."]))
    try:
        yield
    finally:
        live.erase()


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
