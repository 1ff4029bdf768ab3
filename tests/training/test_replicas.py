"""A step on two replicas, in a process of its own, equals one with the same batch and random numbers."""

import sys
from pathlib import Path

import pytest
import warm_python

TWO_REPLICAS = """
import sys
import numpy as np, tensorflow as tf
sys.path[:0] = sys.argv[2:]
from tiny_run import schedule_of, tiny_config, tiny_stylegan2
from stylegan_tf.augment.pipeline import Augmentation
from stylegan_tf.training.actions import LoopState, TensorBoardScalars
from stylegan_tf.training.status import Status
from stylegan_tf.training.augmentation_actions import AugmentationControl
from stylegan_tf.training.devices import choose_strategy
from stylegan_tf.training.draws import make_draws, draw_augmentation_pair, draw_path_noise
from stylegan_tf.training.gradients import StepKind
from stylegan_tf.training.preparation import make_objective
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.statistics import Statistics
from stylegan_tf.training.steps import TrainingStep

tf.config.optimizer.set_experimental_options({"remapping": False})
two = choose_strategy(2)
assert two.num_replicas_in_sync == 2
images = tf.constant(np.random.default_rng(1).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8))
labels = tf.zeros([8, 0])
# Adam with a large epsilon moves by the gradient itself: with a small one it would make full steps out of
# gradients that are nothing but rounding. Replicas compare path lengths with means of their own, hence the small decay.
values = {
    "minibatch_stddev_group": 2, "adam_epsilon": 1.0, "path_length_decay": 1e-4, "augment": "fixed", "augment_p": 0.5,
    "power_averages": "0.05,0.1",
}
stylegan2 = sys.argv[1] == "stylegan2"
config = (tiny_stylegan2 if stylegan2 else tiny_config)(**values)
augmentation = Augmentation.from_groups("blit,color") if stylegan2 else None


def run(strategy):
    with strategy.scope():
        state = TrainState(config, 2, 0, "float32")
        state.set_learning_rates(0.01, 0.01)
        state.path_length_mean.assign(0.5)
    start = [v.numpy() for n in (state.generator, state.critic, state.generator_ema) for v in n.weights]
    step = TrainingStep(state, make_objective(config.loss), strategy, augmentation=augmentation)
    count = strategy.num_replicas_in_sync

    def part(x):  # the groups of the minibatch statistic are strided: give each replica whole groups
        order = [0, 1, 4, 5, 2, 3, 6, 7] if count == 2 and x.shape[0] == 8 else range(x.shape[0])
        parts = tf.split(tf.gather(x, list(order)), count)
        return strategy.experimental_distribute_values_from_function(lambda c: parts[c.replica_id_in_sync_group])

    def draws_of(phase):
        size, key = step.gradients.images(StepKind(1, 8, phase)), tf.constant([5, phase.stream])
        draws = make_draws(key, size, 8, state.generator.synthesis, 1, 0.9)
        if phase.network == "generator" and phase.regularizer:
            draws = draws._replace(path_noise=draw_path_noise(key, size, (8, 8, 3)))
        if augmentation is not None:
            reals, fakes = draw_augmentation_pair(augmentation, key, size, (8, 8, 3))
            draws = draws._replace(real_augmentation=reals, fake_augmentation=fakes)
        return tf.nest.map_structure(lambda x: None if x is None else part(x), draws)

    def compiled(phase):
        kind = StepKind(1, 8, phase)

        @tf.function(autograph=False)
        def go(images, labels, draws):
            report = strategy.run(
                step.replica_phase, (images, labels, tf.constant(0, tf.int64), tf.constant(0.5), kind, draws)
            )
            return {name: strategy.reduce("SUM", value, axis=None) for name, value in report.items()}

        return go

    phases = [(compiled(phase), draws_of(phase)) for phase in state.phases]
    reports = []
    for _ in range(3):
        report = {}
        for go, draws in phases:
            report |= {name: float(value) for name, value in go(part(images), part(labels), draws).items()}
        step.average_generator(tf.constant(0.1), tf.constant([0.2, 0.3]))
        reports.append(report)
    ends = [v for n in (state.generator, state.critic, state.generator_ema) for v in n.weights]
    return reports, {(i, v.path): v.numpy() - a for i, (v, a) in enumerate(zip(ends, start))}, state


one_reports, one, single = run(tf.distribute.get_strategy())
two_reports, both, state = run(two)
assert len(one_reports[0]) == (11 if stylegan2 else 9), one_reports[0]
for a, b in zip(one_reports, two_reports):
    assert a.keys() == b.keys()
    for name in a:  # norms of weight gradients are those of each replica, added up
        if not name.endswith("weight_gradient_norm"):
            np.testing.assert_allclose(a[name], b[name], rtol=2e-4, atol=1e-5, err_msg=name)
largest = max(np.max(np.abs(moved)) for moved in one.values())
worst = max((np.max(np.abs(one[name] - both[name])) / largest, name) for name in one)
assert largest > 1e-3 and worst[0] < 1e-3, (largest, worst)
moved = [float(s.path_length_mean.numpy()) - 0.5 for s in (single, state)]
assert (moved[0] != 0) == stylegan2
np.testing.assert_allclose(moved[0], moved[1], rtol=1e-2)
weights = state.generator.weights + state.critic.weights + state.generator_ema.weights
vectors = state.power_averages.vectors.values()
for vector, same in zip(vectors, single.power_averages.vectors.values()):
    assert np.max(np.abs(vector.numpy() - same.numpy())) / largest < 1e-3, vector.name
for variable in [*(weight._value for weight in weights), state.path_length_mean, *vectors]:
    copies = two.experimental_local_results(variable)
    assert len(copies) == 2
    np.testing.assert_array_equal(copies[0].numpy(), copies[1].numpy(), err_msg=variable.name)

# What looks at the state between steps can read and move what is on both.
schedule = schedule_of(config, 2)
loop = LoopState(state, schedule, Statistics(), schedule.at(0), 8, report={"real_signs": tf.constant(1.0)})
AugmentationControl(config.replace({"augment_kimg": 1.0, "augment_interval": 1}).augment).run(loop)
reader = loop.statistics.reader()
text = Status(96, 10.0, print, reader, show_augmentation=True).text(loop, reader.means())
assert "| augment 0.508 |" in text, text
if stylegan2:
    curves = TensorBoardScalars(None, config, reader)._state_values(state)
    assert set(curves) == {"path_length/running_mean", "augment/p"}, curves
print("EQUAL")
"""


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2"])
@pytest.mark.slow
def test_two_replicas_equal_one_with_the_same_batch_and_random_numbers(family):
    here = Path(__file__).resolve()
    result = warm_python.run(
        [sys.executable, "-c", TWO_REPLICAS, family, str(here.parents[2]), str(here.parent)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "EQUAL" in result.stdout, result.stderr[-3000:]
