"""XLA for the phases of a step: waited for, or compiled beside the training and kept where it is faster."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from stylegan_tf.background import BackgroundWorker
from stylegan_tf.printing import printable
from stylegan_tf.progress import WaitingLine, format_seconds
from stylegan_tf.training.gradients import StepKind

PhaseFunction = Callable[..., dict[str, tf.Tensor]]

# Calls of each form that are timed, behind a first one that is not.
TIMED_CALLS = 20


class CompilesPhases(Protocol):
    """What a training step offers."""

    def compile(self, kind: StepKind, xla: bool = False) -> Callable[..., Any]:
        """The `tf.function` of a phase, with or without XLA."""

    def compile_gradients(self, kind: StepKind, arguments: Sequence[Any]) -> None:
        """Has XLA compile what the function with XLA will run. Changes nothing."""

    def describe(self, kind: StepKind) -> str:
        """Such as "generator at 32x32"."""


class _Compiled(NamedTuple):
    function: PhaseFunction
    seconds: float


class PhaseFunctions:
    """The function of each kind of phase.

    Args:
        step: Makes them.
        xla: "off"; "on", which waits for what XLA compiles; or "auto", which continues without it, compiles beside the
            training, times both forms and keeps the faster.
        tell: Is told in a line what was chosen.
    """

    def __init__(self, step: CompilesPhases, xla: str, tell: Callable[[str], None]) -> None:
        self._step, self._xla, self._tell = step, xla, tell
        self._functions: dict[StepKind, PhaseFunction] = {}
        self._worker = BackgroundWorker()

    def prepare(self, kinds: Sequence[StepKind], arguments: Sequence[Any]) -> None:
        """Makes the functions of kinds that are needed soon, of whichever kinds came before.

        With XLA "on" it takes as long as XLA does, and says on a line what is being compiled. A `BaseException` that a
        signal raises may leave it at any time.
        """
        new = [kind for kind in kinds if kind not in self._functions]
        if not new:
            return
        self.close()
        self._worker = BackgroundWorker()
        if self._xla == "on":
            with WaitingLine() as line:
                for index, kind in enumerate(new):
                    what = f"XLA compiles {self._step.describe(kind)}, phase {index + 1} of {len(new)}"
                    compiled = line.wait(self._worker.submit(self._compile, kind, arguments), what)
                    self._functions[kind] = compiled.function
            return
        for kind in new:
            plain = _concrete(self._step.compile(kind), arguments)
            self._functions[kind] = plain
            if self._xla == "auto":
                compiling = self._worker.submit(self._compile, kind, arguments)
                self._functions[kind] = _FasterOfTwo(plain, compiling, self._step.describe(kind), self._tell)

    def __getitem__(self, kind: StepKind) -> PhaseFunction:
        return self._functions[kind]

    def close(self) -> None:
        """Gives up what has not been begun."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _compile(self, kind: StepKind, arguments: Sequence[Any]) -> _Compiled:
        started = time.monotonic()
        function = _concrete(self._step.compile(kind, xla=True), arguments)
        self._step.compile_gradients(kind, arguments)
        return _Compiled(function, time.monotonic() - started)


class _FasterOfTwo:
    """A phase that goes on without XLA until it is compiled, then in both forms by turns, then in the faster one."""

    def __init__(
        self, plain: PhaseFunction, compiling: Future[_Compiled], name: str, tell: Callable[[str], None]
    ) -> None:
        self._chosen = plain
        self._compiling: Future[_Compiled] | None = compiling
        self._name, self._tell = name, tell
        self._trial: list[tuple[PhaseFunction, list[float]]] = []
        self._compiled_in = 0.0

    def __call__(self, *arguments: Any) -> dict[str, tf.Tensor]:
        if self._compiling is not None and self._compiling.done():
            self._begin_trial(self._compiling)
            self._compiling = None
        if not self._trial:
            return self._chosen(*arguments)
        function, times = min(self._trial, key=lambda form: len(form[1]))
        tf.test.experimental.sync_devices()
        started = time.perf_counter()
        report = function(*arguments)
        tf.test.experimental.sync_devices()
        times.append(time.perf_counter() - started)
        if all(len(times) > TIMED_CALLS for _, times in self._trial):
            self._choose()
        return report

    def _begin_trial(self, compiling: Future[_Compiled]) -> None:
        if compiling.cancelled():
            return
        error = compiling.exception()
        if error is not None:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._tell(f"XLA could not compile {self._name}, which continues without it: {printable(reason)}")
            return
        function, self._compiled_in = compiling.result()
        self._trial = [(self._chosen, []), (function, [])]

    def _choose(self) -> None:
        plain, compiled = (1000.0 * statistics.median(times[1:]) for _, times in self._trial)
        faster = compiled < plain
        self._chosen = self._trial[1 if faster else 0][0]
        self._trial = []
        self._tell(
            f"{self._name} takes {compiled:.1f} ms with XLA, {plain:.1f} ms without, and continues "
            f"{'with' if faster else 'without'} it (compiled in {format_seconds(self._compiled_in)})"
        )


def _concrete(function: Callable[..., Any], arguments: Sequence[Any]) -> PhaseFunction:
    """The function traced for arguments, without the search for the right trace that every call would make."""
    if tf.config.functions_run_eagerly():
        return function
    concrete: PhaseFunction = function.get_concrete_function(*arguments)  # type: ignore[attr-defined]
    return concrete
