"""The log of a run."""

from __future__ import annotations

import time

from stylegan_tf import live
from stylegan_tf.files import disk_errors
from stylegan_tf.printing import printable_lines
from stylegan_tf.runs.directory import RunDirectory


class Logger:
    """Prints lines and appends them, with the time, to the run's log."""

    def __init__(self, directory: RunDirectory) -> None:
        self.path = directory.log_file

    def __call__(self, text: str) -> None:
        live.erase()
        print(text, flush=True)
        self.to_file(text)

    def to_file(self, text: str) -> None:
        """Appends to the log only."""
        with disk_errors(self.path), self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {printable_lines(text)}\n")
