"""Averages of several lengths in a run's state: moved by steps, saved, restored, and shown."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import resolved, schedule_of, tiny_config

from stylegan_tf.networks.build import build_generator, shape_of
from stylegan_tf.runs.checkpoints import CheckpointFolder
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.runs.power_profiles import power_of
from stylegan_tf.training.memory import memory_needed
from stylegan_tf.training.plan import make_plan
from stylegan_tf.training.power_averages import PowerAverages
from stylegan_tf.training.soundness import unsound_reason
from stylegan_tf.training.state import TrainState

LENGTHS = (0.05, 0.2)


def make_state(policy="float32", **values):
    return TrainState(resolved(tiny_config(**{"power_averages": "0.05,0.2", **values})), 2, 0, policy)


def weights_of(generator):
    return np.concatenate([np.ravel(weight.numpy()) for weight in generator.averaged_weights]).astype(np.float64)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_averages_are_weighted_sums_of_the_weights_after_every_step(policy):
    config = tiny_config()
    generator, random = build_generator(config.network, shape_of(config, 2, 0, policy)), np.random.default_rng(0)
    averages, seen, course, ends = PowerAverages(generator, LENGTHS), 0, [], []
    move = tf.function(averages.move, autograph=False)
    for batch in [8, 8, 32, 16] * 3:
        for weight in generator.averaged_weights:
            weight.assign(random.standard_normal(weight.shape))
        move(tf.constant(averages.shares(seen, batch)))
        seen += batch
        course.append(weights_of(generator))
        ends.append(seen)
    assert list(averages.vectors) == ["0.05", "0.2"]
    for length, vector in zip(LENGTHS, averages.vectors.values(), strict=True):
        shares = np.diff(np.array([0, *ends]) ** power_of(length)) / seen ** power_of(length)
        assert vector.dtype == tf.float32
        np.testing.assert_allclose(vector, shares @ course, rtol=0, atol=1e-6)


def test_all_levels_and_the_mean_of_w_take_part():
    generator = build_generator(tiny_config().network, shape_of(tiny_config(), 2))
    paths = [weight.path for weight in generator.averaged_weights]
    assert len(paths) == len(generator.trainable_weights) + 1
    assert paths == sorted(paths)
    assert "generator/w_average" in paths


@pytest.mark.slow
def test_a_state_returns_from_a_checkpoint_with_its_averages(tmp_path):
    one, other = make_state(), make_state(seed=1)
    for number, vector in enumerate(one.power_averages.vectors.values()):
        vector.assign(tf.fill(vector.shape, 2.0 + number))
    other.restore(CheckpointFolder(tmp_path).save(one.checkpoint, 8, keep=1))
    assert [float(vector[0]) for vector in other.power_averages.vectors.values()] == [2.0, 3.0]


@pytest.mark.slow
def test_averages_begin_at_the_networks_of_a_checkpoint_without_them(tmp_path):
    """That of a converted network."""
    old, new = make_state(power_averages="", seed=1), make_state()
    assert "power_averages" not in old._parts
    new.restore(CheckpointFolder(tmp_path).save(old.checkpoint_without_optimizers, 8, keep=1))
    for vector in new.power_averages.vectors.values():
        np.testing.assert_array_equal(vector, weights_of(old.generator).astype(np.float32))


@pytest.mark.slow
def test_without_averages_nothing_is_kept():
    state = make_state(power_averages="")
    assert state.power_averages.vectors == {}
    assert state.power_averages.shares(8, 8).shape == (0,)


@pytest.mark.slow
def test_an_average_that_is_not_finite_is_named():
    state = make_state()
    assert unsound_reason(state, {}) == ""
    state.power_averages.vectors["0.2"].assign(state.power_averages.vectors["0.2"] * np.nan)
    assert unsound_reason(state, {}) == "the average 0.2 is not finite"


@pytest.mark.slow
def test_the_memory_counts_them():
    states = make_state(), make_state(power_averages="")
    needed, without = (memory_needed(state, 1, 8) for state in states)
    assert needed - without == 2 * 4 * sum(np.prod(weight.shape) for weight in states[0].generator.trainable_weights)


@pytest.mark.slow
def test_the_plan_names_them(tmp_path):
    info = DatasetInfo("made up", 9, (8, 8), 3, "0", ())
    for values, shown in (({}, True), ({"power_averages": ""}, False)):
        plan = str(make_plan(make_state(**values), schedule_of(tiny_config()), info, RunDirectory(tmp_path), "", "off"))
        assert ("Averages   half-life 0.05 kimg; power functions, sigma_rel 0.05, 0.2\n" in plan) == shown


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0.05,long", "(sigma_rel) from 0.001 to 0.28. Received: long."),
        ("0.3", "(sigma_rel) from 0.001 to 0.28. Received: 0.3."),
        ("nan", "Received: nan."),
        ("0", "Received: 0."),
        ("0.1,0.10", "power_averages must be at most 8 lengths, each another. Received: 0.1,0.10."),
        (",".join(f"0.0{number}" for number in range(1, 10)), "at most 8 lengths"),
    ],
)
def test_lengths_are_checked_before_anything_is_built(value, words):
    with pytest.raises(ValueError, match="power_averages") as raised:
        tiny_config(power_averages=value).validate()
    assert words in str(raised.value)
