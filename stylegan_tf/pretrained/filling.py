"""Fills a network with published arrays: all of the network with all of the arrays, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray
Entry = tuple[Any, Callable[[Array], Array]]  # our variable, and how the published array becomes it


def same(array: Array) -> Array:
    """For an array that is published as ours is."""
    return array


def fill(
    network: Any,
    entries: Mapping[str, Entry],
    arrays: Mapping[str, Array],
    unpublished: Sequence[Any] = (),
    constants: Mapping[str, Array] | None = None,
) -> None:
    """Assigns published arrays to the variables of a network.

    Args:
      network: a built network.
      entries: by published name, our variable and how the published array becomes it.
      arrays: by published name. A "lod" is ignored: it is training state.
      unpublished: variables that keep their values.
      constants: by published name, arrays that are no variables of ours; where one is published, it must be equal.

    Raises:
      ValueError: naming every array that found no variable, every variable that found no array, every shape and
        every constant that differs. The network is then unchanged.
    """
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
        variable, rearrange = entries[name]
        array, expected = np.asarray(arrays[name]), tuple(variable.shape)
        try:
            values[name] = rearrange(array)
        except (ValueError, IndexError):  # NumPy's, of an array that cannot be rearranged so
            problems.append(f"{name}: shape {array.shape} cannot become {expected}")
            continue
        if values[name].shape != expected:
            problems.append(f"{name}: shape {array.shape} becomes {values[name].shape}, not {expected}")
    if problems:
        raise ValueError(
            "the published weights must fill the network exactly; choose the configuration that they were made "
            "with. Received: " + "; ".join(problems) + "."
        )
    for name, value in values.items():
        entries[name][0].assign(value)


def _weights(network: Any) -> list[Any]:
    return [variable for variable in network.weights if "seed_generator" not in variable.path]
