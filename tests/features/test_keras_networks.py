"""Keras' own classifiers as feature networks, on small stand-ins; the real ones in the slow test."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.features.keras_networks import KerasInceptionFeatures, KerasVGG16Features, model_checksum
from stylegan_tf.invocation import install


def stand_in(size, features, classes):
    """A network of the shape of keras.applications.InceptionV3 or VGG16, without their inside."""
    image = keras.Input([size, size, 3])
    x = keras.layers.AveragePooling2D(size // 4)(image)
    x = keras.layers.Dense(features, name="fc2" if features == 4096 else "before")(keras.layers.Flatten()(x))
    x = keras.layers.Rescaling(2.0, name="avg_pool")(x)
    return keras.Model(image, keras.layers.Dense(classes, name="predictions")(x))


@pytest.fixture
def asked(monkeypatch):
    """What keras.applications was asked for, and what it gave."""
    calls = []

    def build(size, features):
        def application(weights, classifier_activation):
            model = stand_in(size, features, 1000)
            calls.append((weights, classifier_activation, keras.config.dtype_policy().name, model))
            return model

        return application

    monkeypatch.setattr(keras.applications, "InceptionV3", build(299, 2048))
    monkeypatch.setattr(keras.applications, "VGG16", build(224, 4096))
    return calls


def test_inception_scales_and_resizes(asked, random_image, relative_error):
    network = KerasInceptionFeatures()
    [(weights, activation, _, model)] = asked
    assert (weights, activation) == ("imagenet", None)
    outputs = network.compute(tf.constant(random_image(0, 299, 299)))
    scaled = random_image(0, 299, 299).astype(np.float32) / 127.5 - 1
    inside = keras.Model(model.inputs[0], model.get_layer("avg_pool").output)
    assert relative_error(outputs.features, inside(scaled)) < 1e-5
    assert relative_error(outputs.logits, model(scaled)) < 1e-5
    assert network(np.full([2, 32, 40, 1], 255, np.uint8)).shape == (2, network.feature_count)
    assert (network.name, network.feature_count, len(network.class_names)) == ("keras_inception", 2048, 1000)


def test_vgg16_takes_the_mean_off_in_its_order_of_colours(asked, random_image, relative_error):
    network = KerasVGG16Features()
    [(*_, model)] = asked
    image = random_image(1, 224, 224)
    scaled = image[..., ::-1].astype(np.float32) - [103.939, 116.779, 123.68]
    inside = keras.Model(model.inputs[0], model.get_layer("fc2").output)
    assert relative_error(network(image), inside(scaled)) < 1e-5
    assert (network.name, network.feature_count, network.class_names) == ("keras_vgg16", 4096, ())
    assert network.compute(tf.constant(image)).logits is None


def test_the_checksum_is_that_of_the_weights(asked):
    """And not of the file that they came from."""
    network = KerasVGG16Features()
    [(*_, model)] = asked
    same = keras.models.clone_model(model)
    same.set_weights(model.get_weights())
    assert model_checksum(same) == network.checksum
    same.weights[0].assign(same.weights[0] + 1e-3)
    assert model_checksum(same) != network.checksum


def test_given_weights_are_read_in_float32(asked, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        KerasInceptionFeatures(tmp_path / "mine.weights.h5")
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert asked[0][:3] == (str(tmp_path / "mine.weights.h5"), None, "float32")


def test_no_network_is_one_line_that_names_the_choices(monkeypatch):
    def application(weights, classifier_activation):
        raise Exception("URL fetch failure on https://somewhere:\nNone -- no route")

    monkeypatch.setattr(keras.applications, "VGG16", application)
    with pytest.raises(ValueError) as error:
        KerasVGG16Features()
    message = str(error.value)
    assert "\n" not in message
    for part in ("https://somewhere", "local file", "efficientnet_lite0", install("metrics")):
        assert part in message


def test_wrong_weights(tmp_path, monkeypatch):
    def VGG16(weights, classifier_activation):
        raise OSError("no signature found")

    monkeypatch.setattr(keras.applications, "VGG16", VGG16)
    with pytest.raises(ValueError, match="must be those of VGG16. Received: .*mine.h5: no signature found"):
        KerasVGG16Features(tmp_path / "mine.h5")


@pytest.mark.slow
def test_the_real_inception(monkeypatch, tmp_path, random_image, relative_error):
    real = keras.applications.InceptionV3(weights=None)
    real.save_weights(tmp_path / "inception.weights.h5")
    network = KerasInceptionFeatures(tmp_path / "inception.weights.h5")
    image = random_image(0, 299, 299)
    got = tf.nn.softmax(network.compute(tf.constant(image)).logits)
    assert relative_error(got, real(keras.applications.inception_v3.preprocess_input(image.astype(np.float32)))) < 1e-5
    assert network(image).shape == (1, 2048)
