"""Signals that ask a command to end: they become KeyboardInterrupt, so that it ends as after Ctrl-C, cleaned up."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from stylegan_tf.stop_signals import heard_signals

_CLEANING_S = 5.0


@contextlib.contextmanager
def as_interrupts() -> Iterator[None]:
    """While the block runs, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt with the signal's number.

    Further signals in the first seconds after one change nothing, as they would break into the cleaning up: `timeout`
    and terminals send two. Signals that were ignored before, as with nohup, still are.
    """
    last = -_CLEANING_S

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() - last >= _CLEANING_S:
            last = time.monotonic()
            raise KeyboardInterrupt(number)

    with _handled(interrupt):
        yield


@contextlib.contextmanager
def kept_back() -> Iterator[None]:
    """Keeps these signals back until the block ends: to be used around imports, some of which swallow exceptions."""
    came: list[int] = []
    with _handled(lambda number, frame: came.append(number)):
        yield
    if came:
        raise KeyboardInterrupt(came[0])


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():  # others cannot handle signals
        before = {number: signal.signal(number, handler) for number in heard_signals()}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
