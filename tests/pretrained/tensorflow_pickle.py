"""Writes pickles as the published TensorFlow codes do, of whatever arrays."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np


class Network:
    """Stands for a network of that code: only its name and its state are written."""

    def __init__(self, name: str, function: str, arguments: dict[str, Any], variables: dict[str, np.ndarray],
                 components: dict[str, Network] | None = None, version: int = 4) -> None:
        self._state = {
            "version": version, "name": name, "static_kwargs": arguments, "components": components or {},
            "build_module_src": "raise SystemExit('never run')", "build_func_name": function,
            "variables": list(variables.items()),
        }

    def __getstate__(self) -> dict[str, Any]:
        return self._state


class _Pickler(pickle._Pickler):  # the one in C would look the published module up
    dispatch = pickle._Pickler.dispatch.copy()

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is Network:
            self.save("dnnlib.tflib.network")
            self.save("Network")
            self.write(pickle.STACK_GLOBAL)
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    dispatch[type] = save_global


def pickled(networks: Any) -> bytes:
    """The bytes of a file that holds them."""
    file = io.BytesIO()
    _Pickler(file, protocol=4).dump(networks)
    return file.getvalue()
