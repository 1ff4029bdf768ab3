"""Tells whether the training run in this container goes on: exit code 0 if so, 1 if it has stalled.

A run writes a line to its log.txt every few seconds. When the newest line is older than STALLED_AFTER_S seconds
(environment variable; by default an hour, since measuring metrics at a high resolution writes nothing for long), the
run has stalled. A run that has not begun to train reads or prepares its data, which may take hours: it is healthy. So
is a container that does something else.

A script that needs the standard library alone: it runs every minute.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

DEFAULT_STALLED_AFTER_S = 3600.0
DEFAULT_PRESET = "tiny-stylegan1"


def main() -> int:
    """Looks at the container's first process and its run's log; prints one line."""
    arguments = Path("/proc/1/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    if not any(Path(argument).name == "train.py" for argument in arguments):
        print("no training here")
        return 0
    limit = float(os.environ.get("STALLED_AFTER_S", DEFAULT_STALLED_AFTER_S))
    log = Path("/proc/1/cwd") / run_directory(arguments) / "log.txt"
    healthy, message = judge(log, started("1"), time.time(), limit)
    print(message)
    return 0 if healthy else 1


def run_directory(arguments: Sequence[str]) -> str:
    """Where a run with these arguments writes: --run_dir, or runs/PRESET."""
    given = {}
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.lstrip("-").partition("=")
        if argument.startswith("-"):
            given[name] = value if equals else following
    return given.get("run_dir") or f"runs/{given.get('preset') or DEFAULT_PRESET}"


def started(process: str) -> float:
    """When a process was started, in seconds since 1970."""
    boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    return float(boot.split()[1]) + int(ticks) / os.sysconf("SC_CLK_TCK")


def judge(log: Path, started_at: float, now: float, stalled_after_s: float) -> tuple[bool, str]:
    """Whether a run is healthy, and a line that says why.

    Args:
        log: The run's log; it need not exist.
        started_at: When the process was started, in seconds since 1970.
        now: The time, likewise.
        stalled_after_s: Seconds without a line after which a run has stalled.
    """
    # One second more: the time of the boot is known in whole seconds.
    if not log.exists() or log.stat().st_mtime < started_at - 1:
        return True, f"not training yet, started {now - started_at:.0f} s ago"
    silence = now - log.stat().st_mtime
    if silence > stalled_after_s:
        return False, f"stalled: nothing written to {log} for {silence:.0f} s"
    return True, f"training, wrote to its log {silence:.0f} s ago"


if __name__ == "__main__":
    sys.exit(main())
