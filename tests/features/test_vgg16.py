"""VGG16 against torchvision's, and the perceptual distance against that of lpips, on the same random weights."""

from __future__ import annotations

import hashlib
import importlib.metadata

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.features import vgg16
from stylegan_tf.features.vgg16 import LPIPSFeatures, VGG16Features, find_lpips_weights


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def files(tmp_path_factory, random_weights):
    """Stand for files of weights, which are made one by one instead.

    In a process whose policy is mixed precision, from which the networks must keep away.
    """
    folder = tmp_path_factory.mktemp("vgg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg16, "read_torch_checkpoint", lambda path: random_weights(path.name))
        for name in ("vgg16", "lpips_vgg", "lpips_linear"):
            (folder / name).write_text(name)
        keras.config.set_dtype_policy("mixed_bfloat16")
        yield folder
        keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def lpips(files):
    return LPIPSFeatures(files / "lpips_vgg", files / "lpips_linear")


@pytest.mark.slow
def test_features_are_those_of_torchvision(files, published, random_image, relative_error):
    """An eighth as wide as the real one; of images that are enlarged and shrunk."""
    network = VGG16Features(files / "vgg16")
    got = [network(random_image(*image)) for image in published.config["vgg16_images"]]
    assert relative_error(np.concatenate(got), published.outputs["vgg16/features"]) < 1e-4
    assert (network.name, network.feature_count, network.class_names) == ("vgg16", 96, ())
    assert network.checksum == sha256(b"vgg16")


def distance(network, first, second):
    features = [network.compute(tf.constant(images)).features for images in (first, second)]
    return np.sum(np.square(features[0] - features[1]), axis=1)


@pytest.mark.slow
def test_squared_differences_are_the_distance_of_lpips(lpips, published, random_image, relative_error):
    pairs = [[random_image(*image) for image in pair] for pair in published.config["lpips_images"]]
    last = random_image(9, 48, 48)
    pairs.append([last, np.minimum(last.astype(int) + 3, 255).astype(np.uint8)])
    got = [distance(lpips, *pair)[0] for pair in pairs]
    np.testing.assert_allclose(got, published.outputs["lpips/distances"], rtol=1e-4)


@pytest.mark.slow
def test_the_distance_of_a_pair_does_not_depend_on_the_others(lpips, random_image):
    images = [np.concatenate([random_image(seed + i, 16, 16) for i in range(3)]) for seed in (20, 30)]
    alone = [distance(lpips, images[0][i : i + 1], images[1][i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(distance(lpips, *images), alone, rtol=1e-4)
    assert distance(lpips, images[0], images[0]).max() == 0


@pytest.mark.slow
def test_what_lpips_says_of_itself(lpips):
    assert (lpips.name, lpips.feature_count) == ("lpips_vgg16", 0)
    assert lpips.checksum == sha256((sha256(b"lpips_vgg") + sha256(b"lpips_linear")).encode())


def test_its_weights_belong_to_no_optimizer(lpips):
    assert all(not scale.trainable for scale in lpips._scales)


@pytest.mark.slow
def test_negative_and_missing_weights_are_refused(files, random_weights, monkeypatch):
    wrong = dict(random_weights("lpips_linear"))
    wrong["lin2.model.1.weight"] = wrong["lin2.model.1.weight"] - 0.5
    monkeypatch.setattr(
        vgg16, "read_torch_checkpoint", lambda path: wrong if path.name == "lpips_linear" else random_weights(path.name)
    )
    with pytest.raises(ValueError, match="lin2 must have 256 weights of at least 0. Received: 256 of at least -0.4"):
        LPIPSFeatures(files / "lpips_vgg", files / "lpips_linear")
    with pytest.raises(ValueError, match="Received: no 'classifier.0.weight'"):
        VGG16Features(files / "lpips_vgg")


def test_a_missing_package_is_named(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(ImportError, match="pip install --no-deps lpips"):
        find_lpips_weights()
