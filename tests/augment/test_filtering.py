"""Filtering of bands against convolution in float64."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.augment.filtering import BAND_POWER, band_gains, filter_bands
from stylegan_tf.augment.wavelets import band_filters


@pytest.mark.parametrize(("height", "width"), [(6, 6), (5, 30), (45, 4)])
def test_equals_convolution_with_reflection(height, width, relative_error):
    random = np.random.default_rng(0)
    images, gains = random.normal(size=(2, 3, height, width)), random.uniform(0, 3, (2, 4))
    wanted = np.zeros_like(images)
    for image, channel in np.ndindex(2, 3):
        taps = gains[image] @ band_filters()
        padded = np.pad(images[image, channel], 21, mode="reflect")
        for axis in (0, 1):
            padded = np.apply_along_axis(np.convolve, axis, padded, taps, mode="valid")
        wanted[image, channel] = padded
    assert relative_error(filter_bands(tf.constant(images, tf.float32), tf.constant(gains, tf.float32)), wanted) < 1e-5


def test_gains_keep_the_expected_power():
    values = np.random.default_rng(1).normal(size=(5, 4))
    applied = np.array([[True, False, False, False], [False, False, True, False], [True] * 4, [False] * 4, [True] * 4])
    wanted = []
    for image in range(5):
        gains = np.ones(4)
        for band in range(4):
            if applied[image, band]:
                factors = np.ones(4)
                factors[band] = 2.0 ** (0.7 * values[image, band])
                gains *= factors / np.sqrt(np.sum(BAND_POWER * factors**2))
        wanted.append(gains)
    got = band_gains(tf.constant(values, tf.float32), tf.constant(applied), 0.7)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    np.testing.assert_allclose(np.sum(BAND_POWER * np.square(got[:2]), axis=1), 1.0, rtol=1e-5)
