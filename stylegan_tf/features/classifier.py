"""A small classifier for digits and clothes, trained on a labelled set, and what it makes of images."""

from __future__ import annotations

import itertools
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.features.base import FeatureNetwork, FeatureOutputs, checked_images, file_checksum
from stylegan_tf.features.model import fitted, load_keras_model
from stylegan_tf.files import work_folder, written_whole
from stylegan_tf.invocation import command
from stylegan_tf.json_files import MAX_BYTES, as_type, parse_json
from stylegan_tf.keras_defaults import keras_defaults
from stylegan_tf.zip_files import opened_zip, read_member

NUM_FEATURES = 128

_CLASS_NAMES_FILE = "class_names.json"  # beside Keras' own files in the archive
_WIDTHS = (32, 64, 128)
_SMALLEST_SIDE = 6  # pixels
_FEWEST_IMAGES = 10
_HELD_OUT = 0.1
_LEARNING_RATE = 1e-3


class TrainedClassifier(NamedTuple):
    """A classifier and how well it does.

    Attributes:
        model: See `build_classifier`.
        accuracy: Share of right answers among images that it was not trained on, 0 to 1.
        held_out: Number of those images.
    """

    model: keras.Model
    accuracy: float
    held_out: int


@keras_defaults()
def build_classifier(size: tuple[int, int], channels: int, num_classes: int) -> keras.Model:
    """A network of a few convolutions with new weights.

    Each convolution is followed by batch normalisation, ReLU and halving, down to a side of 3 to 5. The last three have
    32, 64 and 128 feature maps, those before them 32.

    Args:
        size: Height and width of images, at least 6 each.
        channels: Of images, 1 or 3.
        num_classes: At least 2.

    Returns:
        A model that takes float32 `[N, height, width, channels]` from 0 to 255 and returns logits `[N, num_classes]`.
        The layer "features" gives `[N, 128]`.

    Raises:
        ValueError: An argument out of range.
    """
    if min(size) < _SMALLEST_SIDE or channels not in (1, 3) or num_classes < 2:
        raise UserError(
            f"A classifier needs images of at least {_SMALLEST_SIDE}x{_SMALLEST_SIDE}, 1 or 3 channels, and 2 classes. "
            f"Received: size={size}, channels={channels}, {num_classes} classes."
        )
    image = keras.Input([*size, channels], dtype="float32")
    x = keras.layers.Rescaling(1.0 / 127.5, -1.0, dtype="float32")(image)
    for width in _widths(min(size)):
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, dtype="float32")(x)
        x = keras.layers.BatchNormalization(momentum=0.9, dtype="float32")(x)
        x = keras.layers.MaxPooling2D(2, dtype="float32")(keras.layers.ReLU(dtype="float32")(x))
    x = keras.layers.Dropout(0.3, dtype="float32")(keras.layers.Flatten(dtype="float32")(x))
    x = keras.layers.Dense(NUM_FEATURES, activation="relu", dtype="float32", name="features")(x)
    return keras.Model(image, keras.layers.Dense(num_classes, dtype="float32", name="logits")(x), name="classifier")


@keras_defaults()
def train_classifier(
    images: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    epochs: int = 5,
    seed: int = 0,
    batch_size: int = 128,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedClassifier:
    """Trains a classifier on nine tenths of a set and tests it on the rest, which the seed chooses.

    Adam, cross-entropy; the learning rate falls to 0 along a cosine. Seeds Keras', NumPy's and Python's generators.

    Args:
        images: uint8, `[N, height, width, 1 or 3]`, N at least 10.
        labels: int, `[N]`, indices into `class_names`.
        class_names: At least 2.
        epochs: Passes over the images, at least 1.
        seed: Of the weights, the order, and which images are held out.
        batch_size: Images of a step.
        progress: Called after each step with the numbers of images done and to do, over all epochs.

    Raises:
        ValueError: An array with another shape or type, or an argument out of range.
    """
    _check_arguments(images, labels, class_names, epochs)
    keras.utils.set_random_seed(seed)
    held_out = round(_HELD_OUT * len(images))
    order = np.random.default_rng(seed).permutation(len(images))
    tested, trained = order[:held_out], order[held_out:]
    model = build_classifier(images.shape[1:3], images.shape[3], len(class_names))
    steps = -(-len(trained) // batch_size) * epochs
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        images[trained],
        labels[trained],
        batch_size,
        epochs,
        verbose=0,
        callbacks=[] if progress is None else [_progress_callback(progress, steps * batch_size, batch_size)],
    )
    accuracy = model.evaluate(images[tested], labels[tested], batch_size, verbose=0, return_dict=True)["accuracy"]
    return TrainedClassifier(model, float(accuracy), held_out)


def save_classifier(model: keras.Model, class_names: Sequence[str], path: str | os.PathLike[str]) -> None:
    """Writes a classifier as a .keras file with the names of its classes inside, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    with work_folder() as folder:
        named = folder / "classifier.keras"  # Keras wants that ending
        keras.Model(model.inputs[0], model.outputs[0], name=model.name).save(named)  # without the optimizer's state
        with zipfile.ZipFile(named, "a") as archive:
            archive.writestr(_CLASS_NAMES_FILE, json.dumps(list(class_names)))
        with written_whole(path) as beside:
            beside.write_bytes(named.read_bytes())


class ClassifierFeatures(FeatureNetwork):
    """128 features and the logits of a classifier that `save_classifier` wrote.

    Images are resized to the classifier's size by half-pixel bilinear interpolation (antialiased when that shrinks
    them); one for grey images sees the mean of the channels.

    Args:
        path: The .keras file.

    Raises:
        ValueError: The file holds no model, or another one.
    """

    name = "classifier"
    feature_count = NUM_FEATURES

    def __init__(self, path: str | os.PathLike[str]) -> None:
        path = Path(path)
        self.class_names = _read_class_names(path)
        model = load_keras_model(path)
        self._model = keras.Model(model.inputs[0], [model.get_layer("features").output, model.outputs[0]])
        self._shape = tf.TensorShape(model.inputs[0].shape)
        self.checksum = file_checksum(path)

    def compute(self, images: tf.Tensor) -> FeatureOutputs:
        features, logits = self._model(fitted(images, self._shape))
        return FeatureOutputs(features, logits)


def _widths(side: int) -> list[int]:
    """Feature maps of each convolution; what comes after the last halving has a side of 3 to 5."""
    count = (side // 3).bit_length() - 1
    return [_WIDTHS[0]] * (count - len(_WIDTHS)) + list(_WIDTHS[-count:])


def _check_arguments(images: np.ndarray, labels: np.ndarray, class_names: Sequence[str], epochs: int) -> None:
    checked_images(images)
    if len(images) < _FEWEST_IMAGES or epochs < 1:
        raise UserError(
            f"A classifier needs at least {_FEWEST_IMAGES} images and 1 epoch. Received: {len(images)} images, "
            f"epochs={epochs}."
        )
    if labels.shape != (len(images),) or labels.min() < 0 or labels.max() >= len(class_names):
        raise UserError(
            f"labels must be a number from 0 to {len(class_names) - 1} for each of {len(images)} images. Received: "
            f"shape {labels.shape}, {labels.min()} to {labels.max()}."
        )


def _progress_callback(progress: Callable[[int, int], None], total: int, batch_size: int) -> keras.callbacks.Callback:
    done = itertools.count(batch_size, batch_size)
    return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: progress(next(done), total))


def _read_class_names(path: Path) -> tuple[str, ...]:
    try:
        with opened_zip(path) as archive:
            if _CLASS_NAMES_FILE not in archive.namelist():
                raise UserError(f"{_CLASS_NAMES_FILE} is not in it")
            names = parse_json(read_member(archive, archive.getinfo(_CLASS_NAMES_FILE), MAX_BYTES))
            return as_type(names, tuple[str, ...], _CLASS_NAMES_FILE)
    except (OSError, ValueError) as error:
        raise UserError(
            f"A classifier must be a file that {command('classifier')} wrote. Received: {str(path)!r} ({error})."
        ) from None
