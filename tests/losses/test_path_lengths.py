"""Path lengths and their penalty, against synthesizers whose Jacobian is known."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.losses.regularizers import path_length_penalty, path_lengths

N, LAYERS, W_SIZE, SHAPE = 3, 4, 5, (6, 8, 2)
RANDOM = np.random.default_rng(4)
WS = RANDOM.normal(size=(N, LAYERS, W_SIZE)).astype(np.float32)
NOISE = RANDOM.normal(size=(N, *SHAPE)).astype(np.float32)
JACOBIAN = RANDOM.normal(size=(LAYERS, W_SIZE, *SHAPE)).astype(np.float32)


def linear(ws):
    return tf.einsum("nlk,lkhwc->nhwc", ws, JACOBIAN)


def expected(factor=1.0):
    """J^T y of every image and layer in float64; the norm over w, root of the mean of squares over layers."""
    y = NOISE.astype(np.float64) / np.sqrt(SHAPE[0] * SHAPE[1])
    products = factor * np.einsum("nhwc,lkhwc->nlk", y, JACOBIAN.astype(np.float64))
    return np.sqrt(np.mean(np.sum(products**2, axis=2), axis=1))


@pytest.mark.parametrize("scale", [1.0, 256.0])
def test_lengths_of_a_linear_synthesizer(scale):
    lengths = path_lengths(linear, tf.constant(WS), tf.constant(NOISE), scale)
    assert lengths.dtype == tf.float32
    np.testing.assert_allclose(lengths, expected(), rtol=1e-5)


def test_the_outer_gradient_reaches_the_synthesizer():
    """Lengths of a * J are |a| times those of J, so that their derivative by a is what they are for 1."""
    factor = tf.Variable(-2.0)
    with tf.GradientTape() as tape:
        lengths = path_lengths(lambda ws: factor * linear(ws), tf.constant(WS), tf.constant(NOISE))
        total = tf.reduce_sum(lengths)
    np.testing.assert_allclose(lengths, 2.0 * expected(), rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(total, factor), -np.sum(expected()), rtol=1e-5)


def test_an_image_that_does_not_move_has_a_finite_derivative():
    factor = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        lengths = path_lengths(lambda ws: factor * linear(ws), tf.constant(WS), tf.constant(NOISE))
        total = tf.reduce_sum(lengths)
    assert np.max(lengths) < 1e-6
    assert np.isfinite(tape.gradient(total, factor))


@pytest.mark.parametrize("before", [0.0, 1.5])
def test_penalty_is_the_squared_distance_from_the_new_mean(before):
    lengths = np.array([1.0, 2.0, 6.0])
    penalty, mean = path_length_penalty(tf.constant(lengths, tf.float32), tf.constant(before), 0.25)
    expected_mean = 0.75 * before + 0.25 * 3.0
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-6)
    np.testing.assert_allclose(penalty, (lengths - expected_mean) ** 2, rtol=1e-6)


def test_the_gradient_of_the_penalty_flows_through_the_mean_and_the_mean_itself_has_none():
    values, before, decay = np.array([1.0, 2.0, 6.0]), 1.5, 0.25
    lengths = tf.constant(values, tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(lengths)
        penalty, mean = path_length_penalty(lengths, tf.constant(before), decay)
        total = tf.reduce_sum(penalty)
    distances = values - ((1 - decay) * before + decay * values.mean())
    want = 2 * distances - np.sum(2 * distances) * decay / len(values)
    np.testing.assert_allclose(tape.gradient(total, lengths), want, rtol=1e-5)
    assert tape.gradient(mean, lengths) is None
