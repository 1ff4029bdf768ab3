from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.networks.styles import mix_styles, truncate

RNG = np.random.default_rng(0)
WS = RNG.normal(size=(3, 6, 4)).astype(np.float32)
OTHER = RNG.normal(size=(3, 6, 4)).astype(np.float32)
AVERAGE = RNG.normal(size=4).astype(np.float32)


@pytest.mark.parametrize("psi", [0.0, 0.7, 1.0, -0.5, np.float64(0.7)])
def test_truncation_moves_all_layers_towards_the_average(psi):
    np.testing.assert_allclose(truncate(WS, AVERAGE, psi), AVERAGE + psi * (WS - AVERAGE), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cutoff", [0, 1, 4, 6, 99])
def test_truncation_stops_at_the_cutoff(cutoff):
    got = truncate(WS, AVERAGE, 0.5, cutoff).numpy()
    np.testing.assert_allclose(got[:, :cutoff], (AVERAGE + WS[:, :cutoff]) / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[:, cutoff:], WS[:, cutoff:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cutoff", [None, 2])
def test_every_image_may_have_its_own_psi(cutoff):
    psi = np.array([0.0, 0.5, 1.0], np.float32)
    got = truncate(WS, AVERAGE, psi, cutoff)
    for index in range(3):
        np.testing.assert_allclose(got[index], truncate(WS[index : index + 1], AVERAGE, psi[index], cutoff)[0])


def test_psi_one_is_the_identity():
    np.testing.assert_allclose(truncate(WS, AVERAGE, 1.0), WS, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("crossover", [0, 1, 3, 6, 10])
def test_mixing_takes_the_first_layers_from_the_first(crossover):
    got = mix_styles(WS, OTHER, crossover).numpy()
    np.testing.assert_array_equal(got[:, :crossover], WS[:, :crossover])
    np.testing.assert_array_equal(got[:, crossover:], OTHER[:, crossover:])


def test_every_image_may_have_its_own_crossover():
    got = mix_styles(WS, OTHER, tf.constant([0, 2, 6])).numpy()
    np.testing.assert_array_equal(got[0], OTHER[0])
    np.testing.assert_array_equal(got[1], np.concatenate([WS[1, :2], OTHER[1, 2:]]))
    np.testing.assert_array_equal(got[2], WS[2])
