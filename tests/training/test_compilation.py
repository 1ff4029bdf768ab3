"""Which form of a phase runs, while XLA compiles and afterwards."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
import tensorflow as tf

from stylegan_tf.background import BackgroundWorker, background_is_busy
from stylegan_tf.training.compilation import TIMED_CALLS, PhaseFunctions


class Step:
    """Phases that say in which form they ran; compiling lasts until it is released."""

    def __init__(self, plain_s=0.0, compiled_s=0.0, error=None):
        self.seconds = {False: plain_s, True: compiled_s}
        self.error = error
        self.begun, self.release = threading.Event(), threading.Event()
        self.compiled = []

    def compile(self, kind, xla=False):
        def run(x):
            time.sleep(self.seconds[xla])
            return {"xla": xla}

        return SimpleNamespace(get_concrete_function=lambda x: run)

    def compile_gradients(self, kind, arguments):
        self.begun.set()
        assert self.release.wait(60.0)
        if self.error is not None:
            raise self.error
        self.compiled.append(kind)

    def describe(self, kind):
        return kind


@pytest.fixture
def lines():
    return []


def wait_for_background():
    deadline = time.monotonic() + 60.0
    while background_is_busy():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def calls(functions, number, kind="generator at 8x8"):
    return [functions[kind](1)["xla"] for _ in range(number)]


def ready(functions, step, kind="generator at 8x8"):
    step.release.set()
    functions.prepare([kind], [1])
    functions.close()
    wait_for_background()


@pytest.mark.parametrize(("plain_s", "compiled_s", "kept"), [(0.003, 0.0, True), (0.0, 0.003, False)])
def test_auto_begins_without_xla_and_keeps_what_is_faster(lines, plain_s, compiled_s, kept):
    step = Step(plain_s, compiled_s)
    functions = PhaseFunctions(step, "auto", lines.append)
    functions.prepare(["generator at 8x8"], [1])
    assert not any(calls(functions, 5)) and not lines
    ready(functions, step)
    trial = calls(functions, 2 * (TIMED_CALLS + 1))
    assert trial == [False, True] * (TIMED_CALLS + 1)
    assert calls(functions, 3) == [kept] * 3
    assert len(lines) == 1 and f"continues {'with' if kept else 'without'} it (compiled in" in lines[0]
    assert lines[0].startswith("generator at 8x8 takes ")


def test_what_xla_cannot_compile_goes_on_without_it(lines):
    step = Step(error=tf.errors.ResourceExhaustedError(None, None, "out of memory\nand more"))
    functions = PhaseFunctions(step, "auto", lines.append)
    functions.prepare(["generator at 8x8"], [1])
    ready(functions, step)
    assert not any(calls(functions, 50))
    assert lines == ["XLA could not compile generator at 8x8, which continues without it: out of memory"]


def test_on_waits_and_says_for_what(monkeypatch, capsys):
    monkeypatch.setattr("stylegan_tf.progress._LOG_INTERVAL_S", 0.05)
    step = Step()
    threading.Timer(0.3, step.release.set).start()
    functions = PhaseFunctions(step, "on", print)
    functions.prepare(["generator at 8x8", "critic at 8x8"], [1])
    assert step.compiled == ["generator at 8x8", "critic at 8x8"]
    assert calls(functions, 2) == [True, True]
    printed = capsys.readouterr().out
    assert printed.startswith("XLA compiles generator at 8x8, phase 1 of 2: 0 s\n")
    functions.close()


def test_on_fails_with_what_xla_says():
    step = Step(error=tf.errors.UnimplementedError(None, None, "not for this device"))
    step.release.set()
    functions = PhaseFunctions(step, "on", print)
    with pytest.raises(tf.errors.UnimplementedError, match="not for this device"):
        functions.prepare(["generator at 8x8"], [1])
    functions.close()


def test_other_kinds_end_what_waits_to_be_compiled(lines):
    step = Step()
    functions = PhaseFunctions(step, "auto", lines.append)
    functions.prepare(["generator at 4x4", "critic at 4x4"], [1])
    assert step.begun.wait(60.0)
    functions.prepare(["generator at 8x8"], [1])
    ready(functions, step)
    assert sorted(step.compiled) == ["generator at 4x4", "generator at 8x8"]
    assert not any(calls(functions, 50, "critic at 4x4"))


def test_off_never_compiles():
    step = Step()
    functions = PhaseFunctions(step, "off", print)
    functions.prepare(["generator at 8x8"], [1])
    assert not any(calls(functions, 3)) and not background_is_busy()


def test_a_worker_without_work_is_not_busy():
    """Whoever forgot to shut it down: its thread alone keeps nobody waiting."""
    worker, release = BackgroundWorker(), threading.Event()
    worker.submit(release.wait, 60.0)
    waiting = worker.submit(time.sleep, 0.0)
    assert background_is_busy()
    waiting.cancel()
    release.set()
    wait_for_background()
    worker.shutdown()
