"""The JSON of TensorFlow Serving's REST API: bodies of predict requests to arrays, and arrays to answers.

Written from its public description (https://www.tensorflow.org/tfx/serving/api_rest): row format under `instances`,
column format under `inputs`, binary values as {"b64": ...}, numbers with a decimal point for float inputs only.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.exports.read import check_shape

BINARY_SUFFIX = "_bytes"
DEFAULT_SIGNATURE = "serving_default"
MOST_VALUES = 2**22  # at least 32 MB as a Python list, often ten times that; 450 images' ws of the largest network
DEEPEST = 32

_BRACKETS = b"[{]}"
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1


def parse_body(body: bytes) -> dict[str, Any]:
    """The object that a request's body holds.

    Raises:
        ValueError: When it is not a JSON object, it is nested too deeply or holds too many values, or `instances` and
            `inputs` are not exactly one.
    """
    _check_size(body)
    try:
        request = json.loads(body)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"the body must be JSON. Received: {error}") from error
    except ValueError as error:  # of int, which reads no more digits
        raise UserError(
            f"the body must hold numbers of at most {sys.get_int_max_str_digits()} digits. Received: a longer one."
        ) from error
    if not isinstance(request, dict):
        raise UserError(f"the body must be a JSON object. Received: {_kind(request)}.")
    if ("instances" in request) == ("inputs" in request):
        received = "both" if "inputs" in request else "neither"
        raise UserError(
            f"there must be one of instances (row format) and inputs (column format). Received: {received}."
        )
    if not isinstance(request.get("signature_name", ""), str):
        raise UserError(f"signature_name must be a string. Received: {_kind(request['signature_name'])}.")
    return request


def _check_size(body: bytes) -> None:
    """Raises ValueError for a body that would take much more memory as values than as text, or is nested deeply.

    Brackets and commas in strings are counted, too; an export takes no strings.
    """
    brackets = np.frombuffer(body.translate(None, _NO_BRACKETS), np.uint8)
    values = len(brackets) // 2 + body.count(b",")
    if values > MOST_VALUES:
        raise UserError(f"the body must hold at most {MOST_VALUES} values. Received: {values}.")
    depth = int(np.cumsum(_STEPS[brackets]).max(initial=0))
    if depth > DEEPEST:
        raise UserError(f"the body must be JSON with lists and objects at most {DEEPEST} deep. Received: {depth}.")


def parse_inputs(
    request: Mapping[str, Any], definition: Any, largest_batch: int | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a predict request.

    Args:
        request: Of `parse_body`.
        definition: The `SignatureDef` that is asked.
        largest_batch: Most values that an input may have; None where only the graph knows.

    Returns:
        By input name, each of the input's type.

    Raises:
        ValueError: When an input is missing or unknown, ragged, too long, of a wrong type, or of a wrong shape.
    """
    names = set(definition.inputs)
    if "instances" in request:
        columns = _columns_of_rows(request["instances"], names, largest_batch)
    else:
        columns = request["inputs"]
    if len(names) == 1 and not isinstance(columns, dict):
        columns = {next(iter(names)): columns}  # a signature with one input needs no name for it
    _check_names(columns, names, "inputs")
    for name, value in columns.items():
        if isinstance(value, list):
            _check_batch(name, len(value), largest_batch)
    return {name: _to_array(name, value, definition.inputs[name]) for name, value in columns.items()}


def _columns_of_rows(rows: Any, names: set[str], largest_batch: int | None) -> dict[str, list[Any]]:
    if not isinstance(rows, list) or not rows:
        raise UserError(f"instances must be a list of at least one. Received: {_kind(rows)}.")
    _check_batch("instances", len(rows), largest_batch)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for index, row in enumerate(rows):
        if len(names) == 1 and not (isinstance(row, dict) and set(row) == names):
            row = {next(iter(names)): row}
        _check_names(row, names, f"element {index} of instances")
        for name in names:
            columns[name].append(row[name])
    return columns


def _check_batch(name: str, size: int, largest: int | None) -> None:
    if largest is not None and size > largest:
        raise UserError(f"{name} must have at most {largest} values. Received: [{size}]")


def _check_names(values: Any, names: set[str], where: str) -> None:
    if not isinstance(values, dict) or set(values) != names:
        received = ", ".join(sorted(values)[:20]) or "none" if isinstance(values, dict) else _kind(values)
        raise UserError(f"{where} must be an object with {', '.join(sorted(names))}. Received: {received}.")


def _to_array(name: str, value: Any, info: Any) -> np.ndarray:
    dtype = tf.dtypes.as_dtype(info.dtype)
    ragged = f"{name} must be a full tensor: lists beside each other must be of one length."
    shape: list[int] = []
    flat = [value]
    while flat and isinstance(flat[0], list):
        lengths = {len(item) if isinstance(item, list) else -1 for item in flat}
        if len(lengths) > 1:
            raise UserError(ragged)
        shape.append(lengths.pop())
        flat = [element for item in flat for element in item]
    if any(isinstance(item, list) for item in flat):
        raise UserError(ragged)
    check_shape(name, info, tuple(shape))
    if dtype == tf.string:
        array = np.empty(len(flat), object)
        array[:] = [_to_bytes(name, item) for item in flat]
    else:
        array = _to_numbers(name, flat, dtype)
    return array.reshape(shape)


def _to_bytes(name: str, value: Any) -> bytes:
    if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except ValueError as error:
            raise UserError(f'{name} must hold base64 in {{"b64": ...}}. Received: {error}.') from error
    if isinstance(value, str):
        return value.encode()
    raise _wrong_type(name, value, tf.string)


def _to_numbers(name: str, flat: list[Any], dtype: tf.DType) -> np.ndarray:
    """All at once: one by one, a million numbers take seconds."""
    kinds: set[type] = {int} if dtype.is_integer else {bool} if dtype == tf.bool else set()
    kinds = {int, float} if dtype.is_floating else kinds
    if not kinds.issuperset(map(type, flat)):
        raise _wrong_type(name, next(value for value in flat if type(value) not in kinds), dtype)
    if dtype.is_integer:
        wrong = next(
            (value for value in (min(flat, default=0), max(flat, default=0)) if not dtype.min <= value <= dtype.max),
            None,
        )
        if wrong is not None:
            raise UserError(f"{name} must be between {dtype.min} and {dtype.max}. Received: {_kind(wrong)}.")
    elif dtype.is_floating:
        wrong = _beyond(flat, float(dtype.max))
        if wrong is not None:
            raise UserError(f"{name} must fit {dtype.name}. Received: {_kind(wrong)}.")
    return np.array(flat, dtype.as_numpy_dtype)


def _beyond(flat: list[Any], largest: float) -> Any:
    """The first finite number that is too large for its type; None for none."""
    try:
        array = np.array(flat, np.float64)
    except OverflowError:  # a whole number, beyond float64 even
        return next(value for value in flat if isinstance(value, int) and abs(value) > largest)
    too_large = np.isfinite(array) & (np.abs(array) > largest)
    return flat[int(too_large.argmax())] if too_large.any() else None


def _wrong_type(name: str, value: Any, dtype: tf.DType) -> UserError:
    return UserError(f"{name} must hold values of type {dtype.name}. Received: {_kind(value)}.")


def format_outputs(outputs: Mapping[str, np.ndarray], row_format: bool) -> dict[str, Any]:
    """The answer to a predict request.

    Args:
        outputs: Arrays by output name; batch first.
        row_format: `predictions` with one entry for each instance, instead of `outputs` with one for each tensor. An
            only output stands without its name.

    Raises:
        ValueError: For bytes that are not text under a name without the suffix `_bytes`, or rows of different number.
    """
    columns = {name: _to_json(name, value) for name, value in outputs.items()}
    if not row_format:
        return {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}
    if len({len(column) for column in columns.values()}) > 1:
        raise UserError("outputs must have one row for each instance; use the column format, inputs.")
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}


def _to_json(name: str, array: np.ndarray) -> Any:
    if array.dtype != object:
        return array.tolist()
    if name.endswith(BINARY_SUFFIX):
        flat = [{"b64": base64.b64encode(item).decode()} for item in array.ravel()]
    else:
        try:
            flat = [item.decode() for item in array.ravel()]
        except UnicodeDecodeError as error:
            raise UserError(f"{name} holds bytes that are not text; its name must end in {BINARY_SUFFIX}.") from error
    return _nested(flat, array.shape)


def _nested(flat: list[Any], shape: tuple[int, ...]) -> Any:
    if len(shape) <= 1:
        return flat if shape else flat[0]
    size = len(flat) // shape[0] if shape[0] else 0
    return [_nested(flat[start * size : (start + 1) * size], shape[1:]) for start in range(shape[0])]


def _kind(value: Any) -> str:
    if isinstance(value, (list, dict)) and not value:
        return f"an empty {'list' if isinstance(value, list) else 'object'}"
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
