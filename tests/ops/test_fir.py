"""Every form of a resampling filter against loops in float64, and its gradients against the transposed matrix."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.ops import fir as module
from stylegan_tf.ops.fir import FIR, apply_fir
from stylegan_tf.ops.target import Target, current_target, tracing_for

BINOMIAL = tuple(tuple(row) for row in (np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64).tolist())
UNEVEN = ((1.0, 2.0, 0.0), (3.0, 5.0, 1.0), (0.0, 1.0, 2.0), (4.0, 0.0, 7.0))
COLUMN = ((1.0,), (0.0,), (-2.0,))
MAPS = {
    "same size": FIR(BINOMIAL, (1, 1), (1, 1), ((2, 1), (2, 1))),
    "up": FIR(BINOMIAL, (2, 2), (1, 1), ((2, 1), (2, 1))),
    "down": FIR(BINOMIAL, (1, 1), (2, 2), ((1, 1), (1, 1))),
    "down, a pixel over": FIR(BINOMIAL, (1, 1), (2, 2), ((1, 2), (2, 1))),
    "up, an odd size": FIR(BINOMIAL, (2, 2), (1, 1), ((0, 2), (4, 1))),
    "cropping": FIR(BINOMIAL, (2, 2), (1, 1), ((-1, 2), (3, -2))),
    "no separable kernel": FIR(UNEVEN, (1, 1), (2, 2), ((3, 2), (1, 1))),
    "no separable kernel, up": FIR(UNEVEN, (3, 3), (1, 1), ((3, 2), (1, 1))),
    "one axis": FIR(COLUMN, (3, 1), (1, 1), ((2, 2), (0, 0))),
    "factors of their own": FIR(UNEVEN, (2, 3), (3, 2), ((4, 4), (3, 3))),
    "both factors": FIR(BINOMIAL, (3, 3), (2, 2), ((4, 4), (3, 3))),
    "more zeros than taps": FIR(((2.0,),), (3, 3), (1, 1), ((0, 0), (0, 0))),
}
TARGETS = [Target.TENSORFLOW, Target.PORTABLE, Target.CPU, Target.XLA]


@pytest.fixture(autouse=True)
def _small_images(monkeypatch):
    """A CPU compiles filters of these images too."""
    monkeypatch.setattr(module, "LEAST_PIXELS", 0)


def matrix(fir: FIR, size: tuple[int, int]) -> np.ndarray:
    """The map of one channel as a matrix [outputs, pixels]."""
    height, width = fir.output_size(size)
    columns = []
    for pixel in range(size[0] * size[1]):
        spread = np.zeros([size[0] * fir.up[0], size[1] * fir.up[1]])
        spread[pixel // size[1] * fir.up[0], pixel % size[1] * fir.up[1]] = 1.0
        (top, bottom), (left, right) = fir.padding
        spread = np.pad(spread, [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))])
        spread = spread[
            max(-top, 0) : spread.shape[0] - max(-bottom, 0), max(-left, 0) : spread.shape[1] - max(-right, 0)
        ]
        columns.append(
            [
                np.sum(spread[row : row + fir.size[0], column : column + fir.size[1]] * np.array(fir.kernel))
                for row in range(0, height * fir.down[0], fir.down[0])
                for column in range(0, width * fir.down[1], fir.down[1])
            ]
        )
    return np.array(columns).T


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.value)
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.slow
def test_values_and_gradients_of_every_form(name, target):
    fir, size = MAPS[name], (5, 6)
    expected = matrix(fir, size)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, *size, 3))
    upstream = rng.normal(size=(2, *fir.output_size(size), 3))

    @tf.function(autograph=False)
    def values(x, upstream):
        with tracing_for(target):
            with tf.GradientTape() as outer:
                outer.watch([x, upstream])
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    y = apply_fir(x, fir)
                gradient = tape.gradient(y, x, upstream)
            return y, gradient, outer.gradient(gradient, upstream, x)

    y, gradient, second = values(tf.constant(x, tf.float32), tf.constant(upstream, tf.float32))

    def applied(matrix, images, size):
        return np.einsum("op,npc->noc", matrix, images.reshape(2, -1, 3)).reshape(2, *size, 3)

    np.testing.assert_allclose(y, applied(expected, x, fir.output_size(size)), atol=2e-5)
    np.testing.assert_allclose(gradient, applied(expected.T, upstream, size), atol=2e-5)
    np.testing.assert_allclose(second, y, atol=2e-5)  # of a linear map: the map of what the gradient is taken along


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.value)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.slow
def test_half_precision_rounds_about_once(dtype, target):
    x = tf.cast(tf.random.stateless_normal([2, 8, 8, 4], [1, 2]), dtype)
    for name in ("same size", "up", "down"):
        with tracing_for(target):
            y = tf.function(apply_fir, autograph=False)(x, MAPS[name])
        assert y.dtype == dtype
        exact = apply_fir(tf.cast(x, tf.float32), MAPS[name])
        np.testing.assert_allclose(tf.cast(y, tf.float32), exact, atol=0.01, rtol=0.01)


def test_inside_xla_there_is_no_convolution():
    def loss(x):
        with tracing_for(Target.XLA), tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.square(apply_fir(x, MAPS["up"])))
        return tape.gradient(y, x)

    compiled = tf.function(loss, jit_compile=True, autograph=False)
    assert "convolution(" not in compiled.experimental_get_compiler_ir(tf.zeros([1, 4, 4, 2]))(stage="hlo")


def test_batches_of_any_size():
    function = tf.function(lambda x: apply_fir(x, MAPS["up"]), input_signature=[tf.TensorSpec([None, 4, 4, 2])])
    assert function(tf.zeros([3, 4, 4, 2])).shape == (3, 8, 8, 2)


def test_targets_nest():
    with tracing_for(Target.XLA):
        with tracing_for(Target.PORTABLE):
            assert current_target() is Target.PORTABLE
        assert current_target() is Target.XLA
    assert current_target() is Target.TENSORFLOW
