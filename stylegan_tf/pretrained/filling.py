"""Fills a network with published arrays: all of the network with all of the arrays, or nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stylegan_tf.errors import UserError

Array = np.ndarray

_MOST_SHOWN = 500  # problems in an error: more than there are names in a network of 1024x1024


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a published array lies, beside ours.

    Attributes:
        to_ours: The published array, laid out as our variable.
        to_published: And back.
    """

    to_ours: Callable[[Array], Array]
    to_published: Callable[[Array], Array]


def _unchanged(array: Array) -> Array:
    return array


def transposed(*axes: int) -> Layout:
    """The layout whose published axes, in this order, are ours."""
    back = tuple(int(axis) for axis in np.argsort(axes))
    return Layout(lambda array: np.transpose(array, axes), lambda array: np.transpose(array, back))


SAME = Layout(_unchanged, _unchanged)

Entry = tuple[Any, Layout]  # our variable, and how the published array lies


def read_out(entries: Mapping[str, Entry], constants: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """The opposite of `fill`: our variables, and the constants, as they are published, float32 by published name."""
    arrays = {name: layout.to_published(np.asarray(variable)) for name, (variable, layout) in entries.items()}
    return {name: np.array(array, np.float32, order="C") for name, array in {**arrays, **(constants or {})}.items()}


def fill(
    network: Any,
    entries: Mapping[str, Entry],
    arrays: Mapping[str, Array],
    unpublished: Sequence[Any] = (),
    constants: Mapping[str, Array] | None = None,
) -> None:
    """Assigns published arrays to the variables of a network.

    Args:
        network: A built network.
        entries: By published name, our variable and its layout.
        arrays: By published name. A "lod" is ignored: it is training state.
        unpublished: Variables that keep their values.
        constants: By published name, arrays that are no variables of ours; where one is published, it must be equal.

    Raises:
        ValueError: Naming (500 at most) every array that found no variable, every variable that found no array, every
            shape and every constant that differs. The network is then unchanged.
    """
    for name, value in laid_out(network, entries, arrays, unpublished, constants).items():
        entries[name][0].assign(value)


def laid_out(
    network: Any,
    entries: Mapping[str, Entry],
    arrays: Mapping[str, Array],
    unpublished: Sequence[Any] = (),
    constants: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Published arrays, laid out as our variables, by published name; takes and raises what `fill` does."""
    constants = constants or {}
    arrays = {name: array for name, array in arrays.items() if name.split("/")[-1] != "lod"}
    found_constants = {name: np.asarray(arrays.pop(name)) for name in arrays.keys() & constants.keys()}
    problems = [f"array without a variable: {name}" for name in sorted(arrays.keys() - entries.keys())]
    problems += [f"variable without an array: {name}" for name in sorted(entries.keys() - arrays.keys())]
    bridged = {id(variable) for variable in [*(variable for variable, _ in entries.values()), *unpublished]}
    problems += [f"variable without a published name: {v.path}" for v in _weights(network) if id(v) not in bridged]
    for name, array in sorted(found_constants.items()):
        if array.shape != constants[name].shape:
            problems.append(f"{name}: shape {array.shape}, not {constants[name].shape}")
        elif not np.allclose(array, constants[name], rtol=1e-6, atol=0.0):
            problems.append(f"{name}: {array.tolist()}, not {constants[name].tolist()}")
    values = {}
    for name in sorted(arrays.keys() & entries.keys()):
        variable, layout = entries[name]
        array, expected = np.asarray(arrays[name]), tuple(variable.shape)
        try:
            values[name] = layout.to_ours(array)
        except (ValueError, IndexError):  # NumPy's, of an array that cannot be rearranged so
            problems.append(f"{name}: shape {array.shape} cannot become {expected}")
            continue
        if values[name].shape != expected:
            problems.append(f"{name}: shape {array.shape} becomes {values[name].shape}, not {expected}")
    if problems:
        more = f"; and {len(problems) - _MOST_SHOWN} more" if len(problems) > _MOST_SHOWN else ""
        raise UserError(
            "the published weights must fill the network exactly; choose the configuration that they were made "
            "with. Received: " + "; ".join(problems[:_MOST_SHOWN]) + more + "."
        )
    return values


def _weights(network: Any) -> list[Any]:
    return [variable for variable in network.weights if "seed_generator" not in variable.path]
