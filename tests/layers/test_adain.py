from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.layers import AdaIN


def naive_adain(x: np.ndarray, w: np.ndarray, layer: AdaIN, normalize: bool = True) -> np.ndarray:
    """StyleGAN, equation 1, with one added to the scale; style = w A / sqrt(w_size) + b."""
    kernel, bias = (weight.numpy().astype(np.float64) for weight in (layer.style.kernel, layer.style.bias))
    style = w.astype(np.float64) @ kernel / np.sqrt(w.shape[1]) + bias
    scale, shift = style[:, : x.shape[3]], style[:, x.shape[3] :]
    x = x.astype(np.float64)
    if normalize:
        x = (x - x.mean(axis=(1, 2), keepdims=True)) / np.sqrt(x.var(axis=(1, 2), keepdims=True) + layer.epsilon)
    return x * (scale[:, None, None] + 1) + shift[:, None, None]


@pytest.fixture
def inputs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, size=(2, 5, 7, 4)).astype(np.float32)
    return x, rng.normal(size=(2, 6)).astype(np.float32)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("epsilon", [1e-8, 0.5])
def test_is_equation_1(inputs, normalize, epsilon):
    layer = AdaIN(epsilon=epsilon, normalize=normalize)
    layer(*inputs)
    layer.style.bias.assign(np.linspace(-1, 1, 8))
    np.testing.assert_allclose(layer(*inputs), naive_adain(*inputs, layer, normalize), rtol=1e-4, atol=1e-5)


def test_output_has_the_mean_and_deviation_of_the_style(inputs):
    layer = AdaIN()
    layer(*inputs)
    layer.style.kernel.assign(tf.zeros_like(layer.style.kernel))
    layer.style.bias.assign([0.0, 1.0, -1.5, 2.0, 10.0, 20.0, 30.0, 40.0])
    y = layer(*inputs).numpy()
    np.testing.assert_allclose(y.mean(axis=(1, 2)), [[10, 20, 30, 40]] * 2, rtol=1e-5)
    np.testing.assert_allclose(y.std(axis=(1, 2)), [[1, 2, 0.5, 3]] * 2, rtol=1e-4)


def test_starts_as_plain_normalisation_on_average(inputs):
    # The style's bias is zero and its kernel has gain 1, so that the style of unit-variance w has unit variance.
    layer = AdaIN()
    layer.build((None, 4, 4, 2048), (None, 512))
    np.testing.assert_array_equal(layer.style.bias, np.zeros(4096))
    style = layer.style(np.random.default_rng(0).normal(size=(4, 512)).astype(np.float32)).numpy()
    assert abs(style.std() - 1.0) < 0.05


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.01), ("bfloat16", 0.05), ("float16", 0.05)])
def test_a_constant_channel_becomes_its_shift(dtype, tolerance):
    # As the learned constant is at the start of training. Its scale is 1 / sqrt(epsilon) = 10,000.
    layer = AdaIN(dtype={"bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}.get(dtype, dtype))
    x = tf.cast(tf.ones([2, 4, 4, 5]) * [0.3, 1.0, 2.5, -3.0, 20.0], dtype)
    w = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    y = layer(x, w)
    shift = layer.style(w)[:, None, None, 5:]
    np.testing.assert_allclose(tf.cast(y, "float32"), np.broadcast_to(shift, (2, 4, 4, 5)), atol=tolerance)


def test_keeps_the_type_it_is_given(inputs):
    x, w = inputs
    layer = AdaIN(dtype="mixed_bfloat16")
    assert layer(x, w).dtype == "float32"
    assert layer(tf.cast(x, "bfloat16"), w).dtype == "bfloat16"


def test_half_precision_style_is_not_rounded(inputs):
    # w passes as it is, whatever the policy: eight bits would make neighbouring latents equal.
    x, w = inputs
    full, half = AdaIN(), AdaIN(dtype="mixed_bfloat16")
    full(x, w)
    half(x, w)
    half.set_weights(full.get_weights())
    np.testing.assert_array_equal(half(x, w), full(x, w))
