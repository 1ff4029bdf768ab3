"""A training step: gradients, accumulation, replicas, precision."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import tiny_config

from stylegan_tf.losses.objectives import LogisticR1, WassersteinGP
from stylegan_tf.training.draws import draw
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.steps import STATISTICS, StepKind, TrainingStep


def make_step(policy="float32", classes=0, levels=2, objective=None, **values):
    limit, jit = values.pop("max_batch_per_device", 0), values.pop("jit_compile", False)
    state = TrainState(tiny_config(**values), levels, classes, policy)
    state.set_learning_rate(0.01)
    return TrainingStep(
        state, objective or WassersteinGP(), tf.distribute.get_strategy(), max_batch_per_device=limit, jit_compile=jit
    )


def batch(count=8, size=8, classes=0):
    random = np.random.default_rng(1)
    images = tf.constant(random.integers(0, 256, (count, size, size, 3), dtype=np.uint8))
    return images, tf.one_hot(np.arange(count) % max(classes, 1), classes)


def weights_of(step):
    state = step.state
    return [v.numpy() for network in (state.generator, state.critic, state.generator_ema) for v in network.weights]


@pytest.mark.parametrize("objective", [WassersteinGP(), LogisticR1()], ids=["wgan-gp", "logistic"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_step_trains_every_active_weight_and_no_other(policy, objective):
    step = make_step(policy, classes=3, levels=3, objective=objective, resolution="16")
    state = step.state
    networks = (state.generator, state.critic)
    before = {id(v): v.numpy() for network in networks for v in network.weights}
    # Loss scaling leaves the first steps out, until the scale is low enough.
    for index in range(12 if policy == "mixed_float16" else 2):
        statistics = step(batch(classes=3), StepKind(1, 8), 8 * index, 0.5)
    assert np.isfinite(statistics[:6]).all()
    for network in networks:
        active = {id(weight) for weight in network.active_weights(1)}
        for weight in network.trainable_weights:
            changed = not np.array_equal(before[id(weight)], weight.numpy())
            assert changed == (id(weight) in active), weight.path
    assert not np.array_equal(before[id(state.generator.w_average)], state.generator.w_average.numpy())


def test_the_average_moves_by_its_half_life():
    step = make_step(ema_half_life_kimg=0.008)  # one batch
    state = step.state
    start = state.generator_ema.mapping.dense[0].kernel.numpy()
    step(batch(), StepKind(1, 8), 0, 1.0)
    new = state.generator.mapping.dense[0].kernel.numpy()
    np.testing.assert_allclose(state.generator_ema.mapping.dense[0].kernel, (start + new) / 2, rtol=1e-5)
    np.testing.assert_array_equal(state.generator_ema.w_average, state.generator.w_average)


def test_the_same_clock_gives_the_same_step_and_another_clock_another():
    results = []
    for images_seen in (64, 64, 72):
        step = make_step()
        step(batch(), StepKind(1, 8), images_seen, 0.5)
        results.append(weights_of(step))
    assert all(np.array_equal(a, b) for a, b in zip(results[0], results[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(results[0], results[2], strict=True))


@pytest.mark.parametrize("name", ["critic_gradients", "generator_gradients"])
@pytest.mark.parametrize("limit", [4, 2])
def test_accumulated_pieces_equal_the_whole_batch(name, limit):
    # Without the minibatch statistic, whose groups the pieces change.
    step = make_step(minibatch_stddev_group=0)
    kind = StepKind(1, 8)
    draws = draw(tf.constant([1, 2]), 8, 8, step.state.generator.synthesis, 1, 0.5)
    reals = tf.random.stateless_uniform([8, 8, 8, 3], [3, 4], -1.0, 1.0)
    results = []
    for step.max_batch_per_device in (0, limit):
        compute = step._compute(getattr(step, name), kind)
        results.append(tf.function(step._accumulate)(compute, tf.constant(0.5), (reals, tf.zeros([8, 0]), draws)))
    # Some gradients are rounding and nothing else (instance normalisation undoes a shift), hence the common scale.
    whole, pieces = (tf.nest.flatten(result) for result in results)
    scale = max(np.max(np.abs(one)) for one in whole)
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5 * scale)


def test_pieces_must_divide_the_batch():
    step = make_step(max_batch_per_device=3)
    with pytest.raises(ValueError, match="max_batch_per_device. Received: batch 8, max_batch_per_device=3"):
        step(batch(), StepKind(1, 8), 0, 0.5)


def test_a_step_without_the_penalty_reports_none():
    statistics = dict(zip(STATISTICS, make_step()(batch(), StepKind(1, 8, False), 0, 1.0).numpy(), strict=True))
    assert statistics["gradient_penalty"] == statistics["critic_gradient_norm"] == 0.0
    assert statistics["critic_loss"] != 0.0


def test_fading_does_not_retrace():
    step = make_step()
    for index in range(4):
        step(batch(), StepKind(1, 8), 8 * index, 0.25 * index)
    (compiled,) = step._compiled.values()
    assert compiled.experimental_get_tracing_count() == 1


@pytest.mark.slow
def test_xla_compiled_gradients_equal_the_others():
    plain, compiled = make_step(), make_step(jit_compile=True)
    one, other = (step(batch(), StepKind(1, 8), 0, 0.5) for step in (plain, compiled))
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


TWO_REPLICAS = """
import sys
import numpy as np, tensorflow as tf
sys.path[:0] = sys.argv[1:]
from tiny_run import tiny_config
from stylegan_tf.losses.objectives import WassersteinGP
from stylegan_tf.training.devices import choose_strategy
from stylegan_tf.training.draws import Draws, draw
from stylegan_tf.training.draws import draw
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.steps import StepKind, TrainingStep

two = choose_strategy(2)
assert two.num_replicas_in_sync == 2
kind = StepKind(1, 8)
images = tf.constant(np.random.default_rng(1).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8))
labels = tf.zeros([8, 0])


def run(strategy):
    with strategy.scope():
        # Adam with a large epsilon moves by the gradient itself: with a small one it would make full steps out of
        # gradients that are nothing but rounding.
        state = TrainState(tiny_config(minibatch_stddev_group=2, adam_epsilon=1.0), 2, 0, "float32")
        state.set_learning_rate(0.01)
    start = [v.numpy() for n in (state.generator, state.critic, state.generator_ema) for v in n.weights]
    step = TrainingStep(state, WassersteinGP(), strategy)
    draws = [draw(tf.constant([5, phase]), 8, 8, state.generator.synthesis, 1, 0.9) for phase in (0, 1)]
    count = strategy.num_replicas_in_sync

    def part(x):  # the groups of the minibatch statistic are strided: give each replica whole groups
        order = [0, 1, 4, 5, 2, 3, 6, 7] if count == 2 else range(8)
        parts = tf.split(tf.gather(x, list(order)), count)
        return strategy.experimental_distribute_values_from_function(lambda c: parts[c.replica_id_in_sync_group])

    def flat(d):
        return [d.z, d.other_z, d.crossover, d.factors, *d.noise]

    def make(values):
        return Draws(values[0], values[1], values[2], values[4:], values[3])

    @tf.function
    def go(images, labels, first, second):
        def replica(images, labels, first, second):
            return step.replica_step(images, labels, tf.constant(0, tf.int64), tf.constant(0.5), kind,
                                     (make(first), make(second)))
        report = strategy.run(replica, (images, labels, first, second))
        step._average_generator(8)
        return strategy.reduce("SUM", report, axis=None)

    spread = [[part(x) for x in flat(d)] for d in draws]
    reports = [go(part(images), part(labels), *spread).numpy() for _ in range(3)]
    ends = [v for n in (state.generator, state.critic, state.generator_ema) for v in n.weights]
    return reports, {(i, v.path): v.numpy() - a for i, (v, a) in enumerate(zip(ends, start))}, state


one_reports, one, _ = run(tf.distribute.get_strategy())
two_reports, both, state = run(two)
for a, b in zip(one_reports, two_reports):
    np.testing.assert_allclose(a[:6], b[:6], rtol=2e-4, atol=1e-5)
largest = max(np.max(np.abs(moved)) for moved in one.values())
worst = max((np.max(np.abs(one[name] - both[name])) / largest, name) for name in one)
assert largest > 1e-3 and worst[0] < 1e-3, (largest, worst)
for variable in state.generator.weights + state.critic.weights + state.generator_ema.weights:
    copies = two.experimental_local_results(variable._value)
    assert len(copies) == 2
    np.testing.assert_array_equal(copies[0].numpy(), copies[1].numpy(), err_msg=variable.path)
print("EQUAL")
"""


def test_two_replicas_equal_one_with_the_same_batch_and_random_numbers():
    here = Path(__file__).resolve()
    result = subprocess.run(
        [sys.executable, "-c", TWO_REPLICAS, str(here.parents[2]), str(here.parent)], capture_output=True, text=True
    )
    assert "EQUAL" in result.stdout, result.stderr[-3000:]
