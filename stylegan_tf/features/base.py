"""What every feature network answers, whatever it is."""

from __future__ import annotations

import abc
import hashlib
import os
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.quiet import no_remapper


class FeatureOutputs(NamedTuple):
    """What a network makes of a batch.

    Attributes:
        features: float32 `[N, d]`.
        logits: float32 `[N, classes]`, before the softmax; None for a network without a classifier.
    """

    features: tf.Tensor
    logits: tf.Tensor | None = None


class FeatureNetwork(abc.ABC):
    """Turns images into features, and into logits where it is a classifier.

    An image's outputs do not depend on the images beside it beyond float32 rounding. Make networks inside a strategy's
    scope: their weights are variables, of which each device then has its own.

    Attributes:
        name: Of the network, as protocols name it.
        checksum: SHA-256 of its weights, 64 hexadecimal digits.
        feature_count: Number of features of an image, d.
        class_names: What each of the logits stands for, a number where the weights bring no names; empty for a network
            without a classifier.
    """

    name: str
    checksum: str
    feature_count: int
    class_names: tuple[str, ...] = ()

    @abc.abstractmethod
    def compute(self, images: tf.Tensor) -> FeatureOutputs:
        """Runs the network, inside a `tf.function` or outside, on the device that it is called on.

        Args:
            images: `[N, height, width, 3]`, uint8, or float32 on the same scale of 0 to 255; of any size.
        """

    def __call__(self, images: np.ndarray, batch_size: int = 64) -> np.ndarray:
        """Computes the features of a set of images.

        Args:
            images: uint8 `[N, height, width, 3]`, or `[N, height, width, 1]` for grey, which is repeated.
            batch_size: Images in one pass; bounds memory only.

        Returns:
            float32 `[N, d]`.

        Raises:
            ValueError: `images` has another type or shape, or `batch_size` is below 1.
        """
        images = checked_images(images)
        if batch_size < 1:
            raise UserError(f"batch_size must be at least 1. Received: batch_size={batch_size}.")
        if not hasattr(self, "_compiled"):
            no_remapper()  # for programs that bring TensorFlow themselves
            # One trace for every batch size and image size.
            self._compiled = tf.function(
                lambda batch: self.compute(batch).features,
                input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)],
                autograph=False,
            )
        features = np.empty([len(images), self.feature_count], np.float32)
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            features[part] = self._compiled(to_rgb(images[part])).numpy()
        return features


def checked_images(images: np.ndarray) -> np.ndarray:
    """The images as an array. Raises ValueError unless they are uint8 `[N, height, width, 1 or 3]`."""
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape[1:3]:
        raise UserError(
            "images must be uint8 of shape [N, height, width, 1 or 3]. "
            f"Received: dtype={images.dtype}, shape={images.shape}."
        )
    return images


def to_rgb(images: np.ndarray) -> np.ndarray:
    """`[N, height, width, 1]` repeated to three channels; three stay as they are."""
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def file_checksum(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_checksum(paths: Iterable[str | os.PathLike[str]]) -> str:
    """SHA-256 over the checksums of several files, in the order given: 64 hexadecimal digits."""
    return hashlib.sha256("".join(map(file_checksum, paths)).encode()).hexdigest()
