"""Feature networks that Keras brings, with its ImageNet weights: variants with names of their own.

Their numbers are not comparable with those over the networks of the papers, which were trained by others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.features.base import FeatureNetwork, FeatureOutputs
from stylegan_tf.features.weights import other_choices
from stylegan_tf.keras_defaults import keras_defaults

NUM_CLASSES = 1000


class KerasInceptionFeatures(FeatureNetwork):
    """2048 globally averaged features of keras.applications' Inception-v3, and the logits of ImageNet's 1000 classes.

    Images are resized to 299x299 by half-pixel bilinear interpolation (antialiased when that shrinks them), then scaled
    as `x / 127.5 - 1`. Classes go by their numbers.

    Args:
        weights: A file that this model's `save_weights` wrote, or Keras' own; None for Keras to download ImageNet's.

    Raises:
        ValueError: The weights cannot be downloaded, or are another network's.

    Reference: https://keras.io/api/applications/inceptionv3/
    """

    name = "keras_inception"
    feature_count = 2048
    class_names = tuple(str(number) for number in range(NUM_CLASSES))

    def __init__(self, weights: Path | None = None) -> None:
        model = _application(keras.applications.InceptionV3, weights)
        self._model = keras.Model(model.inputs[0], [model.get_layer("avg_pool").output, model.outputs[0]])
        self.checksum = model_checksum(model)

    def compute(self, images: tf.Tensor) -> FeatureOutputs:
        features, logits = self._model(_resized(images, 299) / 127.5 - 1.0)
        return FeatureOutputs(features, logits)


class KerasVGG16Features(FeatureNetwork):
    """4096 features of keras.applications' VGG16: its second fully connected layer after the ReLU.

    Images are resized to 224x224 by half-pixel bilinear interpolation (antialiased when that shrinks them); their
    channels are put in the order blue, green, red, and ImageNet's mean of each is taken off.

    Args:
        weights: As in `KerasInceptionFeatures`.

    Raises:
        ValueError: The weights cannot be downloaded, or are another network's.

    Reference: https://keras.io/api/applications/vgg/
    """

    name = "keras_vgg16"
    feature_count = 4096

    def __init__(self, weights: Path | None = None) -> None:
        model = _application(keras.applications.VGG16, weights)
        self._model = keras.Model(model.inputs[0], model.get_layer("fc2").output)
        self.checksum = model_checksum(model)

    def compute(self, images: tf.Tensor) -> FeatureOutputs:
        prepared = keras.applications.vgg16.preprocess_input(_resized(images, 224), data_format="channels_last")
        return FeatureOutputs(self._model(prepared))


def model_checksum(model: keras.Model) -> str:
    """SHA-256 over all weights of a model in order, whatever file they came from: 64 hexadecimal digits."""
    state = hashlib.sha256()
    for weight in model.weights:
        state.update(weight.numpy().tobytes())
    return state.hexdigest()


@keras_defaults()
def _application(build: Callable[..., keras.Model], weights: Path | None) -> keras.Model:
    """One of Keras' classifiers up to its logits, in float32 whatever the policy is."""
    try:
        return build(weights="imagenet" if weights is None else str(weights), classifier_activation=None)
    except Exception as error:  # Keras raises plain ones where a download fails
        reason = " ".join(str(error).split())
        if weights is None:
            raise UserError(f"Keras could not download its weights: {reason}. {other_choices()}.") from error
        raise UserError(f"Weights must be those of {build.__name__}. Received: {weights}: {reason}") from error


def _resized(images: tf.Tensor, size: int) -> tf.Tensor:
    return tf.image.resize(images, [size, size], "bilinear", antialias=True)
