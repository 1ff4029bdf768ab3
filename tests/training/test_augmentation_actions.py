"""Adaptive augmentation in a run: moving its strength, and showing what the critic sees."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny_run import table, tiny_stylegan2

from stylegan_tf.augment.pipeline import Augmentation
from stylegan_tf.training.actions import Progress
from stylegan_tf.training.augmentation_actions import AugmentationControl, AugmentedReals
from stylegan_tf.training.run_directory import RunDirectory
from stylegan_tf.training.schedule import Schedule
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.statistics import Statistics


class State:
    """The part of a state that these actions look at."""

    def __init__(self, strength=0.0):
        self.augment_p = tf.Variable(strength)
        self.sign_sum = tf.Variable(0.0)


def run_control(config, state, signs, first_step=0):
    """The strength after each step whose mean sign on reals is given."""
    schedule, control, found = Schedule.from_config(config, 2), AugmentationControl(config), []
    batch = schedule.at(0).batch_size
    for step, sign in enumerate(signs, start=first_step):
        before, now = step * batch, (step + 1) * batch
        assert control.due(before, now)
        report = {"real_signs": tf.constant(sign, tf.float32)}
        control.run(Progress(state, schedule, Statistics(), schedule.at(before), now, report=report))
        found.append(float(state.augment_p))
    return found


@pytest.mark.parametrize("case", ["kimg500_b32", "kimg10_b64_p0.95"])
def test_the_strength_equals_the_published_one(reference, relative_error, case):
    """Each published mean is that of four steps, whose signs may differ."""
    published = reference("ada_controller")
    settings = published.config["ctrl"][case]
    config = tiny_stylegan2(
        batch_size=table(str(settings["batch_size"])), total_kimg=1000.0, augment="adaptive",
        augment_interval=settings["ada_interval"], augment_kimg=float(settings["ada_kimg"]),
        augment_target=settings["ada_target"],
    )
    wanted, state = published.outputs[f"p/{case}"][:50], State(settings["p0"])
    signs = [mean + offset for mean in published.inputs["sign_means"][:50] for offset in (0.25, -0.25, 0.0, 0.0)]
    found = run_control(config, state, signs)
    assert relative_error(found[3::4], wanted) < 1e-5
    assert found[4:7] == [found[3]] * 3  # nothing moves in between


def test_what_was_summed_before_a_stop_counts_after_it():
    config = tiny_stylegan2(augment="adaptive", augment_kimg=1.0, total_kimg=10.0)
    signs = [1.0, 1.0, -1.0, 0.9, 1.0, 1.0, 0.5, 0.5]
    whole, state = run_control(config, State(0.5), signs), State(0.5)
    resumed = run_control(config, state, signs[:6]) + run_control(config, state, signs[6:], first_step=6)
    assert resumed == whole
    assert whole[3] == pytest.approx(0.5 - 0.032)  # the mean of the first four, 0.475, is below the target
    assert whole[7] == pytest.approx(0.5)


def test_the_state_of_a_run_has_what_the_control_needs():
    config = tiny_stylegan2(augment="adaptive", augment_kimg=1.0, augment_interval=1)
    state = TrainState(config, 2, 0, "float32")
    assert run_control(config, state, [1.0, 1.0, -1.0]) == pytest.approx([0.008, 0.016, 0.008])
    assert float(state.sign_sum) == 0.0


@pytest.fixture
def show(tmp_path):
    """`show(strength, images_seen)`: the picture of the same 16 reals at that strength."""
    reals = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), dtype=np.uint8)
    directory = RunDirectory(tmp_path / "run")
    config = tiny_stylegan2(augment="adaptive", grid_interval_kimg=1.0)
    writer = tf.summary.create_file_writer(str(directory.tensorboard))
    action = AugmentedReals(config, Augmentation.from_groups("bgc"), reals, directory, writer)
    assert action.due(992, 1000)
    assert not action.due(1000, 1008)
    schedule = Schedule.from_config(config, 2)

    def draw(strength, images_seen=1000):
        action.run(Progress(State(strength), schedule, Statistics(), schedule.at(0), images_seen))
        with Image.open(directory.samples / "augmented_reals.png") as picture:
            assert picture.size == (512, 128)  # two rows of eight, eight times as large
            return np.asarray(picture).reshape(2, 8, 8, 8, 8, 8, 3)[:, :, 0, :, :, 0].transpose(0, 2, 1, 3, 4)

    return lambda *arguments: (draw(*arguments).reshape(16, 8, 8, 3).astype(int), reals.astype(int))


def test_reals_are_shown_as_the_critic_sees_them(show):
    shown, reals = show(0.0)
    assert np.max(np.abs(shown - reals)) <= 1
    strong, _ = show(1.0)
    assert np.mean(np.max(np.abs(strong - reals), axis=(1, 2, 3)) > 30) > 0.8
    np.testing.assert_array_equal(show(1.0)[0], strong)
    assert not np.array_equal(show(1.0, 2000)[0], strong)
