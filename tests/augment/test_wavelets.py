"""The wavelet filters by the properties that define them."""

from __future__ import annotations

import numpy as np

from stylegan_tf.augment.wavelets import SYM6_LOWPASS, band_filters, reflected


def test_lowpass_is_orthogonal_to_its_even_shifts():
    products = [2.0 * SYM6_LOWPASS[shift:] @ SYM6_LOWPASS[: 12 - shift] for shift in range(0, 12, 2)]
    np.testing.assert_allclose(products, [1, 0, 0, 0, 0, 0], atol=1e-14)


def test_lowpass_has_six_vanishing_moments():
    signs = (-1.0) ** np.arange(12)
    moments = [np.sum(signs * SYM6_LOWPASS * (np.arange(12) / 11) ** power) for power in range(7)]
    np.testing.assert_allclose(moments[:6], 0, atol=1e-14)
    assert abs(moments[6]) > 1e-4
    np.testing.assert_allclose(SYM6_LOWPASS.sum(), 1, atol=1e-14)


def test_bands_are_symmetric_and_sum_to_an_impulse():
    bands = band_filters()
    np.testing.assert_allclose(bands, bands[:, ::-1], atol=1e-15)
    np.testing.assert_allclose(bands.sum(axis=0), np.eye(43)[21], atol=1e-15)


def test_bands_are_octaves():
    frequencies = np.linspace(0, np.pi, 129)
    response = band_filters() @ np.cos(np.outer(np.arange(43) - 21, frequencies))
    middles = [0, 3 * np.pi / 16, 3 * np.pi / 8, 7 * np.pi / 8]
    for band, middle in enumerate(middles):
        assert np.argmax(response[:, np.argmin(np.abs(frequencies - middle))]) == band


def test_reflection_is_that_of_numpy():
    for size in (2, 5):
        padded = np.pad(np.arange(size), 11, mode="reflect")
        np.testing.assert_array_equal(reflected(np.arange(-11, size + 11), size), padded)
