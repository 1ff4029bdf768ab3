"""Resampling against loops over pixels in float64, and exact second-order gradients."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.ops.resample import (
    blend_with_half_resolution,
    blur,
    downsample_average,
    upsample_nearest,
    upsample_nearest_to,
)


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 4, 6, 3))


def naive_upsample(x: np.ndarray) -> np.ndarray:
    y = np.zeros((x.shape[0], 2 * x.shape[1], 2 * x.shape[2], x.shape[3]))
    for row in range(y.shape[1]):
        for column in range(y.shape[2]):
            y[:, row, column] = x[:, row // 2, column // 2]
    return y


def naive_downsample(x: np.ndarray) -> np.ndarray:
    y = np.zeros((x.shape[0], x.shape[1] // 2, x.shape[2] // 2, x.shape[3]))
    for row in range(y.shape[1]):
        for column in range(y.shape[2]):
            y[:, row, column] = x[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean(axis=(1, 2))
    return y


def naive_blur(x: np.ndarray) -> np.ndarray:
    y = np.zeros_like(x)
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            for i, weight_i in ((-1, 0.25), (0, 0.5), (1, 0.25)):
                for j, weight_j in ((-1, 0.25), (0, 0.5), (1, 0.25)):
                    if 0 <= row + i < x.shape[1] and 0 <= column + j < x.shape[2]:
                        y[:, row, column] += weight_i * weight_j * x[:, row + i, column + j]
    return y


FUNCTIONS = [(upsample_nearest, naive_upsample), (downsample_average, naive_downsample), (blur, naive_blur)]


@pytest.mark.parametrize(("function", "naive"), FUNCTIONS)
def test_equals_the_loop_over_pixels(function, naive, x):
    np.testing.assert_allclose(function(tf.constant(x)), naive(x), atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize(("function", "naive"), FUNCTIONS)
def test_keeps_the_type(function, naive, x, dtype):
    y = function(tf.cast(x, dtype))
    assert y.dtype == dtype
    np.testing.assert_allclose(tf.cast(y, "float64"), naive(x), atol=0.02)


@pytest.mark.parametrize(("function", "naive"), FUNCTIONS)
def test_second_order_gradient_is_exact(function, naive, x):
    # For a linear f and F(x) = sum(f(x)^3) / 6, the second derivative along u and v is sum(f(x) f(u) f(v)).
    rng = np.random.default_rng(1)
    u, v = rng.normal(size=(2, *x.shape))
    image = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(image)
        with tf.GradientTape() as inner:
            inner.watch(image)
            value = tf.reduce_sum(function(image) ** 3) / 6
        along_u = tf.reduce_sum(inner.gradient(value, image) * u)
    second = tf.reduce_sum(outer.gradient(along_u, image) * v)
    np.testing.assert_allclose(second, np.sum(naive(x) * naive(u) * naive(v)), rtol=1e-9)


def test_works_with_an_unknown_batch(x):
    @tf.function(input_signature=[tf.TensorSpec([None, 4, 6, 3], tf.float64)], autograph=False)
    def there_and_back(images):
        return downsample_average(blur(upsample_nearest(images)))

    want = naive_downsample(naive_blur(naive_upsample(x)))
    np.testing.assert_allclose(there_and_back(x), want, atol=1e-12)
    np.testing.assert_allclose(there_and_back(x[:1]), want[:1], atol=1e-12)


def test_upsample_nearest_to_doubles_until_it_is_high_enough(x):
    np.testing.assert_array_equal(upsample_nearest_to(tf.constant(x), 4), x)
    np.testing.assert_array_equal(upsample_nearest_to(tf.constant(x), 16), naive_upsample(naive_upsample(x)))


def test_blend_goes_from_the_half_resolution_version_to_the_image(x):
    smooth = naive_upsample(naive_downsample(x))
    np.testing.assert_allclose(blend_with_half_resolution(tf.constant(x), 0.0), smooth, atol=1e-12)
    np.testing.assert_allclose(blend_with_half_resolution(tf.constant(x), 1.0), x, atol=1e-12)
    np.testing.assert_allclose(
        blend_with_half_resolution(tf.constant(x), tf.Variable(0.3)), 0.7 * smooth + 0.3 * x, atol=1e-6
    )


def test_blend_is_the_published_fade_of_real_images(reference, relative_error, channels_last):
    # At a level of detail between two resolutions, the published loop fades the real images likewise.
    published = reference("stylegan1_schedule")
    for lod, images in ((0.4, "reals_lod0"), (1.75, "reals_lod1"), (2.5, "reals_lod2")):
        reals = channels_last(published.inputs[images]).astype(np.float32) / 127.5 - 1.0
        blended = blend_with_half_resolution(tf.constant(reals), 1.0 - lod % 1.0)
        want = channels_last(published.outputs[f"reals_lod{lod}"])
        assert relative_error(upsample_nearest_to(blended, want.shape[1]), want) < 1e-5
