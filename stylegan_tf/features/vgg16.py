"""VGG16 with torchvision's ImageNet weights: features for precision and recall, and the perceptual distance LPIPS."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.features.base import FeatureNetwork, FeatureOutputs, file_checksum, files_checksum
from stylegan_tf.features.torch_checkpoint import read_torch_checkpoint
from stylegan_tf.features.torch_layers import Weights, convolution, tensor
from stylegan_tf.keras_defaults import keras_defaults

IMAGE_SIZE = 224

# Numbers of the convolutions in torchvision's names, by block; a block ends with pooling.
_BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
# Mean and deviation of ImageNet's pixels in RGB, on a scale of 0 to 1.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_LPIPS_PACKAGE = "lpips"
_LPIPS_WEIGHTS = "lpips/weights/v0.1/vgg.pth"


class VGG16Features(FeatureNetwork):
    """4096 features of VGG16: its second fully connected layer after the ReLU.

    Images are resized to 224x224 by half-pixel bilinear interpolation (antialiased when that shrinks them), then
    normalised by ImageNet's mean and deviation of each channel.

    Args:
        path: Torchvision's `state_dict`, vgg16-397923af.pth.

    Raises:
        ValueError: The file holds other weights.

    References:
        Simonyan and Zisserman, "Very Deep Convolutional Networks", https://arxiv.org/abs/1409.1556, Table 1, D.
        Kynkäänniemi et al., "Improved Precision and Recall Metric", https://arxiv.org/abs/1904.06991, Section 3.
    """

    name = "vgg16"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._model = _dense_model(read_torch_checkpoint(path))
        self.feature_count = self._model.output.shape[-1]
        self.checksum = file_checksum(path)

    def compute(self, images: tf.Tensor) -> FeatureOutputs:
        size = [IMAGE_SIZE, IMAGE_SIZE]
        return FeatureOutputs(self._model(_normalised(tf.image.resize(images, size, "bilinear", antialias=True))))


class LPIPSFeatures(FeatureNetwork):
    """Features whose sum of squared differences is the perceptual distance LPIPS v0.1 of two images, with VGG16.

    Activations after the last ReLU of each of the five blocks are divided by their length over channels, and
    multiplied by `sqrt(w / (H W))` for the learned weight w of each channel. Images keep their size, which must be
    at least 16x16; an image of 256x256 has 8 million features. As their number depends on the size, `feature_count` is
    0, and features come from `compute` only.

    Args:
        vgg_path: Torchvision's `state_dict` of VGG16, vgg16-397923af.pth.
        linear_path: The learned weights, vgg.pth of LPIPS v0.1; see `find_lpips_weights`.

    Raises:
        ValueError: A file holds other weights.

    Reference: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
        https://arxiv.org/abs/1801.03924, Equation 1.
    """

    name = "lpips_vgg16"
    feature_count = 0

    def __init__(self, vgg_path: str | os.PathLike[str], linear_path: str | os.PathLike[str]) -> None:
        image, activations = _convolutions(read_torch_checkpoint(vgg_path))
        self._model = keras.Model(image, activations, name=self.name)
        linear = read_torch_checkpoint(linear_path)
        self._scales = [
            tf.Variable(_channel_scales(linear, number, x.shape[-1]), trainable=False)
            for number, x in enumerate(activations)
        ]
        self.checksum = files_checksum([vgg_path, linear_path])

    def compute(self, images: tf.Tensor) -> FeatureOutputs:
        parts = []
        for x, scale in zip(self._model(_normalised(tf.cast(images, tf.float32))), self._scales, strict=True):
            shape = tf.shape(x)
            length = tf.sqrt(tf.reduce_sum(tf.square(x), axis=-1, keepdims=True))
            area = tf.cast(shape[1] * shape[2], tf.float32)
            parts.append(tf.reshape(x / (length + 1e-10) * (scale * tf.math.rsqrt(area)), [shape[0], -1]))
        return FeatureOutputs(tf.concat(parts, axis=1))


def find_lpips_weights() -> Path:
    """The learned weights of LPIPS in the package `lpips`, which is not imported (it needs PyTorch).

    Raises:
        ImportError: The package is not installed.
    """
    try:
        distribution = importlib.metadata.distribution(_LPIPS_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(
            f"The perceptual distance needs a file of the package {_LPIPS_PACKAGE!r}, which is not installed. Install "
            f"it with: pip install --no-deps {_LPIPS_PACKAGE}"
        ) from None
    return Path(str(distribution.locate_file(_LPIPS_WEIGHTS)))


def _normalised(images: tf.Tensor) -> tf.Tensor:
    return (images / 255.0 - _MEAN) / _DEVIATION


@keras_defaults()
def _convolutions(weights: Weights) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """The input, `[N, H, W, 3]`, and what comes out of each block before it is pooled."""
    image = x = keras.Input([None, None, 3], dtype="float32")
    activations: list[keras.KerasTensor] = []
    for block in _BLOCKS:
        if activations:
            x = _pool(x)
        for number in block:
            kernel, bias = convolution(weights, f"features.{number}")
            layer = keras.layers.Conv2D(
                len(bias), 3, padding="same", activation="relu", kernel_initializer="zeros", dtype="float32"
            )
            x = layer(x)
            layer.set_weights([kernel, bias])
        activations.append(x)
    return image, activations


def _pool(x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.MaxPooling2D(2, dtype="float32")(x)


@keras_defaults()
def _dense_model(weights: Weights) -> keras.Model:
    """The network up to the second fully connected layer, for images of 224x224."""
    image, activations = _convolutions(weights)
    x = keras.layers.Reshape([7 * 7 * activations[-1].shape[-1]], dtype="float32")(_pool(activations[-1]))
    for name, kernel in (
        ("classifier.0", _channels_last(tensor(weights, "classifier.0.weight"))),
        ("classifier.3", tensor(weights, "classifier.3.weight").T),
    ):
        # Zeros, until it is set: to draw a hundred million random numbers takes long.
        layer = keras.layers.Dense(kernel.shape[1], activation="relu", kernel_initializer="zeros", dtype="float32")
        x = layer(x)
        layer.set_weights([kernel, tensor(weights, f"{name}.bias")])
    return keras.Model(image, x, name="vgg16")


def _channels_last(matrix: np.ndarray) -> np.ndarray:
    """`[out, C * 7 * 7]` to `[7 * 7 * C, out]`."""
    return matrix.reshape(len(matrix), -1, 7, 7).transpose(2, 3, 1, 0).reshape(-1, len(matrix))


def _channel_scales(linear: Weights, number: int, channels: int) -> np.ndarray:
    """Roots of the learned weights of a block, float32 `[channels]`."""
    learned = tensor(linear, f"lin{number}.model.1.weight").reshape(-1)
    if len(learned) != channels or learned.min() < 0:
        raise UserError(
            f"lin{number} must have {channels} weights of at least 0. Received: {len(learned)} of at least "
            f"{learned.min():g}."
        )
    return np.sqrt(learned.astype(np.float32))
