from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.layers import MinibatchStdDev


def test_appends_to_the_features():
    x = np.random.default_rng(0).normal(size=(4, 3, 5, 6)).astype(np.float32)
    y = MinibatchStdDev(group_size=4, num_features=2)(x).numpy()
    assert y.shape == (4, 3, 5, 8)
    np.testing.assert_array_equal(y[..., :6], x)
    for feature in range(2):
        part = x[..., 3 * feature : 3 * feature + 3].astype(np.float64)
        np.testing.assert_allclose(y[..., 6 + feature], np.full((4, 3, 5), part.std(axis=0).mean()), rtol=1e-5)


def test_groups_are_strided():
    # Images 0, 2, 4, 6 are equal, and so are 1, 3, 5, 7: with two groups of four, no group has any deviation.
    x = np.tile(np.array([0.0, 5.0]), 4).reshape(8, 1, 1, 1) * np.ones((8, 2, 2, 3))
    np.testing.assert_allclose(MinibatchStdDev(4)(x)[..., 3], np.zeros((8, 2, 2)), atol=1e-3)
    np.testing.assert_allclose(MinibatchStdDev(8)(x)[..., 3], np.full((8, 2, 2), 2.5), rtol=1e-5)


def test_a_small_batch_is_one_group():
    x = np.array([0.0, 3.0, 6.0]).reshape(3, 1, 1, 1)
    np.testing.assert_allclose(MinibatchStdDev(4)(x)[:, 0, 0, 1], [np.sqrt(6.0)] * 3, rtol=1e-5)


@pytest.mark.parametrize("images", [1, 3, 5])
def test_without_a_group_size_the_whole_batch_is_one_group(images):
    x = np.random.default_rng(0).normal(size=(images, 2, 2, 3)).astype(np.float32)
    layer = MinibatchStdDev(group_size=None)
    np.testing.assert_array_equal(layer(x), MinibatchStdDev(group_size=images)(x))
    assert MinibatchStdDev.from_config(layer.get_config()).group_size is None


def test_statistics_of_half_precision_are_float32():
    # In float16, 300 squared is infinite.
    x = tf.constant([[0.0], [600.0]], "float16")[:, None, None, :]
    y = MinibatchStdDev(2, dtype="float16")(x)
    assert y.dtype == "float16"
    np.testing.assert_allclose(y[:, 0, 0, 1], [300.0, 300.0], rtol=1e-3)


def test_what_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="multiple of the group size 4"):
        MinibatchStdDev(4)(np.zeros((6, 2, 2, 3)))
    with pytest.raises(ValueError, match="num_features=2"):
        MinibatchStdDev(4, 2)(np.zeros((4, 2, 2, 3)))
