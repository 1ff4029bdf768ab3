"""Worker processes that start quickly, report how far they are, stop when asked, and never outlive their parent.

And threads, for what lets go of Python's lock: reading files, copying large arrays, Pillow's decoding.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, TypeVar

from stylegan_tf.errors import UserError
from stylegan_tf.progress import counted
from stylegan_tf.stop_signals import STOP_SIGNALS, heard_signals

T = TypeVar("T")
R = TypeVar("R")

# Images of so many bytes together are worth being read and copied in threads.
WORTH_THREADS_BYTES = 2**20
# Pictures that are in memory and on their way to a process, or being read there, have at most so many bytes together,
# or are one.
IN_FLIGHT_BYTES = 2**28

# What a terminal sends to all processes: the parent decides.
_OF_TERMINALS = [number for number in STOP_SIGNALS if number != signal.SIGTERM]
_PARENT_CHECK_S = 1.0
_POLL_S = 0.2

# Of a worker process, set when it starts; None in any other process.
_stop: Any = None
_counter: Any = None


class StoppedError(Exception):
    """Raised in a worker whose work is not wanted any more."""


class Pool:
    """What `pool` gives: an executor of worker processes, and how many units of work they have done.

    Attributes:
        executor: Submit picklable functions to it.
        size: Number of processes.
    """

    def __init__(self, executor: Executor, size: int, counter: Any, interrupts: Sequence[int] = ()) -> None:
        self.executor = executor
        self.size = size
        self._counter = counter
        self._interrupts = interrupts

    @property
    def done(self) -> int:
        """Units that workers have told of with `advance`."""
        return int(self._counter.value)

    def run(
        self,
        function: Callable[[T], R],
        tasks: Iterable[T],
        progress: Callable[[int], None] | None = None,
        size_of: Callable[[T], int] | None = None,
    ) -> Iterator[R]:
        """Runs tasks in the workers and gives results as they come, not in order.

        Tasks are taken from the iterable only a few ahead, so that it may be long.

        Args:
            function: Of a module, so that workers find it.
            tasks: Its arguments.
            progress: Called about every 0.2 seconds with `done`.
            size_of: Bytes that come along with a task. No task is begun while those under way would have more than
                `IN_FLIGHT_BYTES` together, unless there are none.

        Raises:
            Exception: What a task raises, at once; other tasks are stopped when the pool is left.
            ValueError: A worker ended, for example because memory ran out.
            KeyboardInterrupt: With the signal's number, after SIGINT, SIGTERM or SIGHUP.
        """
        try:
            yield from self._results(function, iter(tasks), progress, size_of or (lambda task: 0))
        except concurrent.futures.BrokenExecutor as error:
            if self._interrupts:  # which ended the workers, too
                raise KeyboardInterrupt(self._interrupts[0]) from None
            raise UserError(
                "A worker process ended unexpectedly. If memory ran out, use fewer workers; a script that starts them "
                f'needs `if __name__ == "__main__":` around its main part. Received: {counted(self.size, "worker")}.'
            ) from error

    def _results(
        self,
        function: Callable[[T], R],
        remaining: Iterator[T],
        progress: Callable[[int], None] | None,
        size_of: Callable[[T], int],
    ) -> Iterator[R]:
        running: dict[Future[R], int] = {}
        task: Any = None
        while True:
            while len(running) < 2 * self.size:
                task = next(remaining, _END) if task is None else task
                if task is _END or (running and size_of(task) + sum(running.values()) > IN_FLIGHT_BYTES):
                    break
                with _without_interrupts():
                    running[self.executor.submit(function, task)] = size_of(task)
                task = None
            if not running:
                break
            finished, _ = concurrent.futures.wait(running, _POLL_S, concurrent.futures.FIRST_COMPLETED)
            for future in finished:
                del running[future]
            if self._interrupts:
                raise KeyboardInterrupt(self._interrupts[0])
            if progress is not None:
                progress(self.done)
            for future in finished:
                yield future.result()


_END: Any = object()


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Lets processes that are started here inherit that they do not listen to terminals, even before `_start`."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows, where a process inherits no such thing
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_TERMINALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _noted_interrupts() -> Iterator[list[int]]:
    """Notes these signals, and raises KeyboardInterrupt when the block ends, if it did not raise it itself.

    Breaking in anywhere, they could leave one of the executor's locks locked, and the process would wait for ever.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # where signals cannot be handled
        yield noted
        return
    before = {number: signal.signal(number, lambda got, _: noted.append(got)) for number in heard_signals()}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if noted:
        raise KeyboardInterrupt(noted[0])


@contextlib.contextmanager
def pool(max_workers: int | None = None) -> Iterator[Pool]:
    """Starts worker processes; when the block is left by an exception they stop at their next `check_stop`.

    SIGINT, SIGTERM and SIGHUP end `Pool.run` with KeyboardInterrupt.

    They are new processes ("spawn"), not copies of this one, which may have threads: a program that calls this must
    guard its main part with `if __name__ == "__main__"`.

    Args:
        max_workers: Number of processes; None for one for each core.
    """
    size = max_workers or core_count()
    context = multiprocessing.get_context("spawn")
    with _without_interrupts():  # a process that keeps count of these is started here
        stop, counter = context.Event(), context.Value("q", 0)
    with _noted_interrupts() as interrupts:
        executor = ProcessPoolExecutor(size, context, _start, (stop, counter, os.getpid()))
        try:
            yield Pool(executor, size, counter, interrupts)
        except BaseException:
            stop.set()
            raise
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def core_count() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def advance(units: int = 1) -> None:
    """Tells, in a worker, that so many units of work are done."""
    if _counter is not None:
        with _counter.get_lock():
            _counter.value += units


def check_stop() -> None:
    """Raises StoppedError in a worker whose work is not wanted any more."""
    if _stop is not None and _stop.is_set():
        raise StoppedError


def for_each(function: Callable[[int], None], count: int, *, in_threads: bool) -> None:
    """Calls `function` with 0 .. count - 1, in a few threads or in this one."""
    pool = _threads() if in_threads else None
    size = core_count() if in_threads else 1
    parts = [range(start, count, size) for start in range(1, size)]
    try:
        futures = [pool.submit(_call_each, function, part) for part in parts] if pool else []
    except RuntimeError:  # while Python shuts down
        futures, size = [], 1
    _call_each(function, range(0, count, size))
    for future in futures:
        future.result()


def _call_each(function: Callable[[int], None], numbers: range) -> None:
    for number in numbers:
        function(number)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(core_count(), "stylegan_tf_data")


def _start(stop: Any, counter: Any, parent: int) -> None:
    """Prepares a worker process."""
    global _stop, _counter
    _stop, _counter = stop, counter
    for number in _OF_TERMINALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    """Ends this process when its parent is gone: a killed parent would leave it waiting for ever."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_S)
    os._exit(1)
