"""A profile of some training steps, for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import tensorflow as tf

from stylegan_tf.training.actions import Action, LoopState


class Profile(Action):
    """Records the steps FIRST to LAST of this process, counted from 1.

    Steps are those of the process, so that a run that is resumed can be profiled wherever it is. A context manager: a
    recording that has begun is finished when the block ends, for whatever reason.

    Args:
        steps: FIRST, at least 2, and LAST.
        folder: The log directory; the profile goes to its `plugins/profile`.
        log: Writes a line to the log.
    """

    def __init__(self, steps: tuple[int, int], folder: Path, log: Callable[[str], None]) -> None:
        self.first, self.last = steps
        self.folder = folder
        self.log = log
        self.recording = False
        self._ended = False
        self._count = 0
        self._marker: Any = None

    def __enter__(self) -> Profile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def due(self, before: int, now: int) -> bool:
        """Up to the last one."""
        return self._count < self.last

    def run(self, loop: LoopState) -> None:
        """Counts; ends the marker of the step that just ended, and begins that of the next one."""
        self._count += 1
        if self._count < self.first - 1:
            return
        loop.statistics.newest()  # waits for the device
        if not self.recording:
            tf.profiler.experimental.start(str(self.folder))
            self.recording = True
        self._end_marker()
        if self._count == self.last:
            self._stop()
        else:
            self._marker = tf.profiler.experimental.Trace("train", step_num=self._count + 1, _r=1)
            self._marker.__enter__()

    def finish(self, loop: LoopState) -> None:
        """Ends the recording, before what else is done at the end gets into it."""
        self._end()

    def _end(self) -> None:
        if self.recording:
            self._stop()
        elif self._count < self.first - 1 and not self._ended:
            self.log(f"Nothing was profiled: this run ended after {self._count} steps, before step {self.first}.")
        self._ended = True

    def _stop(self) -> None:
        self._end_marker()
        self.recording = False
        tf.profiler.experimental.stop()
        steps = f"steps {self.first} to {self._count}" if self._count >= self.first else "no whole step"
        self.log(f"The profile of {steps} lies in {self.folder / 'plugins' / 'profile'}")

    def _end_marker(self) -> None:
        if self._marker is not None:
            self._marker.__exit__(None, None, None)
            self._marker = None
