"""Runs every signature of a SavedModel in a process that has TensorFlow and nothing of this package.

A script, not a module: python -I clean_process.py SAVED_MODEL INPUTS.npz OUTPUTS.npz PARENT
INPUTS holds arrays named "case/signature/input", OUTPUTS will hold "case/signature/output".
PARENT is the number of the process that waits for it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

BLOCKED = "stylegan_tf"


class Block:
    """An import hook that says no to this package, installed or not, and leaves the others to the other hooks."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Raises ImportError for the blocked package."""
        if name.partition(".")[0] == BLOCKED:
            raise ImportError(f"{name} is blocked here")


def refuse_imports() -> None:
    """Blocks the package and makes sure that it works."""
    sys.meta_path.insert(0, Block())
    try:
        __import__(BLOCKED)
    except ImportError:
        return
    raise RuntimeError(f"{BLOCKED} could be imported")


def follow_parent(parent: int) -> None:
    """Lets this process end when its parent is gone: nobody would be left to tell the outcome."""

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def main(saved_model: str, inputs_path: str, outputs_path: str) -> None:
    """Loads, runs, writes."""
    refuse_imports()
    for name in ("matplotlib", "sklearn"):  # Keras, which TensorFlow imports, would take seconds to import them
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    import numpy as np
    import tensorflow as tf

    signatures = tf.saved_model.load(saved_model).signatures
    calls: dict[tuple[str, str], dict[str, Any]] = {}
    with np.load(inputs_path) as inputs:
        for key in inputs.files:
            case, signature, name = key.split("/")
            calls.setdefault((case, signature), {})[name] = tf.constant(inputs[key])
    missing = set(signatures) ^ {signature for _, signature in calls}
    if missing:
        raise RuntimeError(f"signatures without inputs, or inputs without a signature: {sorted(missing)}")
    outputs = {}
    for (case, signature), tensors in calls.items():
        for name, value in signatures[signature](**tensors).items():
            array = value.numpy()
            # Strings as NumPy's bytes, which npz holds without pickling; a PNG never ends in the zeros they lose.
            outputs[f"{case}/{signature}/{name}"] = array.astype("S") if array.dtype == object else array
    np.savez(outputs_path, **outputs)


if __name__ == "__main__":
    follow_parent(int(sys.argv[4]))
    main(*sys.argv[1:4])
