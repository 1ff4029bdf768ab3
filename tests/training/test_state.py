"""The state is saved whole."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import schedule_of, tiny_config, tiny_stylegan2

from stylegan_tf.training.state import TrainState


def variables_of(state):
    owners = (
        state.generator.weights,
        state.critic.weights,
        state.generator_ema.weights,
        state.generator_optimizer.variables,
        state.critic_optimizer.variables,
    )
    return [variable for owner in owners for variable in owner]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("configure", [tiny_config, tiny_stylegan2], ids=["stylegan1", "stylegan2"])
@pytest.mark.slow
def test_every_variable_returns_from_a_checkpoint(tmp_path, configure, policy):
    one, other = TrainState(configure(), 2, 3, policy), TrainState(configure(seed=1), 2, 3, policy)
    for index, variable in enumerate(variables_of(one)):
        variable.assign(tf.cast(tf.fill(variable.shape, 1 + index % 7), variable.dtype))
    one.set_clock(40, schedule_of(configure()).at(40))
    one.images_seen.assign(123)
    one.optimizer_period.assign(4)
    one.sign_steps.assign(3)
    one.sign_images.assign(24)
    scalars = {"path_length_mean": 0.75, "augment_p": 0.5, "sign_sum": -2.5}
    for name, value in scalars.items():
        getattr(one, name).assign(value)
    other.checkpoint.restore(one.checkpoint.save(str(tmp_path / "ckpt"))).assert_consumed()
    for a, b in zip(variables_of(one), variables_of(other), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    assert (int(other.images_seen), int(other.optimizer_period)) == (123, 4)
    assert (int(other.level), float(other.fade_in)) == (1, 0.25 if configure is tiny_config else 1.0)
    assert (int(other.sign_steps), int(other.sign_images)) == (3, 24)
    assert {name: float(getattr(other, name)) for name in scalars} == scalars


def test_the_strength_of_the_augmentation_starts_where_the_configuration_says():
    state = TrainState(tiny_config(augment="fixed", augment_p=0.25), 2, 0, "float32")
    assert float(state.augment_p) == 0.25
    assert float(state.path_length_mean) == float(state.sign_sum) == 0.0


@pytest.mark.slow
def test_weights_follow_the_seed_and_the_average_starts_at_the_generator():
    one, same, other = (TrainState(tiny_config(seed=seed), 2, 0, "float32") for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.critic.score.kernel, same.critic.score.kernel)
    assert not np.array_equal(one.critic.score.kernel, other.critic.score.kernel)
    for average, weight in zip(one.generator_ema.weights, one.generator.weights, strict=True):
        np.testing.assert_array_equal(average, weight)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_reset_forgets_moments_and_keeps_the_learning_rate(policy):
    state = TrainState(tiny_config(), 2, 0, policy)
    for variable in state.critic_optimizer.variables:
        variable.assign(tf.cast(tf.ones(variable.shape), variable.dtype))
    state.set_learning_rates(0.5, 0.25)
    state.reset_optimizers()
    inner = getattr(state.critic_optimizer, "inner_optimizer", state.critic_optimizer)
    assert float(inner.learning_rate.numpy()) == 0.25
    assert int(inner.iterations.numpy()) == 0
    moments = [variable for variable in inner.variables if variable.path.endswith(("momentum", "velocity"))]
    assert len(moments) == 2 * len(state.critic.trainable_weights)
    assert not any(np.any(variable.numpy()) for variable in moments)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_optimizers_make_up_for_lazy_regularisation(policy):
    """The generator's takes 3 steps in 2, the critic's 4 in 3 (Karras et al. 2020, StyleGAN2, appendix B)."""
    state = TrainState(tiny_stylegan2(adam_beta1=0.5, adam_beta2=0.99, adam_epsilon=1e-6), 2, 0, policy)
    state.set_learning_rates(0.012, 0.024)
    for optimizer, rate, factor in ((state.generator_optimizer, 0.012, 2 / 3), (state.critic_optimizer, 0.024, 3 / 4)):
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        assert (optimizer is not inner) == (policy == "mixed_float16")
        assert float(inner.learning_rate.numpy()) == pytest.approx(rate * factor, rel=1e-6)
        assert inner.beta_1 == pytest.approx(0.5**factor, rel=1e-12)
        assert inner.beta_2 == pytest.approx(0.99**factor, rel=1e-12)
        assert inner.epsilon == 1e-6


def test_optimizers_without_lazy_regularisation_are_as_configured():
    state = TrainState(tiny_config(adam_beta1=0.5), 2, 0, "float32")
    state.set_learning_rates(0.012, 0.024)
    for optimizer, rate in ((state.generator_optimizer, 0.012), (state.critic_optimizer, 0.024)):
        assert float(optimizer.learning_rate.numpy()) == pytest.approx(rate, rel=1e-6)
        assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.99)
    assert state.optimizer("generator") is state.generator_optimizer
    assert state.optimizer("critic") is state.critic_optimizer
