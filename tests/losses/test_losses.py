"""Adversarial losses and penalties against closed forms; tests/training compares them with published numbers."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.losses import adversarial, regularizers
from stylegan_tf.losses.objectives import LogisticR1, WassersteinGP

REAL = np.array([0.5, -2.0, 3.0], np.float32)
FAKE = np.array([1.0, 0.0, -4.0], np.float32)


def quadratic_score(images):
    """Score whose gradient is 2 a x, with a of 0.5: the image itself."""
    return 0.5 * tf.reduce_sum(tf.square(images), axis=[1, 2, 3])[:, None]


def test_wasserstein_losses():
    np.testing.assert_allclose(adversarial.wasserstein_critic_loss(REAL, FAKE), FAKE - REAL)
    np.testing.assert_allclose(adversarial.wasserstein_generator_loss(FAKE), -FAKE)
    np.testing.assert_allclose(adversarial.drift_penalty(REAL), REAL**2)


def test_logistic_losses():
    def sigmoid(x):
        return 1 / (1 + np.exp(-x.astype(np.float64)))

    expected = -np.log(1 - sigmoid(FAKE)) - np.log(sigmoid(REAL))
    np.testing.assert_allclose(adversarial.logistic_critic_loss(REAL, FAKE), expected, rtol=1e-5)
    np.testing.assert_allclose(adversarial.logistic_generator_loss(FAKE), -np.log(sigmoid(FAKE)), rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 256.0])
def test_image_gradients_are_those_of_each_image(scale):
    images = tf.random.stateless_normal([3, 4, 4, 2], [1, 2])
    np.testing.assert_allclose(regularizers.image_gradients(quadratic_score, images, scale), images, rtol=1e-6)


def test_gradient_penalty_has_its_minimum_at_the_target():
    norms = tf.constant([0.0, 1.0, 2.0, 4.0])
    np.testing.assert_allclose(regularizers.gradient_penalty(norms), [1, 0, 1, 9])
    np.testing.assert_allclose(regularizers.gradient_penalty(norms, target=2.0), [1, 0.25, 0, 1])


def test_norms_have_a_finite_derivative_at_zero():
    zeros = tf.zeros([2, 3, 3, 1])
    with tf.GradientTape() as tape:
        tape.watch(zeros)
        norms = regularizers.norms(zeros)
    assert np.isfinite(tape.gradient(norms, zeros)).all()


def test_interpolation_goes_from_real_to_fake():
    reals, fakes = tf.zeros([3, 2, 2, 1]), tf.ones([3, 2, 2, 1])
    mixed = regularizers.interpolate(reals, fakes, tf.constant([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(mixed[:, 0, 0, 0], [0, 0.25, 1])


def test_wasserstein_objective_adds_drift_and_weighs_the_penalty():
    objective = WassersteinGP(penalty_weight=5.0, target=2.0, drift_weight=0.1)
    np.testing.assert_allclose(objective.critic_loss(REAL, FAKE), FAKE - REAL + 0.1 * REAL**2, rtol=1e-6)
    reals, fakes = tf.ones([2, 2, 2, 1]), -tf.ones([2, 2, 2, 1])
    penalty, terms = objective.critic_penalty(quadratic_score, reals, fakes, tf.constant([0.0, 0.25]), 1.0)
    norms = np.array([2.0, 1.0])  # of the mixed images 1 and 0.5, over four pixels
    np.testing.assert_allclose(terms["critic_gradient_norm"], norms, rtol=1e-6)
    np.testing.assert_allclose(penalty, 5.0 * (norms - 2.0) ** 2 / 4.0, atol=1e-6)


def test_r1_is_half_gamma_times_the_squared_norm_on_reals():
    reals = tf.random.stateless_normal([3, 2, 2, 1], [0, 1])
    penalty, terms = LogisticR1(gamma=4.0).critic_penalty(quadratic_score, reals, reals * 9, tf.ones([3]), 1.0)
    squares = np.sum(np.square(reals), axis=(1, 2, 3))
    np.testing.assert_allclose(penalty, 2.0 * squares, rtol=1e-5)
    np.testing.assert_allclose(terms["gradient_penalty"], squares, rtol=1e-5)
