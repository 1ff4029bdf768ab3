"""What operations see beyond the edges of features."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from stylegan_tf.ops.convolution import convolve, convolve_up
from stylegan_tf.ops.edges import run_padded
from stylegan_tf.ops.resample import upsample_nearest


def features(height=4, width=6, channels=3, seed=0):
    return np.random.default_rng(seed).normal(size=(2, height, width, channels)).astype(np.float32)


def kernel(filters=5):
    return np.random.default_rng(1).normal(size=(3, 3, 3, filters)).astype(np.float32)


def test_zeros_are_the_operation_itself():
    x = features()
    np.testing.assert_array_equal(run_padded(lambda x: convolve(x, kernel()), x, "zeros"), convolve(x, kernel()))


def test_a_convolution_sees_the_edges_once_more():
    x = features()
    larger = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge")
    expected = np.zeros((2, 4, 6, 5))
    for row in range(3):
        for column in range(3):
            expected += larger[:, row : row + 4, column : column + 6] @ kernel()[row, column]
    np.testing.assert_allclose(run_padded(lambda x: convolve(x, kernel()), x, "edge"), expected, atol=1e-5)


@pytest.mark.parametrize("fused", [False, True], ids=["separate", "fused"])
def test_a_constant_stays_one_up_to_its_corners(fused):
    """Enlarged or not: with zeros beyond them, edges and corners would get less."""
    x = np.ones((1, 4, 4, 3), np.float32)
    y = np.asarray(run_padded(lambda x: convolve_up(x, kernel(), fused=fused), x, "edge", 2))
    assert y.shape == (1, 8, 8, 5)
    np.testing.assert_allclose(y, np.broadcast_to(kernel().sum((0, 1, 2)), y.shape), atol=1e-5)
    assert np.ptp(np.asarray(convolve_up(x, kernel(), fused=fused)), axis=(1, 2)).max() > 1


def test_what_lies_within_is_the_same():
    x = features()
    zeros, edge = (
        np.asarray(run_padded(lambda x: ops.relu(convolve(x, kernel())), x, name)) for name in ("zeros", "edge")
    )
    np.testing.assert_allclose(edge[:, 1:-1, 1:-1], zeros[:, 1:-1, 1:-1], atol=1e-5)
    np.testing.assert_array_equal(run_padded(upsample_nearest, x, "edge", 2), upsample_nearest(x))


@pytest.mark.parametrize("size", [(2, 3), (4, 6)])
@pytest.mark.parametrize("scale", [1, 2])
def test_gradients_of_first_and_second_order_are_those_of_the_pieces(size, scale):
    """Against TensorFlow's own gradients of a padding and a slice."""
    kernel_of = tf.constant(kernel(3))

    def enlarged(x):
        return convolve(upsample_nearest(x) if scale == 2 else x, kernel_of)

    def plain(x):
        y = enlarged(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC"))
        return y[:, scale:-scale, scale:-scale, :]

    def gradients(operation):
        x = tf.constant(features(*size))
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = tf.reduce_sum(tf.tanh(operation(x)) ** 2)
            first = inner.gradient(value, x)
            norm = tf.reduce_sum(first**2)
        return first, outer.gradient(norm, x)

    got, want = gradients(lambda x: run_padded(enlarged, x, "edge", scale)), gradients(plain)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * float(tf.reduce_max(tf.abs(other))))
