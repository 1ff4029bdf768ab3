"""Adversarial losses and penalties against closed forms; tests/training compares them with published numbers."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.losses import adversarial, regularizers
from stylegan_tf.losses.objectives import ADVERSARIAL_LOSSES, GradientPenalty, Objective, ZeroCentered

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


def test_hinge_losses():
    expected = np.maximum(0, 1 - REAL) + np.maximum(0, 1 + FAKE)
    assert list(expected) == [2.5, 4.0, 0.0]
    np.testing.assert_allclose(adversarial.hinge_critic_loss(REAL, FAKE), expected)


def test_least_squares_losses():
    np.testing.assert_allclose(adversarial.least_squares_critic_loss(REAL, FAKE), [0.625, 4.5, 10.0])
    np.testing.assert_allclose(adversarial.least_squares_generator_loss(FAKE), [0.0, 0.5, 12.5])


def certainty(scores):
    return 1 / (1 + np.exp(-scores))


# Derivatives of each critic's loss by the scores of reals and of fakes, and of the generator's by those of fakes.
WASSERSTEIN = (lambda r, f: -np.ones_like(r), lambda r, f: np.ones_like(f), lambda f: -np.ones_like(f))
DERIVATIVES = {
    "wgan-gp": WASSERSTEIN,
    "wasserstein": WASSERSTEIN,
    "logistic": (lambda r, f: -certainty(-r), lambda r, f: certainty(f), lambda f: -certainty(-f)),
    "hinge": (lambda r, f: -1.0 * (r < 1), lambda r, f: 1.0 * (f > -1), lambda f: -np.ones_like(f)),
    "least-squares": (lambda r, f: r - 1, lambda r, f: f, lambda f: f - 1),
    "relativistic": (lambda r, f: -certainty(f - r), lambda r, f: certainty(f - r), lambda f: -certainty(-f)),
}


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_derivatives(name):
    loss, reals, fakes = ADVERSARIAL_LOSSES[name], tf.constant(REAL), tf.constant(FAKE)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([reals, fakes])
        critic, generator = loss.critic(reals, fakes), loss.generator(fakes)
    found = [*tape.gradient(critic, [reals, fakes]), tape.gradient(generator, fakes)]
    by_real, by_fake, by_generated = DERIVATIVES[name]
    for got, want in zip(found, [by_real(REAL, FAKE), by_fake(REAL, FAKE), by_generated(FAKE)], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_losses_whose_sign_tells_reals_are_those_that_treat_both_alike(name):
    """For them, a critic that takes reals for fakes does as badly as one that takes fakes for reals, around zero."""
    loss = ADVERSARIAL_LOSSES[name]
    swapped = loss.critic(tf.constant(-FAKE), tf.constant(-REAL))
    mirrored = np.allclose(swapped, loss.critic(tf.constant(REAL), tf.constant(FAKE)), rtol=1e-6)
    assert mirrored == (name != "least-squares")
    shifted = np.allclose(loss.critic(REAL + 1, FAKE + 1), loss.critic(REAL, FAKE), rtol=1e-6)
    assert loss.sign_tells_reals == (mirrored and not shifted)  # WGAN's zero is anywhere


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
    objective = Objective(ADVERSARIAL_LOSSES["wgan-gp"], GradientPenalty(weight=5.0, target=2.0), drift_weight=0.1)
    np.testing.assert_allclose(objective.critic_loss(REAL, FAKE), FAKE - REAL + 0.1 * REAL**2, rtol=1e-6)
    np.testing.assert_allclose(objective.generator_loss(FAKE), -FAKE)
    reals, fakes = tf.ones([2, 2, 2, 1]), -tf.ones([2, 2, 2, 1])
    penalty, terms = objective.critic_penalty(quadratic_score, reals, fakes, tf.constant([0.0, 0.25]), 1.0)
    norms = np.array([2.0, 1.0])  # of the mixed images 1 and 0.5, over four pixels
    np.testing.assert_allclose(terms["critic_gradient_norm"], norms, rtol=1e-6)
    np.testing.assert_allclose(terms["gradient_penalty"], (norms - 2.0) ** 2 / 4.0, atol=1e-6)
    np.testing.assert_allclose(penalty, 5.0 * (norms - 2.0) ** 2 / 4.0, atol=1e-6)
    assert objective.critic_penalty.needs_fakes


def test_without_drift_the_objective_is_the_loss_alone():
    objective = Objective(ADVERSARIAL_LOSSES["hinge"], ZeroCentered())
    np.testing.assert_array_equal(objective.critic_loss(REAL, FAKE), adversarial.hinge_critic_loss(REAL, FAKE))


def test_r1_is_half_gamma_times_the_squared_norm_on_reals():
    reals = tf.random.stateless_normal([3, 2, 2, 1], [0, 1])
    penalty, terms = ZeroCentered(weight=4.0)(quadratic_score, reals, reals * 9, tf.ones([3]), 1.0)
    squares = np.sum(np.square(reals), axis=(1, 2, 3))
    np.testing.assert_allclose(penalty, 2.0 * squares, rtol=1e-5)
    np.testing.assert_allclose(terms["gradient_penalty"], squares, rtol=1e-5)
    np.testing.assert_allclose(terms["critic_gradient_norm"], np.sqrt(squares), rtol=1e-5)
    assert not ZeroCentered().needs_fakes


def test_r2_is_the_same_on_fakes():
    reals, fakes = tf.random.stateless_normal([2, 3, 2, 2, 1], [0, 1])
    both = ZeroCentered(weight=4.0, fakes_weight=tf.Variable(6.0))
    penalty, terms = both(quadratic_score, reals, fakes, tf.ones([3]), 1.0)
    of_reals, of_fakes = (np.sum(np.square(images), axis=(1, 2, 3)) for images in (reals, fakes))
    np.testing.assert_allclose(penalty, 2.0 * of_reals + 3.0 * of_fakes, rtol=1e-5)
    np.testing.assert_allclose(terms["gradient_penalty_fakes"], of_fakes, rtol=1e-5)
    assert both.needs_fakes


def test_a_relativistic_loss_judges_pairs_and_its_generator_swaps_them():
    objective = Objective(ADVERSARIAL_LOSSES["relativistic"], ZeroCentered())
    sure = 1.0 / (1.0 + np.exp(FAKE - REAL))
    np.testing.assert_allclose(objective.critic_loss(REAL, FAKE), -np.log(sure), rtol=1e-4)
    np.testing.assert_allclose(objective.generator_loss(FAKE, REAL), -np.log(1.0 - sure), rtol=1e-4)


def test_the_loss_of_classes_is_the_cross_entropy_of_their_softmax():
    logits, labels = np.array([[2.0, -1.0, 0.5], [80.0, 0.0, -80.0]], np.float32), np.eye(3, dtype=np.float32)[[1, 0]]
    exponentials = np.exp(logits.astype(np.float64))
    probabilities = exponentials / np.sum(exponentials, axis=1, keepdims=True)
    losses = adversarial.class_loss(tf.constant(logits), tf.constant(labels))
    np.testing.assert_allclose(losses, -np.log(np.sum(probabilities * labels, axis=1)), rtol=1e-5)
    far = adversarial.class_loss(tf.constant(logits), tf.constant(labels[::-1].copy()))
    np.testing.assert_allclose(far[1], 80.0, rtol=1e-5)
