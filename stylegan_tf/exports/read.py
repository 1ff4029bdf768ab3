"""A version of an export: run as TensorFlow Serving does it, in a session by names of signatures; and its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from stylegan_tf.errors import UserError
from stylegan_tf.exports.layout import METADATA_FILE, MODEL_FILE, is_version
from stylegan_tf.files import without_patterns

SERVE_TAG = "serve"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


class LoadedVersion:
    """The signatures of one SavedModel; may be called from many threads at once.

    Args:
        path: The directory of the version.

    Attributes:
        signatures: `SignatureDef` messages by name, internal ones left out.
        largest_batch: Most values that an input may have, as the export says of itself; None where it does not.

    Raises:
        ValueError: When there is no SavedModel, or it cannot be loaded.
    """

    def __init__(self, path: Path) -> None:
        if not is_version(path):
            raise UserError(f"a version must hold saved_model.pb. Received: {path}, which does not.")
        self.path = path
        self.largest_batch = _largest_batch(path / METADATA_FILE)
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        logger = tf.get_logger()
        level = logger.level
        logger.setLevel("ERROR")  # advice to load it in another way
        try:
            with graph.as_default(), without_patterns(path) as model:
                meta_graph = tf.compat.v1.saved_model.load(self._session, [SERVE_TAG], str(model))
        except (OSError, RuntimeError, tf.errors.OpError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(
                f"a version must be a whole SavedModel; export it again. Received: {path}: {reason}"
            ) from error
        finally:
            logger.setLevel(level)
        self.signatures = {
            name: signature for name, signature in meta_graph.signature_def.items() if not name.startswith("__")
        }

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of a signature by name; bytes are in arrays of objects.

        Args:
            signature: Name of the signature.
            inputs: One array for each of its inputs, of the right type.

        Raises:
            ValueError: For an unknown signature, inputs that are missing or unknown, or a wrong type.
            tf.errors.InvalidArgumentError: For values that the graph refuses, and for wrong shapes.
        """
        definition = self.definition(signature)
        unknown, missing = set(inputs) - set(definition.inputs), set(definition.inputs) - set(inputs)
        if unknown or missing:
            raise UserError(
                f"inputs of {signature} must be {', '.join(sorted(definition.inputs))}. "
                f"Received: {', '.join(sorted(inputs)) or 'none'}."
            )
        feeds = {}
        for name, value in inputs.items():
            info = definition.inputs[name]
            expected = tf.dtypes.as_dtype(info.dtype)
            if value.dtype != expected.as_numpy_dtype and expected != tf.string:
                raise UserError(f"{name} must be {expected.name}. Received: {value.dtype}.")
            check_shape(name, info, value.shape)
            feeds[info.name] = value
        outputs = self._session.run({name: info.name for name, info in definition.outputs.items()}, feeds)
        return {name: np.asarray(value) for name, value in outputs.items()}

    def definition(self, signature: str) -> Any:
        """The `SignatureDef` of a name. Raises ValueError for an unknown one."""
        if signature not in self.signatures:
            names = ", ".join(sorted(self.signatures))
            raise UserError(f"signature_name must be one of {names}. Received: {signature}.")
        return self.signatures[signature]

    def close(self) -> None:
        """Frees the variables."""
        self._session.close()


def _largest_batch(file: Path) -> int | None:
    """What model.json says; it is no part of a SavedModel, and other people's lack it."""
    try:
        said = json.loads(file.read_bytes()).get("largest_batch")
    except (OSError, ValueError, RecursionError, AttributeError):
        return None
    return said if type(said) is int and said > 0 else None


def check_shape(name: str, info: Any, shape: tuple[int, ...]) -> None:
    """Raises ValueError when a value cannot be fed to an input, a `TensorInfo`."""
    expected = [None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim]
    if len(shape) != len(expected) or any(size not in (None, got) for size, got in zip(expected, shape, strict=True)):
        written = ", ".join("batch" if size is None else str(size) for size in expected)
        raise UserError(f"{name} must have the shape [{written}]. Received: {list(shape)}.")


def read_weights(version: Path) -> dict[str, np.ndarray]:
    """The variables that a SavedModel holds, by the paths that Keras gave them.

    Raises:
        DecodeError, OpError, KeyError, IndexError, OSError: When it is damaged or none of ours.
    """
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((version / MODEL_FILE).read_bytes())
    nodes = model.meta_graphs[0].object_graph_def.nodes
    children = {child.local_name: child.node_id for child in nodes[0].children}
    with without_patterns(version) as folder:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        return {
            nodes[child.node_id].variable.name: reader.get_tensor(f"_all_variables/{child.local_name}{_VALUE}")
            for child in nodes[children["_all_variables"]].children
        }
