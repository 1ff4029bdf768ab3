"""What a function is traced for: the same numbers come cheapest from other operations on a CPU, in XLA, on a device."""

from __future__ import annotations

import contextlib
import contextvars
import enum
from collections.abc import Iterator


class Target(enum.Enum):
    """Where the traced operations will run.

    Attributes:
        TENSORFLOW: Wherever TensorFlow does, and in model servers; the default.
        PORTABLE: In TensorFlow Lite or ONNX, which lack some operations.
        CPU: In this process, on a CPU: what gains by it is compiled by itself.
        XLA: In a function that XLA compiles as a whole.
    """

    TENSORFLOW = "tensorflow"
    PORTABLE = "portable"
    CPU = "cpu"
    XLA = "xla"


_TARGET = contextvars.ContextVar("target", default=Target.TENSORFLOW)


def current_target() -> Target:
    """That of the innermost `tracing_for`."""
    return _TARGET.get()


@contextlib.contextmanager
def tracing_for(target: Target) -> Iterator[None]:
    """While the block runs, what is traced is meant for a target."""
    token = _TARGET.set(target)
    try:
        yield
    finally:
        _TARGET.reset(token)
