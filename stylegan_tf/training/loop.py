"""The training loop: run the steps, and each action that is due."""

from __future__ import annotations

import contextlib
import functools
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from stylegan_tf import live
from stylegan_tf.configuration.schedule import Period, Schedule
from stylegan_tf.data.pipeline import ImagePipeline
from stylegan_tf.stop_signals import heard_signals, told_at_once
from stylegan_tf.training.actions import Action, LoopState
from stylegan_tf.training.memory import full_memory_told
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.steps import TrainingStep

_ONE_REQUEST_S = 0.5  # terminals and `timeout` send a signal to a process and to its group


class BrokenOffError(BaseException):
    """Leaves work that is broken off; no error handling on the way stops it."""


class StopRequest:
    """Remembers the first signal that asks for a stop; a second SIGINT, a moment later, interrupts at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._breakable = False
        self._came = 0.0

    def __call__(self, number: int, frame: Any) -> None:
        if self.signal is not None:
            if number == signal.SIGINT and time.monotonic() - self._came > _ONE_REQUEST_S:
                raise KeyboardInterrupt
            return
        self.signal, self._came = number, time.monotonic()
        if self._breakable:
            self._breakable = False
            raise BrokenOffError

    def check(self) -> None:
        """Raises BrokenOffError when a stop was requested: for long work to ask now and then."""
        if self.signal is not None:
            raise BrokenOffError

    def breakable(self, work: Callable[[], Any]) -> bool:
        """Does work that may take long, and that a request for a stop leaves at once, unfinished.

        Args:
            work: Must change nothing that is saved later.

        Returns:
            Whether it came to its end. False without beginning it when a stop was requested before.
        """
        try:
            self._breakable = True
            try:
                self.check()
                work()
            finally:
                self._breakable = False
        except BrokenOffError:
            return False
        except Exception as error:
            if self.signal is not None and _came_from_breaking(error):
                return False
            raise
        return True


def _came_from_breaking(error: BaseException | None) -> bool:
    """Whether C code on the way, which expects no exception there, made another one of a `BrokenOffError`."""
    while error is not None and not isinstance(error, BrokenOffError):
        error = error.__cause__ or error.__context__
    return error is not None


@contextlib.contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While the block runs, SIGINT, SIGTERM and SIGHUP ask for a stop instead of making one.

    A terminal shows at once that they came. Those that are ignored, as SIGHUP under nohup, stay ignored.
    """
    request = StopRequest()
    previous = {number: signal.signal(number, request) for number in heard_signals()}
    try:
        with told_at_once(_show_stopping):
            yield request
    finally:
        with contextlib.suppress(OSError):  # of a terminal that went away
            live.erase()  # where a signal came last of all
        for number, handler in previous.items():
            signal.signal(number, handler)


def _show_stopping() -> None:
    with contextlib.suppress(OSError):
        if live.is_live():
            live.show(live.Row(["Stopping ..."]))


class Breakable(Action):
    """An action that a request for a stop breaks off.

    Args:
        action: Which must change nothing that is saved later.
        stop: The request.
    """

    def __init__(self, action: Action, stop: StopRequest) -> None:
        self.action, self.stop = action, stop

    def due(self, before: int, now: int) -> bool:
        """As the action says."""
        return self.action.due(before, now)

    def run(self, loop: LoopState) -> None:
        """Runs the action, as far as it comes."""
        self.stop.breakable(functools.partial(self.action.run, loop))

    def finish(self, loop: LoopState) -> None:
        """Finishes it, as far as it comes; after Ctrl-C whole: somebody is there to look at it, or to press again."""
        if self.stop.signal == signal.SIGINT:
            self.action.finish(loop)
        else:
            self.stop.breakable(functools.partial(self.action.finish, loop))


def train(
    loop: LoopState,
    step: TrainingStep,
    pipeline: ImagePipeline,
    actions: Sequence[Action],
    *,
    stop: StopRequest | None = None,
) -> None:
    """Trains from where the loop stands to the schedule's end, or until a stop is requested.

    A stop that is requested while steps are prepared, or during the first one, which takes long, breaks it off; of the
    first step, the weights are not to be used then, and the clock has not moved.

    Args:
        loop: Its state is restored to its clock. It is moved, and tells how far the training came.
        step: The compiled steps.
        pipeline: The reals.
        actions: Run in order after every step in which they are due.
        stop: Looked at after every step; None for none.

    Raises:
        NonFiniteError: When a loss or a gradient is not finite any more.
        FullMemoryError: When a step does not fit into a device's memory.
    """
    stop = stop or StopRequest()
    state, schedule = loop.state, loop.schedule
    batches: Iterator[tuple[Any, Any]] = iter(())
    reading: tuple[int, int] | None = None
    first, started = loop.images_seen, time.monotonic()
    while loop.images_seen < schedule.total_images and not stop.signal:
        before = loop.images_seen
        stage = loop.stage = schedule.at(before)
        if stage.period.index != int(state.optimizer_period.numpy()):
            begin_period(state, schedule, stage.period)
        is_new = reading != (stage.level, stage.batch_size)
        if is_new:
            reading = (stage.level, stage.batch_size)
            batches = read_batches(pipeline, step.strategy, stage.period, before)
        state.follow(stage)
        batch = next(batches)
        prepare = functools.partial(step.prepare, batch, stage.level, stage.batch_size, state.phases)
        work = functools.partial(_take_step, loop, step, batch)
        with full_memory_told(stage, step.share_at_once(stage.batch_size)):
            if is_new and not stop.breakable(prepare):
                break
            if before > first:
                work()
            elif not stop.breakable(work):
                break
        loop.images_seen = before + stage.batch_size
        loop.statistics.add(before, loop.report)
        loop.seconds = time.monotonic() - started
        for action in actions:
            if action.due(before, loop.images_seen):
                action.run(loop)


def _take_step(loop: LoopState, step: TrainingStep, batch: tuple[Any, Any]) -> None:
    stage, number = loop.stage, loop.stage.step_at(loop.images_seen)
    phases = [phase for phase in loop.state.phases if phase.due(number)]
    loop.report = step(batch, stage.level, stage.batch_size, phases, loop.images_seen, stage.fade_in)


def begin_period(state: TrainState, schedule: Schedule, period: Period) -> None:
    """Resets the optimizers where the configuration says so, and remembers that it was done.

    Where only the batch size changes, nothing is forgotten.
    """
    passed = schedule.periods[int(state.optimizer_period.numpy()) + 1 : period.index + 1]
    if state.config.schedule.reset_optimizers and any(begun.into_level == 0 for begun in passed):
        state.reset_optimizers()
    state.optimizer_period.assign(period.index)


def read_batches(
    pipeline: ImagePipeline, strategy: tf.distribute.Strategy, period: Period, position: int
) -> Iterator[tuple[Any, Any]]:
    """Batches of a period from a position in the data, each spread over the strategy's devices.

    Raises:
        ValueError, OSError: Images could not be read.
    """
    halvings = pipeline.image_set.sizes.index(period.size)
    batches = iter(pipeline.distributed_batches(strategy, halvings, period.batch_size, position))
    while True:
        try:
            batch = next(batches)
        except tf.errors.OpError as error:
            raise (pipeline.take_failure() or error) from error
        yield batch
