"""JSON that this package wrote and reads again, perhaps damaged since: within bounds, and checked by fields.

Whatever such a file holds, reading it gives what was written, or a ValueError in plain words.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import reprlib
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from stylegan_tf.errors import UserError

T = TypeVar("T")

MAX_BYTES = 2**26  # that a file may have
MAX_DEPTH = 32  # of lists and objects in each other, where a field may be anything

_MAX_INTEGER = 2**63 - 1
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "null"}


def read_json(path: Path) -> Any:
    """The values in a JSON file.

    Raises:
        ValueError: It is no regular file, is too large, is not UTF-8, or holds no JSON.
        OSError: It is missing or cannot be read.
    """
    return parse_json(read_bounded(path))


def read_bounded(path: Path) -> bytes:
    """The contents of a file of at most `MAX_BYTES`; raises as `read_json` does."""
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise UserError("it is no file")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UserError(f"it has more than {MAX_BYTES:,} bytes")
    return content


def parse_json(content: bytes | str) -> Any:
    """The values in a JSON text. Raises ValueError where it is not JSON, which has no numbers such as NaN."""
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise UserError("its lists or objects are nested too deeply") from None
    except UnicodeDecodeError as error:
        raise UserError(f"it is not UTF-8 (byte {error.start:,})") from None
    except ValueError as error:  # no JSON, or a number of thousands of digits
        raise UserError(f"it is not JSON ({error})") from None


def as_record(kind: type[T], values: Any, *, others: bool = False) -> T:
    """Makes a dataclass of a JSON object, which must have its fields, in their types.

    Those with a default may be missing; lists become tuples where the field is one.

    Args:
        kind: The dataclass.
        values: What was read.
        others: Whether the object may have other fields as well, which are passed over.

    Raises:
        ValueError: Says which field is wrong, and how.
    """
    if others and isinstance(values, dict):
        known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
        values = {name: value for name, value in values.items() if name in known}
    return _record(kind, values, "")


def as_type(value: Any, kind: Any, name: str) -> Any:
    """Checks one value by a type such as `dict[str, int]`, as `as_record` does those of fields."""
    return _checked(value, kind, name)


def _refuse_constant(text: str) -> NoReturn:
    raise UserError(f"{text} is no number")


@functools.cache
def _field_types(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _record(kind: type[T], values: Any, name: str) -> T:
    if not isinstance(values, dict):
        _refuse(values, "an object", name)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}  # type: ignore[arg-type]
    unknown = [key for key in values if key not in fields]
    if unknown:
        raise UserError(f"{_inside(name, reprlib.repr(unknown[0]))} is not a known field")
    for key, field in fields.items():
        is_needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if key not in values and is_needed:
            raise UserError(f"{_inside(name, repr(key))} is missing")
    types_of = _field_types(kind)  # type: ignore[arg-type]
    return kind(**{key: _checked(value, types_of[key], _inside(name, key)) for key, value in values.items()})


def _checked(value: Any, kind: Any, name: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return _plain(value, name)
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, name)  # type: ignore[arg-type]
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, arguments, name)
    if origin is dict:
        if not isinstance(value, dict):
            _refuse(value, "an object", name)
        return {key: _checked(part, arguments[1], f"{name}[{reprlib.repr(key)}]") for key, part in value.items()}
    if origin in (list, tuple):
        return origin(_parts(value, origin, arguments, name))
    return _scalar(value, kind, name)


def _one_of(value: Any, kinds: tuple[Any, ...], name: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    (kind,) = (kind for kind in kinds if kind is not type(None))
    return _checked(value, kind, name)


def _parts(value: Any, origin: type, arguments: tuple[Any, ...], name: str) -> Iterator[Any]:
    if not isinstance(value, list):
        _refuse(value, "a list", name)
    if origin is tuple and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            _refuse(value, f"a list of {len(arguments)}", name)
        kinds: Any = arguments
    else:
        kinds = (arguments[0] for _ in value)
    for number, (part, kind) in enumerate(zip(value, kinds, strict=True)):
        yield _checked(part, kind, f"{name}[{number}]")


def _scalar(value: Any, kind: Any, name: str) -> Any:
    if kind in (int, float) and type(value) is int and abs(value) > _MAX_INTEGER:
        _refuse(value, "a number between -2^63 and 2^63", name)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        _refuse(value, _WORDS[kind], name)
    if kind is float and not math.isfinite(value):
        _refuse(value, "a finite number", name)
    return value


def _plain(value: Any, name: str) -> Any:
    """A value of any type, whose lists and objects do not lie too deep in each other to be copied or written."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [part for whole in level for part in _contents(whole)]
        if not level:
            return value
    raise UserError(f"{name} has lists or objects that are nested too deeply")


def _contents(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse(value: Any, wanted: str, name: str) -> NoReturn:
    raise UserError(f"{name or 'it'} must be {wanted}, and is {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        return "a number with very many digits"
    return "null" if value is None else reprlib.repr(value)


def _inside(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
