"""Learning rates by part in a run: how far weights move, what the plan says, and what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_run import resolved, tiny_config, tiny_stylegan2

from stylegan_tf.training.adam import Adam
from stylegan_tf.training.plan import _rates_by_part
from stylegan_tf.training.state import TrainState


def state_of(configure=tiny_stylegan2, **values):
    return TrainState(resolved(configure(**values), 2), 2, 0, "float32")


def test_weights_move_by_their_factors():
    """Adam's steps are as long as its learning rate, whatever the gradients' size."""
    variables = [keras.Variable(np.zeros(3, np.float32), name=name) for name in ("slow", "still", "other")]
    optimizer = Adam(0.01, factors=lambda path: {"slow": 0.1, "still": 0.0}.get(path, 1.0))
    for _ in range(3):
        optimizer.apply([tf.constant([1.0, -20.0, 3.0])] * 3, variables)
    moved = [variable.numpy() for variable in variables]
    np.testing.assert_allclose(moved[2], [-0.03, 0.03, -0.03], rtol=1e-4)
    np.testing.assert_allclose(moved[0], 0.1 * moved[2], rtol=1e-5)
    np.testing.assert_array_equal(moved[1], 0.0)


@pytest.mark.parametrize("configure", [tiny_config, tiny_stylegan2], ids=["stylegan1", "stylegan2"])
def test_an_optimizer_has_the_factors_of_its_network(configure):
    state = state_of(configure, learning_rate_parts="generator/mapping:0,critic:0.5,critic/score:2")
    moved = {}
    for network, optimizer in ((state.generator, state.generator_optimizer), (state.critic, state.critic_optimizer)):
        before = [weight.numpy() for weight in network.trainable_variables]
        optimizer.learning_rate.assign(0.01)
        optimizer.apply([tf.ones(weight.shape) for weight in network.trainable_variables])
        for weight, value in zip(network.trainable_variables, before, strict=True):
            moved[weight.path] = float(np.mean(value - weight.numpy()))
    for path, distance in moved.items():
        factor = 0 if "/mapping/" in path else 2 if "/score/" in path else 0.5 if path.startswith("critic") else 1
        assert distance == pytest.approx(0.01 * factor, rel=1e-3, abs=1e-9), path


def test_the_plan_says_what_they_are():
    [(about, text)] = _rates_by_part(state_of(learning_rate_parts="generator/mapping/dense_0:0.1"))
    assert about == "Rates"
    assert text.startswith("generator/mapping/dense_0:0.1: 0.1 times for ")
    assert _rates_by_part(state_of()) == []


def test_a_part_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"Received: critic/conv_9, which fits none\. There are: .*critic/conv_1"):
        state_of(learning_rate_parts="critic/conv_9:0.1")
