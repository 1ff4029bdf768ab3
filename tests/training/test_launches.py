"""How many operations a training step launches: what a small network costs on a GPU."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.configuration.presets import preset
from stylegan_tf.configuration.resolve import resolve
from stylegan_tf.training.gradients import StepKind
from stylegan_tf.training.launches import count_instructions, count_kernels, count_launches
from stylegan_tf.training.preparation import make_augmentation, make_objective
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.steps import TrainingStep


@pytest.fixture(autouse=True)
def _as_in_training(optimized_graphs):
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"remapping": False})
    yield
    tf.config.optimizer.set_experimental_options({"remapping": before.get("remapping", True)})


def test_reads_and_shapes_launch_nothing_and_what_is_compiled_counts_as_one():
    variable = tf.Variable([1.0, 2.0])

    @tf.function(jit_compile=True, autograph=False)
    def compiled(x):
        return tf.sin(x) * tf.cos(x) + x

    @tf.function(autograph=False)
    def function(x):
        variable.assign_add(x * 2.0)
        return tf.reshape(compiled(x), [2, 1])

    found = count_launches(function, tf.constant([1.0, 2.0]))
    assert found == {"PartitionedCall": 1, "Mul": 1, "AssignAddVariableOp": 1}


@pytest.mark.parametrize(
    ("name", "size", "most"),
    [
        ("tiny-stylegan2", 32, {"generator": 960, "critic": 540, "critic regularizer": 420}),
        ("tiny-stylegan1", 32, {"generator": 900, "critic": 530, "critic regularizer": 660}),
        (
            "stylegan2-ada",
            32,
            {"generator": 820, "generator regularizer": 1120, "critic": 570, "critic regularizer": 460},
        ),
    ],
)
@pytest.mark.slow
def test_a_phase_launches_no_more_than(name, size, most):
    """Feature maps are few, which changes no count."""
    config = preset(name).replace({"resolution": str(size), "batch_size": 4, "feature_maps_max": 4})
    config = resolve(config, (size, size), 1)
    level = config.num_levels_for((size, size)) - 1
    state = TrainState(config, level + 1, 0, "mixed_bfloat16")
    step = TrainingStep(
        state,
        make_objective(config.loss),
        tf.distribute.get_strategy(),
        augmentation=make_augmentation(config.augment, config.loss.loss),
    )
    images = tf.constant(np.zeros((4, size, size, 3), np.uint8))
    arguments = (images, tf.zeros([4, 0]), tf.constant(0, tf.int64), tf.constant(1.0))
    found = {
        phase.name: sum(count_launches(step.compile(StepKind(level, 4, phase)), *arguments).values())
        for phase in state.phases
    }
    assert set(found) == set(most)
    assert all(most[phase] // 2 < found[phase] <= most[phase] for phase in most), found


@pytest.mark.slow
def test_what_xla_is_given_for_the_published_settings():
    """Filters are no convolutions there, styles few products, demodulation none: a card has fewer kernels to try."""
    config = preset("stylegan2-ada").replace({"resolution": "64", "batch_size": 4, "feature_maps_max": 4})
    config = resolve(config, (64, 64), 1)
    level = config.num_levels_for((64, 64)) - 1
    state = TrainState(config, level + 1, 0, "mixed_bfloat16")
    step = TrainingStep(
        state,
        make_objective(config.loss),
        tf.distribute.get_strategy(),
        augmentation=make_augmentation(config.augment, config.loss.loss),
    )
    arguments = (
        tf.constant(np.zeros((4, 64, 64, 3), np.uint8)),
        tf.zeros([4, 0]),
        tf.constant(0, tf.int64),
        tf.constant(1.0),
    )
    hlo = step.compiler_ir(StepKind(level, 4, state.phases[0]), arguments, "hlo")
    given = count_instructions(hlo)
    assert "feature_group_count" not in hlo
    assert given["convolution"] <= 54 and given["dot"] <= 52 and given["rng-bit-generator"] == 0


def test_kernels_are_the_instructions_that_run():
    @tf.function(jit_compile=True, autograph=False)
    def function(x):
        return tf.reduce_sum(tf.sin(x) * 2.0 + x) + tf.linalg.matmul(x, x)

    ir = function.experimental_get_compiler_ir(tf.zeros([64, 64]))
    given = count_instructions(ir(stage="hlo"))
    assert given["dot"] == 1 and given["sine"] == 1 and given["multiply"] == 1
    assert 1 <= count_kernels(ir(stage="optimized_hlo")) < sum(given.values())
