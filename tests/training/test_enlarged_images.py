"""Penalties below the last resolution, against the critic's derivative by images enlarged to it, as published."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import tiny_config, tiny_stylegan2

from stylegan_tf.training.flat_weights import FlatWeights
from stylegan_tf.training.gradients import PhaseGradients, StepKind
from stylegan_tf.training.preparation import make_objective
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.steps import TrainingStep

GROWING = {"generator_architecture": "growing", "critic_architecture": "growing"}
CASES = {
    "wgan-gp": (tiny_config, {}),
    "wgan-gp, target 0.5": (tiny_config, {"gradient_penalty_target": 0.5}),
    "R1": (tiny_config, {"loss": "logistic", "r1_gamma": 10.0}),
    "lazy R1": (tiny_config, {"loss": "logistic", "r1_gamma": 10.0, "critic_regularization_interval": 4}),
    "StyleGAN2, lazy R1": (tiny_stylegan2, {"r1_gamma": 10.0, **GROWING}),
    "StyleGAN2, wgan-gp": (tiny_stylegan2, {"loss": "wgan-gp", "critic_regularization_interval": 1, **GROWING}),
}


@pytest.fixture(scope="module")
def states():
    """Networks of 16x16 for each case, made once."""
    made = {}
    for name, (configure, values) in CASES.items():
        state = TrainState(configure(resolution="16", style_mixing_probability=0.0, **values), 3, 0, "float32")
        rng = np.random.default_rng(0)
        for weight in state.critic.trainable_weights:  # biases, too, and scores far from zero
            weight.assign(weight + rng.normal(0, 0.1, weight.shape).astype(np.float32))
        made[name] = state
    return made


def norms_by_enlarged_images(critic, images, level, fade_in, halvings):
    """Norms [N] of the scores' derivatives by images of the final resolution, which the critic first averages."""
    enlarged = tf.repeat(tf.repeat(images, 2**halvings, axis=1), 2**halvings, axis=2)
    with tf.GradientTape() as tape:
        tape.watch(enlarged)
        seen = tf.nn.avg_pool2d(enlarged, 2**halvings, 2**halvings, "VALID")
        scores = critic(seen, level=level, fade_in=fade_in)
    return tf.sqrt(tf.reduce_sum(tf.square(tape.gradient(scores, enlarged)), axis=[1, 2, 3]))


@pytest.mark.parametrize(
    ("name", "lod"),
    [
        *((name, lod) for name in ("wgan-gp", "StyleGAN2, lazy R1") for lod in (0.0, 0.4, 1.0, 1.3, 2.0)),
        *((name, lod) for name in ("wgan-gp, target 0.5", "R1", "lazy R1", "StyleGAN2, wgan-gp") for lod in (0.4, 1.3)),
    ],
)
@pytest.mark.slow
def test_penalty_and_its_weight_gradients(states, name, lod):
    state = states[name]
    halvings = int(lod)
    level, fade_in = 2 - halvings, tf.constant(1.0 - lod + halvings)
    phase = next(phase for phase in state.phases if phase.network == "critic" and phase.regularizer)
    kind = StepKind(level, 4, dataclasses.replace(phase, main=False))
    reals = tf.random.stateless_uniform([4, 4 << level, 4 << level, 3], [1, 2], -1.0, 1.0)
    draws = TrainingStep(state, make_objective(state.config.loss), tf.distribute.get_strategy())._draw(
        reals, tf.constant(0, tf.int64), kind
    )
    gradient, report, _ = PhaseGradients(state, make_objective(state.config.loss)).critic(
        fade_in, reals, tf.zeros([4, 0]), draws, kind=kind
    )
    seen, loss = reals, state.config.loss
    if loss.loss == "wgan-gp":
        fakes = state.generator.synthesis(
            state.generator.map(draws.z, tf.zeros([4, 0])), level=level, fade_in=fade_in, noise=draws.noise
        )
        seen = reals + (fakes - reals) * draws.factors[:, None, None, None]
    gradients, weights = FlatWeights(state.critic, level).split(gradient), state.critic.active_weights(level)
    with tf.GradientTape() as tape:
        norms = norms_by_enlarged_images(state.critic, seen, level, fade_in, halvings)
        if loss.loss == "wgan-gp":
            target = loss.gradient_penalty_target
            penalties = loss.gradient_penalty_weight * tf.square(norms - target) / target**2
        else:
            penalties = loss.r1_gamma / 2 * tf.square(norms)
        expected = phase.interval * tf.reduce_mean(penalties)
    np.testing.assert_allclose(report["critic_gradient_norm"], np.mean(norms), rtol=1e-4)
    for weight, got, want in zip(
        weights, gradients, tape.gradient(expected, [weight.value for weight in weights]), strict=True
    ):
        want = np.zeros(weight.shape) if want is None else want
        np.testing.assert_allclose(got, want, atol=2e-4 * max(np.abs(want).max(), 1e-6), err_msg=weight.path)
