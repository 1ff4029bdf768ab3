"""Bias and activation against the published numbers and against formulas in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.ops.activation import ACTIVATIONS, bias_act, default_gain

EVERY_ACTIVATION = sorted([*ACTIVATIONS, "leaky_relu"])


def test_published_activations(reference, relative_error):
    published = reference("stylegan2_ops")
    x, bias = published.inputs["xb"], published.inputs["b"]
    cases = published.config["bias_act"]
    wanted = {name for name in published.outputs if name.startswith("bias_act/")}
    assert {f"bias_act/{case}" for case in cases} == wanted - {"bias_act/2d_lrelu"}
    for case, options in cases.items():
        axis = options.get("dim", 1)
        got = bias_act(
            tf.constant(np.moveaxis(x, axis, -1)),
            tf.constant(bias) if options.get("bias", True) else None,
            options["act"].replace("lrelu", "leaky_relu"),
            slope=options.get("alpha", 0.2),
            gain=options.get("gain"),
            clamp=options.get("clamp"),
        )
        assert relative_error(np.moveaxis(got, -1, axis), published.outputs[f"bias_act/{case}"]) < 1e-5, case


def test_published_activation_of_vectors(reference, relative_error):
    published = reference("stylegan2_ops")
    x, want = published.inputs["xb"][:, :, 0, 0], published.outputs["bias_act/2d_lrelu"]
    assert relative_error(bias_act(tf.constant(x), tf.constant(published.inputs["b"]), "leaky_relu"), want) < 1e-5


def test_bias_gain_and_clamp_come_in_this_order():
    x, bias = np.array([[-3.0, 0.5], [1.0, 2.0]]), np.array([1.0, -1.0])
    y = bias_act(tf.constant(x), tf.constant(bias), "leaky_relu", slope=0.125, gain=3.0, clamp=4.0)
    np.testing.assert_allclose(y, [[-0.75, -0.1875], [4.0, 3.0]], rtol=1e-12)
    y = bias_act(tf.constant(-10.0 * np.ones((1, 2))), None, "linear", clamp=4.0)
    np.testing.assert_array_equal(y, [[-4.0, -4.0]])


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "swish"])
def test_gain_belongs_to_activations_that_halve_the_power(activation):
    assert default_gain(activation) == math.sqrt(2)
    # As in the mean square of ReLU(x) for x ~ N(0, 1); swish lets a third through.
    x = np.random.default_rng(0).normal(size=(100_000, 1))
    power = np.mean(np.square(bias_act(tf.constant(x), None, activation)))
    assert 0.6 < power < 1.1
    if activation == "relu":
        np.testing.assert_allclose(power, 1.0, atol=0.02)


def test_gain_of_the_others_is_one():
    assert {default_gain(name) for name in EVERY_ACTIVATION} == {1.0, math.sqrt(2)}
    assert default_gain("linear") == default_gain("tanh") == default_gain("selu") == 1.0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("activation", EVERY_ACTIVATION)
def test_keeps_the_type(activation, dtype):
    x, bias = np.random.default_rng(0).normal(size=(2, 3, 3, 4)), np.arange(4) / 4
    y = bias_act(tf.cast(x, dtype), tf.constant(bias, "float32"), activation, clamp=1.5)
    assert y.dtype == dtype
    want = bias_act(tf.constant(x), tf.constant(bias), activation, clamp=1.5)
    np.testing.assert_allclose(tf.cast(y, "float64"), want, atol=0.03)


@pytest.mark.parametrize("activation", EVERY_ACTIVATION)
def test_gradients_of_bias_and_input(activation):
    # Both along one direction against the symmetric difference.
    rng = np.random.default_rng(0)
    x, along_x, bias, along_bias = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 5)), *rng.normal(size=(2, 5))

    def value(x, bias):
        return tf.reduce_sum(bias_act(x, bias, activation) ** 2)

    arguments = [tf.constant(x), tf.constant(bias)]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        by_x, by_bias = tape.gradient(value(*arguments), arguments)
    step = 1e-6
    after, before = (value(x + sign * step * along_x, bias + sign * step * along_bias) for sign in (1, -1))
    got = np.sum(by_x * along_x) + np.sum(by_bias * along_bias)
    np.testing.assert_allclose(got, (after - before) / (2 * step), rtol=1e-5)


def test_unknown_activation_and_negative_clamp():
    with pytest.raises(ValueError, match="activation must be one of.*leaky_relu.*Received: activation='lrelu'"):
        bias_act(tf.zeros([1, 2]), None, "lrelu")
    with pytest.raises(ValueError, match="clamp must be.*Received: clamp=-1"):
        bias_act(tf.zeros([1, 2]), None, clamp=-1)
