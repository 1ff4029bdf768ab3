"""Adaptive augmentation in a run: moving its strength, and showing what the critic sees."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny_run import schedule_of, table, tiny_stylegan2

from stylegan_tf.augment.pipeline import Augmentation
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.actions import LoopState
from stylegan_tf.training.augmentation_actions import AugmentationControl, AugmentedReals
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.statistics import Statistics


class State:
    """The part of a state that these actions look at."""

    def __init__(self, strength=0.0):
        self.augment_p = tf.Variable(strength)
        self.sign_sum = tf.Variable(0.0)
        self.sign_steps = tf.Variable(0, dtype=tf.int64)
        self.sign_images = tf.Variable(0, dtype=tf.int64)


def run_control(config, state, signs, first_step=0):
    """The strength after each step whose mean sign on reals is given."""
    schedule, control, found = schedule_of(config, 2), AugmentationControl(config.augment), []
    batch = schedule.at(0).batch_size
    for step, sign in enumerate(signs, start=first_step):
        before, now = step * batch, (step + 1) * batch
        assert control.due(before, now)
        report = {"real_signs": tf.constant(sign, tf.float32)}
        control.run(LoopState(state, schedule, Statistics(), schedule.at(before), now, report=report))
        found.append(float(state.augment_p))
    return found


@pytest.mark.parametrize("case", ["kimg500_b32", "kimg10_b64_p0.95"])
def test_the_strength_equals_the_published_one(reference, relative_error, case):
    """Each published mean is that of four steps, whose signs may differ."""
    published = reference("ada_controller")
    settings = published.config["ctrl"][case]
    config = tiny_stylegan2(
        batch_size=table(str(settings["batch_size"])),
        total_kimg=1000.0,
        augment="adaptive",
        augment_interval=settings["ada_interval"],
        augment_kimg=float(settings["ada_kimg"]),
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
    assert float(state.sign_sum) == int(state.sign_steps) == int(state.sign_images) == 0


# Periods of 5 steps of 8 images, then 3 of 12 and 7 of 4: none of them is a whole number of intervals.
GROWING = {
    "family": "stylegan1",
    "loss": "logistic",
    "resolution": "16",
    "stage_kimg": table("0.04"),
    "fade_kimg": table("8:0.036,16:0.028"),
    "batch_size": table("4:8,8:12,16:4"),
    "total_kimg": 0.3,
    "augment": "adaptive",
    "augment_kimg": 1.0,
    "augment_interval": 4,
    "augment_p": 0.5,
}


def signs_of_a_growing_run(config):
    """(images before the step, batch size, mean sign) of every step; signs are whole numbers over the batch."""
    schedule, random = schedule_of(config, 3), np.random.default_rng(0)
    seen, steps = 0, []
    while seen < schedule.total_images:
        batch = schedule.at(seen).batch_size
        steps.append((seen, batch, (2 * random.binomial(batch, 0.8) - batch) / batch))
        seen += batch
    return steps


def naive_strengths(steps, settings):
    """The strength after each step, by the images at which it is reached."""
    strength, waiting, found = settings.augment_p, [], {}
    for seen, batch, sign in steps:
        waiting += [(batch, sign)]
        if len(waiting) == settings.augment_interval:
            images = sum(batch for batch, _ in waiting)
            mean = sum(batch * sign for batch, sign in waiting) / images
            step = images / (1000 * settings.augment_kimg)
            strength, waiting = max(strength + np.sign(round(mean - settings.augment_target, 9)) * step, 0.0), []
        found[seen + batch] = strength
    return found


def control_steps(config, state, steps):
    schedule, control, found = schedule_of(config, 3), AugmentationControl(config.augment), {}
    for seen, batch, sign in steps:
        report = {"real_signs": tf.constant(sign, tf.float32)}
        control.run(LoopState(state, schedule, Statistics(), schedule.at(seen), seen + batch, report=report))
        found[seen + batch] = float(state.augment_p)
    return found


def test_an_interval_goes_on_where_resolution_and_batch_size_change():
    config = tiny_stylegan2(**GROWING)
    steps = signs_of_a_growing_run(config)
    assert {batch for _, batch, _ in steps} == {4, 8, 12}
    found = control_steps(config, State(0.5), steps)
    assert found == pytest.approx(naive_strengths(steps, config.augment), abs=1e-6)
    assert len(set(found.values())) > 5


@pytest.mark.parametrize(("resolution", "begin"), [(0, 0), (4, 0), (8, 76), (9, 144), (16, 144), (17, None)])
def test_a_growing_run_adjusts_once_a_resolution_is_faded_in(resolution, begin):
    """4x4 until 40 images, 8x8 fading in until 76 and trained until 116, 16x16 fading in until 144."""
    config = tiny_stylegan2(**GROWING)
    steps = signs_of_a_growing_run(config)
    control = AugmentationControl(config.augment, schedule_of(config, 3).faded_in(resolution))
    due = [seen for seen, batch, _ in steps if control.due(seen, seen + batch)]
    assert due == [seen for seen, *_ in steps if begin is not None and seen >= begin]


@pytest.mark.parametrize("stop", [2, 6, 11])
@pytest.mark.slow
def test_a_growing_run_that_stops_within_an_interval_goes_on_as_if_it_had_not(tmp_path, stop):
    config = tiny_stylegan2(**GROWING)
    steps, first, second = signs_of_a_growing_run(config), *(TrainState(config, 3, 0, "float32") for _ in range(2))
    found = control_steps(config, first, steps[:stop])
    assert 0 < int(first.sign_steps) < 4
    prefix = first.checkpoint.save(str(tmp_path / "ckpt"))
    second.restore(prefix)
    found |= control_steps(config, second, steps[stop:])
    assert found == pytest.approx(naive_strengths(steps, config.augment), abs=1e-6)


@pytest.mark.slow
def test_a_sum_whose_steps_nobody_counted_does_not_move_the_strength(tmp_path):
    """Checkpoints of earlier versions have the sum alone."""
    config = tiny_stylegan2(augment="adaptive", augment_kimg=1.0, augment_p=0.5)
    first, second = (TrainState(config, 2, 0, "float32") for _ in range(2))
    first.sign_sum.assign(-400.0)
    first.augment_p.assign(0.25)
    old = {name: part for name, part in first._parts.items() if name not in ("sign_steps", "sign_images")}
    prefix = tf.train.Checkpoint(**old).save(str(tmp_path / "ckpt"))
    second.restore(prefix)
    assert run_control(config, second, [1.0] * 4) == pytest.approx([0.25, 0.25, 0.25, 0.25 + 0.032])


@pytest.fixture
def show(tmp_path):
    """`show(strength, images_seen)`: the picture of the same 16 reals at that strength."""
    reals = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), dtype=np.uint8)
    directory = RunDirectory(tmp_path / "run")
    config = tiny_stylegan2(augment="adaptive", grid_interval_kimg=1.0)
    writer = tf.summary.create_file_writer(str(directory.tensorboard))
    action = AugmentedReals(config.run, Augmentation.from_groups("bgc"), reals, directory, writer)
    assert action.due(992, 1000)
    assert not action.due(1000, 1008)
    schedule = schedule_of(config, 2)

    def draw(strength, images_seen=1000):
        action.run(LoopState(State(strength), schedule, Statistics(), schedule.at(0), images_seen))
        with Image.open(directory.samples / "augmented_reals.png") as picture:
            assert picture.size == (512, 128)  # two rows of eight, eight times as large
            return np.asarray(picture).reshape(2, 8, 8, 8, 8, 8, 3)[:, :, 0, :, :, 0].transpose(0, 2, 1, 3, 4)

    return lambda *arguments: (draw(*arguments).reshape(16, 8, 8, 3).astype(int), reals.astype(int))


@pytest.mark.slow
def test_reals_are_shown_as_the_critic_sees_them(show):
    shown, reals = show(0.0)
    assert np.max(np.abs(shown - reals)) <= 1
    strong, _ = show(1.0)
    assert np.mean(np.max(np.abs(strong - reals), axis=(1, 2, 3)) > 30) > 0.8
    np.testing.assert_array_equal(show(1.0)[0], strong)
    assert not np.array_equal(show(1.0, 2000)[0], strong)
