"""The machine that a pickle is a program for, without its dangerous half.

Python's own machine imports whatever a pickle names and calls it. This one knows plain values only, and for each name a
caller's allow-list: either a value that stands for it, or a `Builder`, which puts arguments into a record of ours. The
standard library's `pickletools` splits the file into opcodes; what a file can demand is bounded by its own size.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import mmap
import os
import pickletools
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, cast

from stylegan_tf.errors import UserError

# Published networks have ten or twenty thousand; each may take a hundred bytes of memory, however short it is.
MOST_OPCODES = 500_000

# How often builders may get everything that was read: once or twice in files that are meant well. Remembering lets a
# short file hand a long value over again and again, to be copied or looked through.
_MOST_HANDED_OVER = 4
_LARGEST_NUMBER_BITS = 4096

# Python hides from nobody where a dictionary keeps a number: a file can choose numbers that all belong into one place,
# and each is then compared with all before it. Of numbers as small as these there are too few to do harm. Words are
# safe: where they belong changes from process to process.
_LARGEST_KEY = 4096
_LONGEST_KEY = 1000
_LARGEST_COUNT = 1 << 40
_LONGEST_SHOWN = 80


@dataclasses.dataclass(frozen=True)
class Builder:
    """What stands for a class or a function that a pickle may name.

    Attributes:
        build: Makes a record from the arguments that the pickle gives; raises ValueError for others than it knows. If
            the pickle sets a state afterwards, the record's method `set_state` is called with it.
    """

    build: Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Refused:
    """What stands for a name that is known and cannot be read.

    Attributes:
        reason: What was expected instead.
    """

    reason: str


Allowed = Mapping[tuple[str, str], Any]


def load_pickle(file: IO[bytes], allowed: Allowed, persistent_load: Callable[[Any], Any] | None = None) -> Any:
    """Reads the pickle that comes next in a file.

    Args:
        file: In memory or mapped into it, so that reading more than there is takes no memory.
        allowed: For each (module, name) that the pickle may refer to, a `Builder` or the value that stands for it.
        persistent_load: Called with each persistent id, gives the object; None refuses them.

    Returns:
        Lists (sets become lists, too), dictionaries, tuples, strings, bytes, numbers, and what the builders made.

    Raises:
        ValueError: The pickle is damaged or cut short, holds other values, or refers to another name.
    """
    machine = _Machine(allowed, persistent_load)
    try:
        for opcode, argument, place in pickletools.genops(file):
            machine.read = place or 0
            machine.run(opcode.name, argument)
        return machine.pop()
    except _Refusal:
        raise
    except ValueError as error:
        raise UserError(
            f"The pickle is damaged, cut short, or holds what networks are not made of: {shortened(str(error))}."
        ) from None


@contextlib.contextmanager
def mapped(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file in virtual memory, to be read where it is: as if open, but lengths that it lies about take no memory."""
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            yield io.BytesIO()
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as contents:
            yield cast(IO[bytes], contents)


def shortened(text: object) -> str:
    """What a stranger's file says, fit to be printed in an error: one short line."""
    line = str(text)[: _LONGEST_SHOWN + 1].encode("unicode_escape").decode("ascii")
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}..."


def require_plain(condition: bool, expected: str) -> None:
    """Raises ValueError, for arguments of a builder, saying what was expected."""
    if not condition:
        raise UserError(f"expected {expected}")


def is_count(value: Any) -> bool:
    """Whether a value is an int, no bool, of at least 0, and no more than any file has numbers."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_COUNT


def is_shape(value: Any) -> bool:
    """Whether a value is a tuple or list of at most 32 counts."""
    return isinstance(value, (tuple, list)) and len(value) <= 32 and all(is_count(size) for size in value)


def build_dictionary(*arguments: Any) -> dict[Any, Any]:
    """A builder for dictionaries of any class: no argument, or pairs."""
    require_plain(len(arguments) <= 1, "a dictionary to be made of pairs")
    made: dict[Any, Any] = {}
    for pair in arguments[0] if arguments else ():
        require_plain(isinstance(pair, (tuple, list)) and len(pair) == 2, "a dictionary to be made of pairs")
        made[_key(pair[0])] = pair[1]
    return made


def build_list(*arguments: Any) -> list[Any]:
    """A builder for sets: no argument, or a list."""
    require_plain(
        len(arguments) <= 1 and all(isinstance(argument, (list, tuple)) for argument in arguments),
        "a set to be made of a list",
    )
    return list(*arguments)


class _Refusal(UserError):
    """A name that is not allowed; its message is the user's already."""


def _key(value: Any) -> Any:
    # Hashing nested tuples can take for ever, and so can comparing long words again and again.
    word = isinstance(value, (str, bytes)) and len(value) <= _LONGEST_KEY
    number = isinstance(value, int) and abs(value) <= _LARGEST_KEY
    require_plain(word or number or value is None, "keys to be short words or small numbers")
    return value


_VALUES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}
# fmt: off
_WITH_VALUE = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8",
}
# fmt: on
_PUTS, _GETS = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_CONTAINERS = (str, bytes, bytearray, tuple, list, dict)
_NOTHING = object()  # in a place of the memory that no value was put into


class _Machine:
    """A stack, the places of marks on it, and numbered values to come back to.

    Attributes:
        read: How many bytes of the file lie before the instruction.
    """

    def __init__(self, allowed: Allowed, persistent_load: Callable[[Any], Any] | None) -> None:
        self._allowed = allowed
        self._persistent_load = persistent_load
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: list[Any] = []
        self._remembered = 0
        self.read = 0
        self._instructions = 0
        self._handed_over = 0
        self._actions: dict[str, Callable[[], None]] = {
            "MARK": lambda: self._marks.append(len(self._stack)),
            "POP": self._discard,
            "POP_MARK": lambda: self._discard_to_mark(),
            "DUP": lambda: self._push(self._top()),
            "TUPLE": lambda: self._push(tuple(self._pop_to_mark())),
            "LIST": lambda: self._push(self._pop_to_mark()),
            "FROZENSET": lambda: self._push(self._pop_to_mark()),
            "DICT": self._make_dictionary,
            "APPEND": lambda: self._extend([self.pop()]),
            "APPENDS": lambda: self._extend(self._pop_to_mark()),
            "ADDITEMS": lambda: self._extend(self._pop_to_mark()),
            "SETITEM": self._set_item,
            "SETITEMS": lambda: self._set_items(self._pop_to_mark()),
            "STACK_GLOBAL": self._find_named,
            "REDUCE": self._call,
            "NEWOBJ": self._call,
            "BUILD": self._set_state,
            "BINPERSID": self._load_persistent,
            "MEMOIZE": lambda: self._remember(self._remembered),
        }

    def run(self, name: str, argument: Any) -> None:
        """Carries out one instruction."""
        self._instructions += 1
        if self._instructions > MOST_OPCODES:
            raise UserError(f"it has more than {MOST_OPCODES:,} instructions")
        if name in _WITH_VALUE:
            short = not isinstance(argument, int) or argument.bit_length() <= _LARGEST_NUMBER_BITS
            require_plain(short, f"numbers of at most {_LARGEST_NUMBER_BITS} bits")
            self._push(argument)
        elif name in _VALUES:
            self._push(_VALUES[name]())
        elif name in _PUTS:
            self._remember(argument)
        elif name in _GETS:
            self._push(self._recall(argument))
        elif name in _TUPLES:
            self._push(tuple([self.pop() for _ in range(_TUPLES[name])][::-1]))
        elif name == "GLOBAL":
            module, _, word = argument.partition(" ")
            self._push(self._find(module, word))
        elif name in self._actions:
            self._actions[name]()
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise _Refusal(f"A pickle may hold plain values only. Received: the instruction {name}.")

    def pop(self) -> Any:
        """Takes the topmost value."""
        require_plain(bool(self._stack), "a value on the stack")
        return self._stack.pop()

    def _top(self) -> Any:
        require_plain(bool(self._stack), "a value on the stack")
        return self._stack[-1]

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _discard(self) -> None:
        self.pop()

    def _discard_to_mark(self) -> None:
        self._pop_to_mark()

    def _pop_to_mark(self) -> list[Any]:
        require_plain(bool(self._marks), "a mark on the stack")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _remember(self, number: int) -> None:
        # Pickles count what they remember, so no number is above that of the instructions: the list stays as short.
        require_plain(0 <= number <= self._instructions, "remembered values to be counted from 0")
        self._memo += [_NOTHING] * (number + 1 - len(self._memo))
        self._remembered += self._memo[number] is _NOTHING
        self._memo[number] = self._top()

    def _recall(self, number: int) -> Any:
        value = self._memo[number] if 0 <= number < len(self._memo) else _NOTHING
        require_plain(value is not _NOTHING, "a value to be remembered before it is used")
        return value

    def _extend(self, values: list[Any]) -> None:
        target = self._top()
        require_plain(isinstance(target, list), "a list to add to")
        target.extend(values)

    def _make_dictionary(self) -> None:
        values = self._pop_to_mark()
        self._push({})
        self._set_items(values)

    def _set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self._set_items([key, value])

    def _set_items(self, values: list[Any]) -> None:
        target = self._top()
        require_plain(isinstance(target, dict) and len(values) % 2 == 0, "a dictionary to add pairs to")
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_key(key)] = value

    def _find_named(self) -> None:
        word, module = self.pop(), self.pop()
        require_plain(isinstance(module, str) and isinstance(word, str), "a name to be two strings")
        self._push(self._find(module, word))

    def _find(self, module: str, word: str) -> Any:
        reason = "A pickle may refer only to what networks and tables of tensors are made of; nothing was run"
        found = self._allowed.get((module, word), Refused(reason))
        if isinstance(found, Refused):
            raise _Refusal(f"{found.reason}. Received: a reference to {shortened(f'{module}.{word}')}.")
        return found

    def _call(self) -> None:
        arguments, target = self.pop(), self.pop()
        require_plain(isinstance(target, Builder) and isinstance(arguments, tuple), "something that can be made")
        self._hand_over(arguments)
        try:
            self._push(target.build(*arguments))
        except TypeError:  # another number of arguments
            raise UserError("something is made of other arguments than it should be") from None

    def _set_state(self) -> None:
        state, target = self.pop(), self._top()
        if isinstance(target, dict) and isinstance(state, dict):
            return  # attributes beside the entries, which a dictionary of PyTorch's has
        require_plain(hasattr(target, "set_state"), "something that has a state")
        self._hand_over(state)
        target.set_state(state)

    def _load_persistent(self) -> None:
        require_plain(self._persistent_load is not None, "no persistent ids")
        pid = self.pop()
        self._hand_over(pid)
        self._push(self._persistent_load(pid))  # type: ignore[misc]

    def _hand_over(self, value: Any) -> None:
        """Counts what a builder gets, and refuses files that would have it work for much longer than reading takes."""
        parts = (value, *value) if isinstance(value, tuple) else (value,)
        self._handed_over += sum(len(part) for part in parts if isinstance(part, _CONTAINERS))
        require_plain(self._handed_over <= _MOST_HANDED_OVER * self.read, "values to be used once or twice, not often")
