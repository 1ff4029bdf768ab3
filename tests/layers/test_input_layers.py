"""The two beginnings of a synthesis network: `LearnedConstant` and `LatentInput`."""

from __future__ import annotations

import numpy as np

from stylegan_tf.layers import LatentInput, LearnedConstant


def test_learned_constant_starts_as_ones_for_every_latent():
    w = np.random.default_rng(0).normal(size=(3, 5))
    np.testing.assert_array_equal(LearnedConstant(2, 4, 6)(w), np.ones((3, 2, 4, 6)))


def test_learned_constant_adds_its_bias():
    layer = LearnedConstant(2, 4, 3)
    layer.build((None, 5))
    constant = np.random.default_rng(0).normal(size=(1, 2, 4, 3))
    layer.constant.assign(constant)
    layer.bias.assign([1.0, 2.0, 3.0])
    want = np.repeat(constant + np.array([1.0, 2.0, 3.0]), 2, axis=0)
    np.testing.assert_allclose(layer(np.zeros((2, 5))), want, rtol=1e-6)


def test_stylegan2_constant_starts_random_and_has_no_bias():
    layer = LearnedConstant(20, 30, 40, normal=True, use_bias=False)
    y = layer(np.zeros((2, 5))).numpy()
    assert len(layer.weights) == 1
    np.testing.assert_array_equal(y[0], layer.constant[0])
    np.testing.assert_array_equal(y[0], y[1])
    assert abs(y.std() - 1.0) < 0.03
    assert abs(y.mean()) < 0.03


def test_latent_input_is_a_dense_layer_with_a_bias_for_each_feature_map():
    w = np.random.default_rng(0).normal(size=(3, 5))
    layer = LatentInput(2, 4, 6)
    layer.build((None, 5))
    layer.bias.assign(np.arange(6))
    dense = w @ layer.dense.kernel.numpy().astype(np.float64) * (np.sqrt(2) / 4 / np.sqrt(5))
    np.testing.assert_allclose(layer(w), dense.reshape(3, 2, 4, 6) + np.arange(6), rtol=1e-4, atol=1e-5)
    assert {tuple(weight.shape) for weight in layer.trainable_weights} == {(5, 48), (6,)}
