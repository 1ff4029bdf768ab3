from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.layers import NoiseInjection

X = np.random.default_rng(0).normal(size=(3, 8, 6, 4)).astype(np.float32)
STRENGTH = np.array([0.0, 1.0, -2.0, 0.5], np.float32)


@pytest.fixture
def layer() -> NoiseInjection:
    layer = NoiseInjection()
    layer.build((None, 8, 6, 4))
    layer.strength.assign(STRENGTH)
    return layer


def test_starts_without_effect():
    layer = NoiseInjection()
    for noise in ("fixed", "random", "none", np.ones((3, 8, 6, 1), np.float32)):
        np.testing.assert_array_equal(layer(X, noise=noise), X)


def test_fixed_adds_the_same_image_to_all_channels_and_samples(layer):
    image = layer.fixed_noise.numpy()
    assert image.shape == (1, 8, 6, 1)
    assert 0.5 < image.std() < 1.5
    np.testing.assert_allclose(layer(X), X + image * STRENGTH, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(layer(X, noise="fixed"), layer(X))


def test_one_strength_for_all_channels():
    layer = NoiseInjection(per_channel=False)
    layer.build((None, 8, 6, 4))
    assert layer.strength.shape == ()
    np.testing.assert_array_equal(layer(X), X)
    layer.strength.assign(-1.5)
    np.testing.assert_allclose(layer(X), X - 1.5 * layer.fixed_noise.numpy(), rtol=1e-6, atol=1e-6)


def test_fixed_noise_is_saved_but_not_trained(layer):
    assert [weight.name for weight in layer.trainable_weights] == ["strength"]
    assert layer.fixed_noise in layer.non_trainable_weights


def test_none_adds_nothing(layer):
    np.testing.assert_array_equal(layer(X, noise="none"), X)


def test_a_tensor_is_used_as_it_is(layer):
    noise = np.random.default_rng(1).normal(size=(3, 8, 6, 1)).astype(np.float32)
    np.testing.assert_allclose(layer(X, noise=noise), X + noise * STRENGTH, rtol=1e-6, atol=1e-6)


def test_random_draws_one_unit_image_for_each_sample_and_call():
    layer = NoiseInjection(seed=1)
    layer.build((None, 32, 32, 2))
    layer.strength.assign([1.0, 3.0])
    x = np.zeros((4, 32, 32, 2), np.float32)
    first, second = layer(x, noise="random").numpy(), layer(x, noise="random").numpy()
    np.testing.assert_allclose(first[..., 1], 3 * first[..., 0], rtol=1e-6)  # one image for all channels
    draws = np.concatenate([first[..., 0], second[..., 0]]).reshape(8, -1)
    assert abs(draws.std() - 1.0) < 0.05
    assert abs(draws.mean()) < 0.05
    assert np.max(np.abs(np.corrcoef(draws) - np.eye(8))) < 0.2  # no two alike


def test_random_repeats_with_its_seed(layer):
    same, other = NoiseInjection(seed=7), NoiseInjection(seed=8)
    first = NoiseInjection(seed=7)
    for each in (first, same, other):
        each.build((None, 8, 6, 4))
        each.strength.assign(STRENGTH)
    np.testing.assert_array_equal(first(X, noise="random"), same(X, noise="random"))
    assert np.any(first(X, noise="random") != other(X, noise="random"))


def test_random_draws_anew_inside_a_compiled_function(layer):
    @tf.function(autograph=False)
    def draw(x):
        return layer(x, noise="random")

    assert np.any(draw(X) != draw(X))


def test_an_unknown_word_is_refused(layer):
    with pytest.raises(ValueError, match="noise must be 'fixed', 'random', 'none' or a tensor.*noise='loud'"):
        layer(X, noise="loud")
