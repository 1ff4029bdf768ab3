"""NumPy's arrays and numbers in pickles, of any version of NumPy, rebuilt from their bytes without its functions."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from stylegan_tf.pickles.machine import Builder, is_shape, require_plain


class PickledType:
    """The type of an array's elements; its byte order comes as a state.

    Args:
        code: Such as "f4".
    """

    def __init__(self, code: Any, *_: Any) -> None:
        require_plain(
            isinstance(code, str) and re.fullmatch(r"[<>|=]?(b1|[fiu][248]|[iu]1)", code) is not None,
            "arrays of numbers only",
        )
        self.type = np.dtype(code)

    def set_state(self, state: Any) -> None:
        """Sets the byte order, the second entry of the state."""
        require_plain(isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="), "a byte order")
        self.type = self.type.newbyteorder(state[1])


class PickledArray:
    """An array; its shape and numbers come as a state, or at once.

    Its numbers are looked at when it is asked for them.
    """

    def __init__(self, *_: Any) -> None:
        self._parts: tuple[Any, ...] | None = None

    def set_state(self, state: Any) -> None:
        """Takes (version, shape, type, column-major, numbers)."""
        require_plain(isinstance(state, tuple) and len(state) == 5, "an array's state")
        _, shape, kind, column_major, numbers = state
        self.set_parts(shape, kind, "F" if column_major else "C", numbers)

    def set_parts(self, shape: Any, kind: Any, order: Any, numbers: Any) -> None:
        """Takes shape, `PickledType`, "C" or "F", and bytes. Raises ValueError unless they fit each other."""
        if isinstance(numbers, str):  # the bytes of a string of Python 2
            numbers = numbers.encode("latin-1")
        require_plain(
            is_shape(shape)
            and isinstance(kind, PickledType)
            and order in ("C", "F")
            and isinstance(numbers, (bytes, bytearray)),
            "an array's shape, type, order and bytes",
        )
        needed = math.prod(shape) * kind.type.itemsize
        require_plain(len(numbers) == needed, f"an array of {needed} bytes instead of {len(numbers)}")
        self._parts = (tuple(shape), kind.type, order, numbers)

    def read(self) -> np.ndarray:
        """The array: a view of the bytes, not to be changed. Raises ValueError when it never got any."""
        require_plain(self._parts is not None, "an array that has numbers")
        shape, kind, order, numbers = self._parts  # type: ignore[misc]
        array = np.frombuffer(numbers, kind).reshape(shape, order=order)
        array.flags.writeable = False
        return array


def _scalar(kind: Any, numbers: Any = b"") -> float | int:
    array = PickledArray()
    array.set_parts((), kind, "C", numbers)
    return array.read().item()


def _array_from_buffer(numbers: Any, kind: Any, shape: Any, order: Any) -> PickledArray:
    array = PickledArray()
    array.set_parts(shape, kind, order, numbers)
    return array


def _encoded(text: Any, encoding: Any) -> bytes:
    """How protocols below 3 write bytes."""
    require_plain(isinstance(text, str) and encoding in ("latin1", "latin-1"), "bytes")
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    """How protocols below 3 write bytes that are none."""
    return b""


# NumPy's modules were renamed in version 2.
NUMPY_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): Builder(PickledType),
    ("numpy", "ndarray"): None,
    ("_codecs", "encode"): Builder(_encoded),
    ("__builtin__", "bytes"): Builder(_no_bytes),
    **{
        (f"numpy.{core}.{module}", name): builder
        for core in ("core", "_core")
        for module, name, builder in (
            ("multiarray", "_reconstruct", Builder(PickledArray)),
            ("multiarray", "scalar", Builder(_scalar)),
            ("numeric", "_frombuffer", Builder(_array_from_buffer)),
        )
    },
}
