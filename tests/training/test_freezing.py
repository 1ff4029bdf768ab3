"""Freeze-D in a run: what is frozen gets no gradient, no update and no moments, and comes from the source."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import resolved, tiny_config, tiny_stylegan2, write_images

from stylegan_tf.training.gradients import StepKind
from stylegan_tf.training.memory import memory_needed
from stylegan_tf.training.preparation import make_objective, prepare_run
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.steps import TrainingStep
from stylegan_tf.training.transfer import SourceNetworks, initialize

FROZEN = {"from_rgb_1", "conv_1", "conv_down_1"}
STYLEGAN2 = {"family": "stylegan2", "loss": "logistic"}


def state_of(configure=tiny_stylegan2, num_levels=2, **values):
    return TrainState(resolved(configure(**values), num_levels), num_levels, 0, "float32")


def layer(variable):
    return variable.path.split("/")[1]


def values_of(network):
    return {weight.path: weight.numpy() for weight in network.weights}


@pytest.mark.slow
@pytest.mark.parametrize("configure", [tiny_config, tiny_stylegan2], ids=["stylegan1", "stylegan2"])
def test_a_step_leaves_frozen_weights_as_they_are(configure, tmp_path):
    frozen = FROZEN | ({"skip_1"} if configure is tiny_stylegan2 else set())
    state = state_of(configure, freeze_critic=1, start_resolution=8)
    before = values_of(state.critic)
    step = TrainingStep(state, make_objective(state.config.loss), tf.distribute.get_strategy())
    images = tf.cast(np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3)), tf.uint8)
    state.set_learning_rates(0.01, 0.01)
    for phase in state.phases:
        if phase.network == "critic":
            step.replica_phase(
                images, tf.zeros([8, 0]), tf.constant(0, tf.int64), tf.constant(1.0), StepKind(1, 8, phase)
            )
    # The smaller image counts in a fade-in only.
    moved = {path for path, value in values_of(state.critic).items() if np.any(value != before[path])}
    assert moved == {path for path in before if path.split("/")[1] not in frozen | {"from_rgb_0"}}
    for variable in state.critic_optimizer.variables:
        assert not any(f"_{name}_" in variable.path for name in frozen), variable.path
    prefix = state.checkpoint.save(str(tmp_path / "ckpt"))
    again = state_of(configure, freeze_critic=1, start_resolution=8)
    again.restore(prefix)
    for path, value in values_of(again.critic).items():
        np.testing.assert_array_equal(value, values_of(state.critic)[path])


def source_of(state, critic=True):
    weights = {"generator": values_of(state.generator), "generator_ema": values_of(state.generator_ema)}
    if critic:
        weights["critic"] = values_of(state.critic)
    rates = dict.fromkeys(("generator", "critic", "generator_ema"), 0.01)
    return SourceNetworks("runs/other", weights, (), "stylegan2", 8, rates)


def test_frozen_layers_come_from_the_source():
    source = source_of(state_of(seed=5))
    state = state_of(freeze_critic=1)
    initialize(state, source, ())
    kept = {weight.path for weight in state.critic.non_trainable_weights}
    assert {path.split("/")[1] for path in kept} == FROZEN | {"skip_1"}
    for path in kept:
        np.testing.assert_array_equal(values_of(state.critic)[path], source.weights["critic"][path])


def test_a_source_without_these_layers_is_refused():
    state = state_of(freeze_critic=1)
    with pytest.raises(ValueError, match=r"freeze_critic keeps .*Received: runs/other, without from_rgb_1, conv_1,"):
        initialize(state, source_of(state_of(), critic=False), ())
    larger = state_of(num_levels=3, freeze_critic=1)
    with pytest.raises(ValueError, match=r"Received: runs/other, without from_rgb_2, conv_2, conv_down_2, skip_2\."):
        initialize(larger, source_of(state_of()), ())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "give its run with --initialize_from. Received: none."),
        ({"freeze_critic": 2}, "freeze_critic must be below 2, the number of resolutions, .* Received: 2."),
        ({"family": "stylegan1"}, "add --start_resolution=8. Received: start_resolution=4."),
    ],
)
def test_what_cannot_be_frozen_is_refused(tmp_path, values, words):
    data = str(write_images(tmp_path / "images"))
    config = tiny_config(
        data=data, run_dir=str(tmp_path / "run"), channels=3, **{**STYLEGAN2, "freeze_critic": 1, **values}
    )
    with pytest.raises(ValueError, match=words):
        prepare_run(config, dry_run=True)


def test_frozen_weights_need_memory_for_themselves_and_not_for_moments(monkeypatch):
    monkeypatch.setattr("stylegan_tf.training.memory.WEIGHT_COPIES", 0)
    trained, frozen = (memory_needed(state_of(freeze_critic=count), 1, 1) for count in (0, 1))
    state = state_of(freeze_critic=1)
    numbers = sum(weight.numpy().size for weight in state.critic.non_trainable_weights)
    assert trained - frozen == 4 * numbers * 2
