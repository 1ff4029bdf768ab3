"""The signals that ask a program to end: those of Ctrl-C, of `kill` and batch systems, and of a closed terminal."""

from __future__ import annotations

import signal

# SIGHUP, of a terminal that goes away, is not on Windows.
STOP_SIGNALS = [signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in signal.Signals.__members__]


def heard_signals() -> list[signal.Signals]:
    """Those that are not ignored, as nohup and shells have it for what they start in the background."""
    return [number for number in STOP_SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
