"""Normalisation against formulas in float64 NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.ops.normalization import instance_statistics, minibatch_stddev, pixel_norm


def naive_minibatch_stddev(x: np.ndarray, group_size: int, num_features: int) -> np.ndarray:
    """[N, F], image by image: image i shares its group with every image of the same index modulo N / group."""
    images, channels = x.shape[0], x.shape[3]
    groups = images // min(group_size or images, images)
    result = np.zeros((images, num_features))
    for image in range(images):
        members = x[image % groups :: groups]
        deviation = np.sqrt(np.mean((members - members.mean(axis=0)) ** 2, axis=0) + 1e-8)
        for feature in range(num_features):
            width = channels // num_features
            result[image, feature] = deviation[..., feature * width : (feature + 1) * width].mean()
    return result


@pytest.mark.parametrize("shape", [(5, 7), (2, 3, 4, 6)])
def test_pixel_norm(shape):
    x = np.random.default_rng(0).normal(size=shape)
    want = x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(pixel_norm(tf.constant(x, "float32")), want, atol=1e-6)


def test_pixel_norm_of_zeros_is_zero_with_a_finite_gradient():
    x = tf.zeros([2, 4])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = pixel_norm(x)
    np.testing.assert_array_equal(y, np.zeros((2, 4)))
    assert np.all(np.isfinite(tape.gradient(y, x)))


def test_pixel_norm_squares_in_float32():
    # 300 squared is beyond float16.
    y = pixel_norm(tf.constant([[300.0, -300.0]], "float16"))
    assert y.dtype == "float16"
    np.testing.assert_allclose(y, [[1.0, -1.0]], rtol=2e-3)


@pytest.mark.parametrize("epsilon", [1e-8, 1e-3])
def test_instance_statistics(epsilon):
    x = np.random.default_rng(0).normal(2.0, 3.0, size=(2, 5, 4, 3))
    mean, reciprocal = instance_statistics(tf.constant(x, "float32"), epsilon)
    np.testing.assert_allclose(mean, x.mean(axis=(1, 2), keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(reciprocal, 1 / np.sqrt(x.var(axis=(1, 2), keepdims=True) + epsilon), rtol=1e-5)


def test_instance_statistics_of_half_precision_are_float32():
    x = tf.constant(np.random.default_rng(0).normal(500.0, 100.0, size=(1, 16, 16, 2)), "float16")
    mean, reciprocal = instance_statistics(x, 1e-8)
    assert mean.dtype == reciprocal.dtype == "float32"
    exact = x.numpy().astype(np.float64)
    np.testing.assert_allclose(reciprocal[0, 0, 0], 1 / exact.std(axis=(0, 1, 2)), rtol=1e-4)


@pytest.mark.parametrize(
    ("images", "group_size", "num_features"),
    [
        (8, 4, 1),
        (8, 4, 2),
        (8, 2, 3),
        (3, 4, 1),
        (3, 4, 2),
        (1, 4, 1),
        (6, 6, 6),
        (5, None, 2),
        (1, None, 1),
        (4, 1, 1),
    ],
)
def test_minibatch_stddev(images, group_size, num_features):
    # Images of very different contrast, so that a group of neighbours would give other numbers.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(images, 3, 5, 6)) * np.arange(1, images + 1)[:, None, None, None]
    got = minibatch_stddev(tf.constant(x, "float32"), group_size, num_features)
    want = naive_minibatch_stddev(x, group_size, num_features)
    np.testing.assert_allclose(got, np.broadcast_to(want[:, None, None, :], (images, 3, 5, num_features)), rtol=1e-5)


@pytest.mark.parametrize(("images", "group_size"), [(8, 4), (4, 4), (3, 4), (4, 2), (5, None)])
def test_minibatch_stddev_of_several_batches_is_that_of_each(images, group_size):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, images, 3, 5, 6)) * np.arange(1, images + 1)[:, None, None, None]
    second = 7.0 * second
    got = minibatch_stddev(tf.constant(np.concatenate([first, second]), "float32"), group_size, 2, num_batches=2)
    want = [naive_minibatch_stddev(part, group_size, 2) for part in (first, second)]
    np.testing.assert_allclose(got[:, 0, 0], np.concatenate(want), rtol=1e-5)


def test_published_normalization(reference, relative_error, channels_last):
    published = reference("stylegan2_ops")
    want = published.outputs["normalize_2nd_moment"]
    assert relative_error(pixel_norm(tf.constant(published.inputs["z"])), want) < 1e-5
    cases = published.config["mbstd"]
    assert {f"mbstd/{case}" for case in cases} == {name for name in published.outputs if name.startswith("mbstd/")}
    for case, (images, group_size, num_features) in cases.items():
        x = tf.constant(channels_last(published.inputs["xs"][:images]))
        got = minibatch_stddev(x, group_size, num_features)[:, 0, 0]
        assert relative_error(got, published.outputs[f"mbstd/{case}"]) < 1e-5, case


@pytest.mark.parametrize("group_size", [4, None])
@pytest.mark.slow
def test_minibatch_stddev_with_an_unknown_batch(group_size):
    @tf.function(input_signature=[tf.TensorSpec([None, 2, 2, 4])], autograph=False)
    def statistic(x):
        return minibatch_stddev(x, group_size, 1)

    for images in (8, 4, 3):
        x = np.random.default_rng(images).normal(size=(images, 2, 2, 4)) * np.arange(1, images + 1).reshape(-1, 1, 1, 1)
        want = naive_minibatch_stddev(x, group_size, 1)[:, None, None, :]
        np.testing.assert_allclose(statistic(tf.constant(x, "float32"))[:, :1, :1], want, rtol=1e-5)


def test_minibatch_stddev_says_what_does_not_divide():
    with pytest.raises(ValueError, match="multiple of the group size 4.*Received.*6"):
        minibatch_stddev(tf.zeros([6, 2, 2, 4]), 4, 1)
    with pytest.raises(ValueError, match="Received: 5 images, num_batches=2"):
        minibatch_stddev(tf.zeros([5, 2, 2, 4]), 2, 1, num_batches=2)
    with pytest.raises(ValueError, match="num_features=3.*5"):
        minibatch_stddev(tf.zeros([4, 2, 2, 5]), 4, 3)
    with pytest.raises(ValueError, match="num_features=0"):
        minibatch_stddev(tf.zeros([4, 2, 2, 5]), 4, 0)
    for group_size in (0, -1):
        with pytest.raises(ValueError, match=f"group_size must be at least 1, or None.*Received: {group_size}"):
            minibatch_stddev(tf.zeros([4, 2, 2, 4]), group_size, 1)


def test_minibatch_stddev_of_equal_images_has_a_finite_gradient():
    x = tf.ones([4, 2, 2, 3])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = minibatch_stddev(x, 4, 1)
    np.testing.assert_allclose(y, np.full((4, 2, 2, 1), 1e-4), rtol=1e-4)  # sqrt(1e-8)
    assert np.all(np.isfinite(tape.gradient(y, x)))
