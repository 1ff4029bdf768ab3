"""Any Keras model or SavedModel as a feature network."""

from __future__ import annotations

import dataclasses
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.features.base import FeatureNetwork, FeatureOutputs, file_checksum, files_checksum
from stylegan_tf.files import without_patterns
from stylegan_tf.zip_files import check_total, opened_zip, unpacked_limit

_SIGNATURE = "serving_default"
_FEATURES = "features"  # the output that is taken where outputs have names


class ModelFeatures(FeatureNetwork):
    """Features of somebody's own model.

    The model takes one batch of images, `[N, height, width, 3]` of values from 0 to 255, in its input's type; it scales
    them itself. Where its input has a fixed height and width, images are resized to them by half-pixel bilinear
    interpolation (antialiased when that shrinks them); otherwise they keep their size. A model with one channel gets
    the mean of the three. Features are the model's output; of several, the last one, or, where they are a dictionary,
    the one called "features". Outputs `[N, height, width, d]` are averaged over height and width, others are flattened.

    Args:
        path: A .keras or .h5 file, or the directory of a SavedModel with a signature "serving_default". Code that is
            inside a .keras file is not run; classes of a model's own must be registered with Keras before.

    Raises:
        ValueError: There is no such model, or it does not take images, or the number of its features is not known.
    """

    name = "model"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        path = Path(path)
        self._network = _open_saved_model(path) if path.is_dir() else _open_keras_model(path)
        shape = self._network.input.shape
        if shape.rank != 4 or shape[-1] not in (1, 3):
            raise UserError(f"A model must take images [N, height, width, 1 or 3]. Received: {path}, {shape}.")
        self.feature_count = _count_features(self._network.output.shape, path)
        self.checksum = _checksum(path)

    def compute(self, images: tf.Tensor) -> FeatureOutputs:
        network = self._network
        images = fitted(images, network.input.shape)
        if network.input.dtype.is_integer:
            images = tf.round(images)
        outputs = tf.cast(network.run(tf.saturate_cast(images, network.input.dtype)), tf.float32)
        if outputs.shape.rank == 4:
            outputs = tf.reduce_mean(outputs, axis=[1, 2])
        return FeatureOutputs(tf.reshape(outputs, [-1, self.feature_count]))


def fitted(images: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Images as a network takes them.

    Args:
        images: `[N, height, width, 3]`, uint8 or float32.
        shape: `[N, height, width, channels]`; a height and width of None are those of the images.

    Returns:
        float32 images, resized by half-pixel bilinear interpolation, antialiased when that shrinks them; the mean of
        their channels for a network that has one.
    """
    images = tf.cast(images, tf.float32)
    if shape[-1] == 1:
        images = tf.reduce_mean(images, axis=-1, keepdims=True)
    if shape[1] is None or shape[2] is None:
        return images
    return tf.image.resize(images, shape[1:3], "bilinear", antialias=True)


def load_keras_model(path: Path) -> keras.Model:
    """Reads a .keras or .h5 file; raises ValueError where that fails."""
    try:
        if zipfile.is_zipfile(path):
            with opened_zip(path) as archive:
                check_total(archive, unpacked_limit(path))
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises many kinds, for files of another format among them
        reason = " ".join(str(error).split())
        raise UserError(f"A model must be a .keras file that can be read. Received: {path}: {reason}") from error


@dataclasses.dataclass(frozen=True)
class _Network:
    """A function of images, what it takes and gives, and what must be kept for it to work."""

    run: Callable[[tf.Tensor], tf.Tensor]
    input: tf.TensorSpec
    output: tf.TensorSpec
    kept: Any


def _open_keras_model(path: Path) -> _Network:
    model = load_keras_model(path)
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1:
        raise UserError(
            "A Keras model must be a functional or sequential one with one input; export others as a SavedModel. "
            f"Received: {path}, {len(inputs)} inputs."
        )
    output = _selected(model.compute_output_spec(inputs[0]), path)
    return _Network(lambda images: _selected(model(images), path), _spec(inputs[0]), _spec(output), model)


def _open_saved_model(path: Path) -> _Network:
    try:
        with without_patterns(path) as plain:
            model = tf.saved_model.load(str(plain))
        function = model.signatures[_SIGNATURE]
    except (OSError, LookupError, ValueError, TypeError, AttributeError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"A directory must hold a SavedModel with a signature {_SIGNATURE!r}. Received: {path}: {reason}"
        ) from error
    inputs = function.structured_input_signature[1]
    if len(inputs) != 1:
        raise UserError(f"A SavedModel must take images only. Received: {path}, with inputs {', '.join(inputs)}.")
    [(name, spec)] = inputs.items()
    output = _selected(function.structured_outputs, path)
    return _Network(lambda images: _selected(function(**{name: images}), path), spec, output, model)


def _spec(tensor: keras.KerasTensor) -> tf.TensorSpec:
    return tf.TensorSpec(tensor.shape, tensor.dtype)


def _selected(outputs: Any, path: Path) -> Any:
    """The output that is taken for features."""
    if isinstance(outputs, (list, tuple)):
        return outputs[-1]
    if not isinstance(outputs, dict):
        return outputs
    if _FEATURES in outputs:
        return outputs[_FEATURES]
    # Names that a SavedModel gives to outputs without.
    if len(outputs) == 1 or all(re.fullmatch(r"output_\d+", name) for name in outputs):
        return outputs[max(outputs, key=lambda name: (len(name), name))]
    names = ", ".join(sorted(outputs))
    raise UserError(f"One of several outputs must be called {_FEATURES!r}. Received: {path}: {names}.")


def _count_features(shape: tf.TensorShape, path: Path) -> int:
    counted = shape[3:] if shape.rank == 4 else shape[1:]  # height and width are averaged over
    if not shape.rank or shape.rank < 2 or not counted.is_fully_defined():
        raise UserError(f"A model must give a fixed number of features for an image. Received: {path}, {shape}.")
    return int(counted.num_elements())


def _checksum(path: Path) -> str:
    if path.is_dir():
        return files_checksum(sorted(file for file in path.rglob("*") if file.is_file()))
    return file_checksum(path)
