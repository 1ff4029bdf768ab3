"""Counts what reading a pickle takes, in steps instead of seconds: equal on every machine, and under any load.

Every instruction is a step; so are every hash and comparison of a number or word from the file, long ones more than
one. With `calls`, every call of a function is one, too.
"""

from __future__ import annotations

import contextlib
import pickletools
import sys
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

from stylegan_tf.pickles import machine


class Steps:
    """Steps so far."""

    def __init__(self) -> None:
        self.count = 0


def _kinds(steps: Steps) -> dict[type, Any]:
    """Numbers and words that count how often they are hashed and compared."""

    class Number(int):
        def __hash__(self) -> int:
            steps.count += 1
            return int.__hash__(self)

        def __eq__(self, other: object) -> bool:
            steps.count += 1 + self.bit_length() // 1000
            return int.__eq__(self, other)

    class Word(str):
        def __hash__(self) -> int:
            steps.count += 1
            return str.__hash__(self)

        def __eq__(self, other: object) -> bool:
            steps.count += 1 + len(self) // 100
            return str.__eq__(self, other)

    return {int: Number, str: Word}


@contextlib.contextmanager
def counting(calls: bool = False) -> Iterator[Steps]:
    """Counts the steps of everything that is read meanwhile."""
    steps = Steps()
    kinds = _kinds(steps)

    def instructions(file: Any) -> Iterator[tuple[Any, Any, int | None]]:
        for opcode, argument, place in pickletools.genops(file):
            steps.count += 1
            yield opcode, kinds.get(type(argument), lambda value: value)(argument), place

    def called(_frame: Any, event: str, _what: Any) -> None:
        steps.count += event in ("call", "c_call")

    with mock.patch.object(machine, "pickletools", types.SimpleNamespace(genops=instructions)):
        try:
            sys.setprofile(called if calls else None)
            yield steps
        finally:
            sys.setprofile(None)
