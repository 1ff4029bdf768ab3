"""The Inception network of the FID paper against torch-fidelity's, on the same random weights."""

from __future__ import annotations

import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.features import inception
from stylegan_tf.features.inception import InceptionFeatures

FILE = b"stands for the weights"


@pytest.fixture(scope="module")
def network(random_weights, tmp_path_factory):
    """The weights are made one by one instead of read from a file of 100 MB.

    In a process whose policy is mixed precision, from which the network must keep away.
    """
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    path.write_bytes(FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "read_torch_checkpoint", lambda given: random_weights("inception"))
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            return InceptionFeatures(path)
        finally:
            keras.config.set_dtype_policy("float32")


@pytest.mark.slow
def test_features_and_logits_are_those_of_torch_fidelity(network, published, random_image, relative_error):
    """Of images that are enlarged, shrunk and left as they are, of whole numbers and of others."""
    images = [random_image(*image) for image in published.config["inception_images"]]
    images[1] = images[1].astype(np.float32)
    outputs = [network.compute(tf.constant(image)) for image in images]
    for name in ("features", "logits"):
        got = np.concatenate([getattr(output, name) for output in outputs])
        want = published.outputs[f"inception/{name}"]
        assert relative_error(got, want) < 1e-4
        assert np.abs(want[0] - want[2]).mean() > 0.1 * np.abs(want).mean()  # images do matter


@pytest.mark.slow
def test_what_it_says_of_itself(network):
    assert (network.name, network.feature_count, len(network.class_names)) == ("inception", 2048, 1008)
    assert network.checksum == hashlib.sha256(FILE).hexdigest()


def test_weights_of_other_networks_are_refused(random_weights):
    weights = dict.fromkeys(["fc.weight"], np.zeros([1000, 2048], np.float32))
    with pytest.raises(ValueError, match=r"fc.weight must be \[1008, 2048\].*torchvision's.*Received: \[1000, 2048\]"):
        inception.inception_model(weights)
    with pytest.raises(ValueError, match="must be those of the network that.*Received: no 'fc.weight'"):
        inception.inception_model({})
