"""The curves in TensorBoard."""

import dataclasses
from types import SimpleNamespace

import pytest
import tensorflow as tf
from tiny_run import report, resolved_schedule, table, tiny_config

from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.actions import LoopState, TensorBoardScalars
from stylegan_tf.training.statistics import Statistics
from stylegan_tf.training.summaries import CURVES

SCHEDULE = Schedule(
    resolved_schedule(
        start_resolution=4, stage_kimg=table("1"), fade_kimg=table("2"), batch_size=table("10"), total_kimg=4.0
    ),
    (4, 4),
    2,
)


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "run")


@pytest.fixture
def loop():
    """After the step from 2000 to 2010 images, in the middle of fading 8x8 in."""
    state = SimpleNamespace(path_length_mean=tf.Variable(1.5), augment_p=tf.Variable(0.25))
    return LoopState(state, SCHEDULE, Statistics(), SCHEDULE.at(2000), 2010, images_per_second=3.0)


def accumulator(directory, run="."):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(directory.tensorboard / run), size_guidance={"tensors": 0})
    return events.Reload()


def read(directory, tag):
    return accumulator(directory).Tensors(tag)


def scalars_of(directory, loop, reported=None, run=".", **values):
    """Runs the action once after a step that reported `reported`; its curves, each with its only point."""
    writer = tf.summary.create_file_writer(str(directory.tensorboard / run))
    config = tiny_config(tensorboard_interval_kimg=1.0, **values)
    scalars = TensorBoardScalars(writer, config, loop.statistics.reader())
    loop.statistics.add(2000, report(**(reported or {})))
    assert scalars.due(1990, 2000)
    assert not scalars.due(2000, 2010)
    scalars.run(loop)
    writer.close()
    events = accumulator(directory, run)
    found = {}
    for tag in events.Tags()["tensors"]:
        (event,) = events.Tensors(tag)
        assert event.step == loop.images_seen
        found[tag] = float(tf.make_ndarray(event.tensor_proto))
    return found


def test_tensorboard_leaves_out_what_was_not_measured_yet(loop, directory):
    found = scalars_of(directory, loop, {"real_scores": 7.0, "fake_scores": 4.0})
    assert {tag for tag in found if not tag.startswith(("progress/", "speed/"))} == {
        "loss/critic",
        "loss/generator",
        "loss/wasserstein_estimate",
        "scores/real",
        "scores/fake",
    }
    assert found["loss/wasserstein_estimate"] == 3.0
    assert (found["speed/images_per_second"], found["progress/fade_in"]) == (3.0, 0.5)
    assert found["progress/batch_size"] == 10
    assert found["progress/kimg"] == pytest.approx(2.01)
    assert set(found) <= set(CURVES)


def test_tensorboard_leaves_out_what_never_changes(loop, directory):
    """A network that does not grow has one period, and no speed is known before the first status line."""
    settings = resolved_schedule(start_resolution=8, batch_size=table("10"), total_kimg=4.0)
    loop.schedule, loop.images_per_second = Schedule(settings, (4, 4), 2), 0.0
    loop.stage = loop.schedule.at(2000)
    found = scalars_of(directory, loop)
    assert {tag for tag in found if tag.startswith(("progress/", "speed/"))} == {"progress/kimg", "speed/memory_gib"}
    ramps_up = dataclasses.replace(settings, learning_rate_rampup_kimg=1.0)
    loop.schedule = Schedule(ramps_up, (4, 4), 2)
    found = scalars_of(directory, loop, run="rampup")
    assert found["progress/learning_rate"] == pytest.approx(loop.stage.learning_rate)


def test_a_learning_rate_of_the_critic_has_a_curve_of_its_own(loop, directory):
    settings = resolved_schedule(
        start_resolution=4,
        batch_size=table("10"),
        total_kimg=4.0,
        stage_kimg=table("1"),
        fade_kimg=table("0"),
        learning_rate=table("0.002"),
        critic_learning_rate=table("0.004"),
    )
    loop.schedule = Schedule(settings, (4, 4), 2)
    loop.stage = loop.schedule.at(2000)
    found = scalars_of(directory, loop)
    assert found["progress/learning_rate"] == pytest.approx(0.002)
    assert found["progress/critic_learning_rate"] == pytest.approx(0.004)
    assert set(found) <= set(CURVES)


def test_the_end_of_a_run_is_written_once(loop, directory):
    """The last step may have been the end of an interval, or not."""
    writer = tf.summary.create_file_writer(str(directory.tensorboard))
    scalars = TensorBoardScalars(writer, tiny_config(), loop.statistics.reader())
    for images_seen, act in ((2010, scalars.run), (2010, scalars.finish), (2020, scalars.finish)):
        loop.images_seen = images_seen
        loop.statistics.add(images_seen, report(critic_loss=float(images_seen)))
        act(loop)
    writer.close()
    points = [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in read(directory, "loss/critic")]
    assert points == [(2010, 2010.0), (2020, 2015.0)]  # the mean over what was not written yet


def test_curves_say_what_good_looks_like(loop, directory):
    scalars_of(directory, loop, {"real_scores": 7.0, "fake_scores": 4.0})
    metadata = accumulator(directory).SummaryMetadata("scores/real")
    assert "Good: above that of generated images" in metadata.summary_description


@pytest.mark.parametrize(("loss", "name"), [("wgan-gp", "gradient_penalty"), ("hinge", "r1_penalty")])
def test_tensorboard_calls_the_penalty_by_its_name(loop, directory, loss, name):
    found = scalars_of(
        directory,
        loop,
        {"gradient_penalty": 3.0, "critic_gradient_norm": 1.5, "real_scores": 2.0, "fake_scores": 1.0},
        loss=loss,
    )
    assert (found[f"loss/{name}"], found["gradients/critic_norm"]) == (3.0, 1.5)
    assert len({"loss/gradient_penalty", "loss/r1_penalty"} & set(found)) == 1
    assert ("loss/wasserstein_estimate" in found) == (loss == "wgan-gp")


def test_tensorboard_shows_path_lengths_and_augmentation_where_they_are_used(loop, directory):
    values = {"loss": "logistic", "path_length_weight": 2.0, "augment": "fixed"}
    found = scalars_of(directory, loop, {"path_length": 4.0, "path_length_penalty": 0.5, "real_signs": -0.75}, **values)
    wanted = {
        "path_length/batch": 4.0,
        "path_length/running_mean": 1.5,
        "loss/path_length_penalty": 0.5,
        "augment/p": 0.25,
        "scores/real_signs": -0.75,
    }
    assert {tag: found.get(tag) for tag in wanted} == wanted
