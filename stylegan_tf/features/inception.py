"""The Inception network of 2015 that FID, KID and the inception score are defined by.

Numbers over it are comparable with published ones only with the published weights, of December 5, 2015, and only with
its own way to enlarge images, all of which are as in the graph that its authors froze. It is Inception-v3 (Szegedy et
al. 2016) but for three things: averages over 3x3 leave out what is beyond the edge, the last block takes a maximum
instead, and there are 1008 classes.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import keras
import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.features.base import FeatureNetwork, FeatureOutputs, file_checksum
from stylegan_tf.features.torch_checkpoint import read_torch_checkpoint
from stylegan_tf.features.torch_layers import Weights, folded_convolution, tensor
from stylegan_tf.keras_defaults import keras_defaults

IMAGE_SIZE = 299
NUM_FEATURES = 2048
NUM_CLASSES = 1008

_BATCH_NORM_EPSILON = 1e-3

_Convolve = Callable[..., keras.KerasTensor]  # (input, name, stride, padding)


class InceptionFeatures(FeatureNetwork):
    """2048 globally averaged features of the Inception network of the FID paper, and the logits of 1008 classes.

    Images are enlarged or shrunk to 299x299 by bilinear interpolation as TensorFlow 1 did it, with corners at whole
    numbers and without antialiasing, then scaled as `(x - 128) / 128`. The logits are those of the published code of
    the inception score, without the bias of the last layer. The file names no classes: they go by their numbers.

    Args:
        path: The weights as a PyTorch `state_dict` with the names of pytorch-fid and torch-fidelity, such as
            pt_inception-2015-12-05-6726825d.pth.

    Raises:
        ValueError: The file holds other weights.

    References:
        Szegedy et al., "Rethinking the Inception Architecture", https://arxiv.org/abs/1512.00567, Table 1.
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", https://arxiv.org/abs/1706.08500.
        Salimans et al., "Improved Techniques for Training GANs", https://arxiv.org/abs/1606.03498, Section 4.
    """

    name = "inception"
    feature_count = NUM_FEATURES
    class_names = tuple(str(number) for number in range(NUM_CLASSES))

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._model = inception_model(read_torch_checkpoint(path))
        self.checksum = file_checksum(path)

    def compute(self, images: tf.Tensor) -> FeatureOutputs:
        resized = tf.raw_ops.ResizeBilinear(
            images=images, size=[IMAGE_SIZE, IMAGE_SIZE], align_corners=False, half_pixel_centers=False
        )
        features, logits = self._model((resized - 128.0) / 128.0)
        return FeatureOutputs(features, logits)


@keras_defaults()
def inception_model(weights: Weights) -> keras.Model:
    """The network for images of 299x299, batch normalisation folded into the convolutions.

    Args:
        weights: Tensors by the names of pytorch-fid.

    Returns:
        A model that takes float32 `[N, 299, 299, 3]` in about -1 to 1, and returns features, float32 `[N, 2048]`, and
        logits without bias, float32 `[N, 1008]`.

    Raises:
        ValueError: The weights are another network's.
    """
    last = tensor(weights, "fc.weight")
    if last.shape != (NUM_CLASSES, NUM_FEATURES):
        raise UserError(
            f"fc.weight must be [{NUM_CLASSES}, {NUM_FEATURES}], as in the Inception network of 2015; torchvision's "
            f"is another one, whose numbers are not comparable. Received: {list(last.shape)}."
        )
    convolve = functools.partial(_convolve, weights)
    image = keras.Input([IMAGE_SIZE, IMAGE_SIZE, 3], dtype="float32")
    x = convolve(image, "Conv2d_1a_3x3", stride=2)  # [149, 149, 32]
    x = convolve(x, "Conv2d_2a_3x3", padding="valid")  # [147, 147, 32]
    x = _halve(convolve(x, "Conv2d_2b_3x3"))  # [73, 73, 64]
    x = convolve(x, "Conv2d_3b_1x1")
    x = _halve(convolve(x, "Conv2d_4a_3x3", padding="valid"))  # [35, 35, 192]
    for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = _block_35(convolve, x, name)
    x = _join(
        convolve(x, "Mixed_6a.branch3x3", stride=2),
        _chain(convolve, x, "Mixed_6a.branch3x3dbl_", (1, 2, 3), last_stride=2),
        _halve(x),
    )  # [17, 17, 768]
    for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        x = _block_17(convolve, x, name)
    x = _join(
        _chain(convolve, x, "Mixed_7a.branch3x3_", (1, 2), last_stride=2),
        _chain(convolve, x, "Mixed_7a.branch7x7x3_", (1, 2, 3, 4), last_stride=2),
        _halve(x),
    )  # [8, 8, 1280]
    x = _block_8(convolve, x, "Mixed_7b", _average(x))
    x = _block_8(convolve, x, "Mixed_7c", keras.layers.MaxPooling2D(3, 1, "same", dtype="float32")(x))  # [8, 8, 2048]
    features = keras.layers.GlobalAveragePooling2D(dtype="float32")(x)
    classifier = keras.layers.Dense(NUM_CLASSES, use_bias=False, dtype="float32", name="fc")
    logits = classifier(features)
    classifier.set_weights([last.T])
    return keras.Model(image, [features, logits], name="inception")


def _convolve(
    weights: Weights, x: keras.KerasTensor, name: str, stride: int = 1, padding: str = "same"
) -> keras.KerasTensor:
    """A convolution, its batch normalisation and ReLU. Where the stride is 2, nothing is padded."""
    kernel, bias = folded_convolution(weights, f"{name}.conv", f"{name}.bn", _BATCH_NORM_EPSILON)
    height, width, _, channels = kernel.shape
    layer = keras.layers.Conv2D(
        channels,
        (height, width),
        stride,
        "valid" if stride == 2 else padding,
        activation="relu",
        kernel_initializer="zeros",
        dtype="float32",
        name=name,
    )
    result = layer(x)
    layer.set_weights([kernel, bias])
    return result


def _chain(
    convolve: _Convolve, x: keras.KerasTensor, name: str, numbers: tuple[int, ...], last_stride: int = 1
) -> keras.KerasTensor:
    """Convolutions after each other, with numbers at the end of their names."""
    for number in numbers:
        x = convolve(x, f"{name}{number}", stride=last_stride if number == numbers[-1] else 1)
    return x


def _block_35(convolve: _Convolve, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Figure 5 of the paper, with 5x5 filters kept in one branch."""
    return _join(
        convolve(x, f"{name}.branch1x1"),
        _chain(convolve, x, f"{name}.branch5x5_", (1, 2)),
        _chain(convolve, x, f"{name}.branch3x3dbl_", (1, 2, 3)),
        convolve(_average(x), f"{name}.branch_pool"),
    )


def _block_17(convolve: _Convolve, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Figure 6 of the paper, n = 7."""
    return _join(
        convolve(x, f"{name}.branch1x1"),
        _chain(convolve, x, f"{name}.branch7x7_", (1, 2, 3)),
        _chain(convolve, x, f"{name}.branch7x7dbl_", (1, 2, 3, 4, 5)),
        convolve(_average(x), f"{name}.branch_pool"),
    )


def _block_8(convolve: _Convolve, x: keras.KerasTensor, name: str, pooled: keras.KerasTensor) -> keras.KerasTensor:
    """Figure 7 of the paper."""
    single = convolve(x, f"{name}.branch3x3_1")
    double = _chain(convolve, x, f"{name}.branch3x3dbl_", (1, 2))
    return _join(
        convolve(x, f"{name}.branch1x1"),
        convolve(single, f"{name}.branch3x3_2a"),
        convolve(single, f"{name}.branch3x3_2b"),
        convolve(double, f"{name}.branch3x3dbl_3a"),
        convolve(double, f"{name}.branch3x3dbl_3b"),
        convolve(pooled, f"{name}.branch_pool"),
    )


def _join(*branches: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.Concatenate(dtype="float32")(list(branches))


def _halve(x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.MaxPooling2D(3, 2, dtype="float32")(x)


def _average(x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.AveragePooling2D(3, 1, "same", dtype="float32")(x)  # of what is inside the image
