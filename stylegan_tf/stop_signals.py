"""The signals that ask a program to end: those of Ctrl-C, of `kill` and batch systems, and of a closed terminal."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

# SIGHUP, of a terminal that goes away, is not on Windows.
STOP_SIGNALS = [signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in signal.Signals.__members__]


def heard_signals() -> list[signal.Signals]:
    """Those that are not ignored, as nohup and shells have it for what they start in the background."""
    return [number for number in STOP_SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]


@contextlib.contextmanager
def told_at_once(tell: Callable[[], None]) -> Iterator[None]:
    """While the block runs, tells of these signals at once, in a thread.

    Handlers wait until the main thread is in Python again: a compiler may keep it for seconds.

    Args:
        tell: Called once for each signal. It must lock what it shares with the main thread.
    """
    numbers = set(heard_signals())
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        while came := reading.recv(1):
            if came[0] in numbers:
                tell()

    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writing.shutdown(socket.SHUT_RDWR)  # ends the thread, also where a child process has the socket, too
        writing.close()
        thread.join()
        reading.close()
