"""Networks made and trained in a program that gave Keras other numbers and another layout are the same."""

import keras
import numpy as np
import pytest

from stylegan_tf.keras_defaults import keras_defaults, set_keras_settings

ODD = ("float16", 1e-3, "channels_first", "float16")


def settings():
    config = keras.config
    return config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy().name


@pytest.fixture
def with_settings():
    """`with_settings(values, make)`: what `make()` returns under these settings, which end with it."""
    before = settings()

    def call(values, make):
        try:
            set_keras_settings(*values)
            return make()
        finally:
            set_keras_settings(*before)

    return call


def test_they_last_as_long_as_the_block(with_settings):
    def look():
        with pytest.raises(KeyError), keras_defaults():
            seen.append(settings())
            raise KeyError
        return settings()

    seen = []
    assert with_settings(ODD, look) == ODD
    assert seen == [("float32", 1e-7, "channels_last", "float32")]


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2"])
@pytest.mark.slow
def test_networks_and_their_optimizers(with_settings, family):
    from stylegan_tf.configuration.config import TrainConfig
    from stylegan_tf.training.state import TrainState

    small = {"z_size": 8, "w_size": 8, "mapping_layers": 2, "feature_maps_base": 32, "feature_maps_max": 8}
    extra = {"loss": "logistic", "r1_gamma": 1.0} if family == "stylegan2" else {}
    config = TrainConfig().replace({**small, **extra, "family": family, "resolution": "8", "start_resolution": 4})
    config = TrainConfig.from_json(config.to_json())
    z = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)

    def numbers():
        state = TrainState(config, 2, 0, "float32")
        images = state.generator(z, truncation_psi=0.7, truncation_cutoff=2, level=1, fade_in=0.5)
        scores = state.critic(images, level=1, fade_in=0.5)
        state.set_learning_rates(0.0123456789, 0.0123456789)
        rate = state.optimizer("generator").learning_rate
        return [np.asarray(value) for value in (images, scores, rate)]

    for odd, usual in zip(with_settings(ODD, numbers), numbers(), strict=True):
        assert odd.dtype == usual.dtype == np.float32
        np.testing.assert_array_equal(odd, usual)


@pytest.mark.slow
def test_a_classifier(with_settings):
    from stylegan_tf.features.classifier import train_classifier

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(20, dtype=np.int32) % 2

    def weights():
        return train_classifier(images, labels, ("a", "b"), epochs=1).model.get_weights()

    for odd, usual in zip(with_settings(ODD, weights), weights(), strict=True):
        np.testing.assert_array_equal(odd, usual)
