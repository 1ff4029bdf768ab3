"""The training loop: run the steps, and each action that is due."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from stylegan_tf.data.pipeline import ImagePipeline
from stylegan_tf.training.actions import Action, Progress
from stylegan_tf.training.schedule import Period, Schedule
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.statistics import Statistics
from stylegan_tf.training.steps import TrainingStep


class StopRequest:
    """Remembers the first SIGINT or SIGTERM; a second one of SIGINT interrupts at once."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self, number: int, frame: Any) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number


@contextlib.contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While the block runs, SIGINT and SIGTERM ask for a stop instead of making one."""
    request = StopRequest()
    previous = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def train(
    state: TrainState,
    schedule: Schedule,
    step: TrainingStep,
    pipeline: ImagePipeline,
    actions: Sequence[Action],
    *,
    images_seen: int = 0,
    stop: StopRequest | None = None,
) -> Progress:
    """Trains from `images_seen` to the schedule's end, or until a stop is requested.

    Args:
      state: restored to `images_seen`.
      schedule: the clock.
      step: the compiled steps.
      pipeline: the reals.
      actions: run in order after every step in which they are due.
      images_seen: where to start.
      stop: looked at after every step.

    Returns:
      How far it came.

    Raises:
      NonFiniteError: when a loss or a gradient is not finite any more.
    """
    loss_scaling = state.dtype_policy == "mixed_float16"
    progress = Progress(state, schedule, Statistics(loss_scaling), schedule.at(images_seen), images_seen)
    batches: Iterator[tuple[Any, Any]] = iter(())
    reading: tuple[int, int] | None = None
    started = time.monotonic()
    while progress.images_seen < schedule.total_images and not (stop and stop.signal):
        before = progress.images_seen
        stage = progress.stage = schedule.at(before)
        if stage.period.index != int(state.optimizer_period.numpy()):
            begin_period(state, stage.period)
        if reading != (stage.level, stage.batch_size):
            reading = (stage.level, stage.batch_size)
            batches = read_batches(pipeline, step.strategy, stage.period, before)
        state.set_learning_rate(stage.learning_rate)
        number = stage.step_at(before)
        due = [phase for phase in state.phases if phase.due(number)]
        progress.report = step(next(batches), stage.level, stage.batch_size, due, before, stage.fade_in)
        progress.images_seen = before + stage.batch_size
        progress.statistics.add(before, progress.report)
        progress.seconds = time.monotonic() - started
        for action in actions:
            if action.due(before, progress.images_seen):
                action.run(progress)
    return progress


def begin_period(state: TrainState, period: Period) -> None:
    """Resets the optimizers where the configuration says so, and remembers that it was done."""
    if state.config.schedule.reset_optimizers:
        state.reset_optimizers()
    state.optimizer_period.assign(period.index)


def read_batches(
    pipeline: ImagePipeline, strategy: tf.distribute.Strategy, period: Period, position: int
) -> Iterator[tuple[Any, Any]]:
    """Batches of a period from a position in the data, each spread over the strategy's devices.

    Raises:
      ValueError, OSError: images could not be read.
    """
    halvings = pipeline.image_set.sizes.index(period.size)
    batches = iter(pipeline.distributed_batches(strategy, halvings, period.batch_size, position))
    while True:
        try:
            batch = next(batches)
        except tf.errors.OpError as error:
            raise (pipeline.failure or error) from error
        yield batch
