from __future__ import annotations

import numpy as np
import pytest

from stylegan_tf.layers import EqualizedDense


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
@pytest.mark.parametrize("gain", [1.0, np.sqrt(2.0)])
@pytest.mark.parametrize("activation", [None, "leaky_relu"])
def test_formula(multiplier, gain, activation):
    x = np.random.default_rng(0).normal(size=(3, 9))
    layer = EqualizedDense(5, gain=gain, learning_rate_multiplier=multiplier, activation=activation)
    layer.build((None, 9))
    layer.bias.assign(np.linspace(-2, 2, 5) / multiplier)
    kernel, bias = layer.kernel.numpy().astype(np.float64), layer.bias.numpy().astype(np.float64)
    want = x @ kernel * (gain / np.sqrt(9) * multiplier) + bias * multiplier
    if activation:
        want = np.where(want > 0, want, 0.2 * want)
    np.testing.assert_allclose(layer(x), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_weights_start_with_the_variance_of_the_multiplier(multiplier):
    layer = EqualizedDense(300, learning_rate_multiplier=multiplier)
    layer.build((None, 400))
    kernel = layer.kernel.numpy()
    assert abs(kernel.std() * multiplier - 1.0) < 0.01
    assert abs(kernel.mean() * multiplier) < 0.02
    assert abs(layer.scaled_kernel.numpy().std() - np.sqrt(2.0 / 400)) < 0.01 * np.sqrt(2.0 / 400)
    np.testing.assert_array_equal(layer.bias, np.zeros(300))


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
@pytest.mark.parametrize("activation", [None, "relu", "leaky_relu"])
@pytest.mark.parametrize("clamp", [None, 0.7])
def test_a_gain_behind_the_activation_scales_the_bias_too_and_the_clamp_comes_last(activation, multiplier, clamp):
    x = np.random.default_rng(0).normal(size=(3, 9))
    layer = EqualizedDense(
        5,
        gain=1.0,
        learning_rate_multiplier=multiplier,
        activation=activation,
        activation_gain=np.sqrt(2.0),
        clamp=clamp,
    )
    layer.build((None, 9))
    layer.bias.assign(np.linspace(-2, 2, 5) / multiplier)
    kernel, bias = layer.kernel.numpy().astype(np.float64), layer.bias.numpy().astype(np.float64)
    want = x @ kernel * (multiplier / np.sqrt(9)) + bias * multiplier
    slope = {None: 1.0, "relu": 0.0, "leaky_relu": 0.2}[activation]
    want = np.sqrt(2) * np.where(want > 0, want, slope * want)
    if clamp is not None:
        assert np.max(np.abs(want)) > 2 * clamp
        want = np.clip(want, -clamp, clamp)
    np.testing.assert_allclose(layer(x), want, rtol=1e-4, atol=1e-5)


def test_a_gain_behind_another_activation_is_refused():
    # tanh(a x) is not a tanh(x).
    with pytest.raises(ValueError, match="activation must be one of.*Received: activation='tanh', activation_gain=2"):
        EqualizedDense(5, activation="tanh", activation_gain=2.0)
    EqualizedDense(5, activation="tanh")


def test_the_bias_starts_where_it_is_told():
    layer = EqualizedDense(5, bias_initializer="ones")
    np.testing.assert_array_equal(layer(np.zeros((2, 3))), np.ones((2, 5)))


def test_keeps_the_mean_square_of_its_input_through_a_leaky_relu():
    # gain sqrt(2) is He's for a ReLU; the slope 0.2 adds four percent.
    layer = EqualizedDense(500, activation="leaky_relu")
    y = layer(np.random.default_rng(0).normal(size=(200, 500)))
    assert abs(np.mean(np.square(y)) - 1.04) < 0.05


def test_a_gradient_step_is_slower_by_the_multiplier():
    # An optimizer that normalises gradients moves the used kernel by kernel_scale: with 0.01, a hundredth.
    x = np.ones((1, 4))
    moves = {}
    for multiplier in (1.0, 0.01):
        layer = EqualizedDense(1, learning_rate_multiplier=multiplier, use_bias=False)
        before = layer(x).numpy()
        layer.kernel.assign(layer.kernel + 1.0)
        moves[multiplier] = (layer(x).numpy() - before).item()
    np.testing.assert_allclose(moves[0.01], 0.01 * moves[1.0], rtol=1e-2)


def test_without_a_bias():
    layer = EqualizedDense(5, use_bias=False)
    layer.build((None, 3))
    assert len(layer.weights) == 1
    np.testing.assert_array_equal(layer(np.zeros((2, 3))), np.zeros((2, 5)))
