"""The state is saved whole."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import tiny_config

from stylegan_tf.training.state import TrainState


def variables_of(state):
    owners = (state.generator.weights, state.critic.weights, state.generator_ema.weights,
              state.generator_optimizer.variables, state.critic_optimizer.variables)
    return [variable for owner in owners for variable in owner]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_every_variable_returns_from_a_checkpoint(tmp_path, policy):
    one, other = TrainState(tiny_config(), 2, 3, policy), TrainState(tiny_config(seed=1), 2, 3, policy)
    for index, variable in enumerate(variables_of(one)):
        variable.assign(tf.cast(tf.fill(variable.shape, 1 + index % 7), variable.dtype))
    one.images_seen.assign(123)
    one.optimizer_phase.assign(4)
    other.checkpoint.restore(one.checkpoint.save(str(tmp_path / "ckpt"))).assert_consumed()
    for a, b in zip(variables_of(one), variables_of(other), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    assert (int(other.images_seen), int(other.optimizer_phase)) == (123, 4)


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
    state.set_learning_rate(0.25)
    state.reset_optimizers()
    inner = getattr(state.critic_optimizer, "inner_optimizer", state.critic_optimizer)
    assert float(inner.learning_rate.numpy()) == 0.25
    assert int(inner.iterations.numpy()) == 0
    moments = [variable for variable in inner.variables if variable.path.endswith(("momentum", "velocity"))]
    assert len(moments) == 2 * len(state.critic.trainable_weights)
    assert not any(np.any(variable.numpy()) for variable in moments)
