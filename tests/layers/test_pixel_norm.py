from __future__ import annotations

import numpy as np
import pytest

from stylegan_tf.layers import PixelNorm


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("epsilon", [1e-8, 0.5])
def test_formula(shape, epsilon):
    x = np.random.default_rng(0).normal(size=shape)
    want = x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + epsilon)
    np.testing.assert_allclose(PixelNorm(epsilon)(x), want, rtol=1e-5, atol=1e-6)


def test_ignores_the_length_of_a_vector():
    x = np.random.default_rng(0).normal(size=(3, 5))
    np.testing.assert_allclose(PixelNorm()(x * 1000.0), PixelNorm()(x), rtol=1e-5)
