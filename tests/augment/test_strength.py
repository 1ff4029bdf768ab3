"""The controller's bounds; its numbers are compared with the published ones beside the pipeline's."""

from __future__ import annotations

import pytest
import tensorflow as tf

from stylegan_tf.augment.strength import adjusted_strength


@pytest.mark.parametrize(
    ("p", "sign_mean", "wanted"),
    [(0.5, 0.7, 0.7), (0.5, -0.2, 0.3), (0.1, 0.5, 0.0), (0.9, 0.61, 1.1), (0.4, 0.6, 0.4)],
)
def test_moves_towards_the_target_and_stays_at_zero_or_above(p, sign_mean, wanted):
    sign_mean = tf.constant(sign_mean, tf.float64)
    got = adjusted_strength(tf.constant(p), sign_mean, target=0.6, images=2000, kimg=10)
    assert got.dtype == tf.float32
    assert float(got) == pytest.approx(wanted, abs=1e-6)
