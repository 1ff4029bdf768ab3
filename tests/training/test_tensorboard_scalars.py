"""The curves in TensorBoard."""

from types import SimpleNamespace

import pytest
import tensorflow as tf
from tiny_run import report, table, tiny_config

from stylegan_tf.settings import ScheduleConfig
from stylegan_tf.training.actions import Progress, TensorBoardScalars
from stylegan_tf.training.run_directory import RunDirectory
from stylegan_tf.training.schedule import Schedule
from stylegan_tf.training.statistics import Statistics

SCHEDULE = Schedule(
    ScheduleConfig(
        start_resolution=4, stage_kimg=table("1"), fade_kimg=table("2"), batch_size=table("10"), total_kimg=4.0
    ),
    (4, 4), 2,
)


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "run")


@pytest.fixture
def progress():
    """After the step from 2000 to 2010 images, in the middle of fading 8x8 in."""
    state = SimpleNamespace(path_length_mean=tf.Variable(1.5), augment_p=tf.Variable(0.25))
    return Progress(state, SCHEDULE, Statistics(), SCHEDULE.at(2000), 2010, images_per_second=3.0)


def scalars_of(directory, progress, **values):
    """Runs the action once; its curves, each with its only point."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    writer = tf.summary.create_file_writer(str(directory.tensorboard))
    scalars = TensorBoardScalars(writer, tiny_config(tensorboard_interval_kimg=1.0, **values))
    assert scalars.due(1990, 2000)
    assert not scalars.due(2000, 2010)
    scalars.run(progress)
    writer.close()
    events = EventAccumulator(str(directory.tensorboard), size_guidance={"tensors": 0})
    events.Reload()
    found = {}
    for tag in events.Tags()["tensors"]:
        (event,) = events.Tensors(tag)
        assert event.step == progress.images_seen
        found[tag] = float(tf.make_ndarray(event.tensor_proto))
    return found


def test_tensorboard_leaves_out_what_was_not_measured_yet(progress, directory):
    progress.statistics.add(2000, report(real_scores=7.0, fake_scores=4.0))
    found = scalars_of(directory, progress)
    assert {tag for tag in found if not tag.startswith(("progress/", "speed/"))} == {
        "loss/critic", "loss/generator", "loss/wasserstein_estimate", "scores/real", "scores/fake"
    }
    assert found["loss/wasserstein_estimate"] == 3.0
    assert (found["speed/images_per_second"], found["progress/fade_in"]) == (3.0, 0.5)
    assert found["progress/batch_size"] == 10


@pytest.mark.parametrize(("loss", "name"), [("wgan-gp", "gradient_penalty"), ("hinge", "r1_penalty")])
def test_tensorboard_calls_the_penalty_by_its_name(progress, directory, loss, name):
    progress.statistics.add(2000, report(gradient_penalty=3.0, critic_gradient_norm=1.5))
    found = scalars_of(directory, progress, loss=loss)
    assert (found[f"loss/{name}"], found["gradients/critic_norm"]) == (3.0, 1.5)
    assert len({"loss/gradient_penalty", "loss/r1_penalty"} & set(found)) == 1


def test_tensorboard_shows_path_lengths_and_augmentation_where_they_are_used(progress, directory):
    progress.statistics.add(2000, report(path_length=4.0, path_length_penalty=0.5, real_signs=-0.75))
    values = {"loss": "logistic", "path_length_weight": 2.0, "augment": "fixed"}
    found = scalars_of(directory, progress, **values)
    wanted = {
        "path_length/batch": 4.0, "path_length/running_mean": 1.5, "loss/path_length_penalty": 0.5,
        "augment/p": 0.25, "scores/real_signs": -0.75,
    }
    assert {tag: found.get(tag) for tag in wanted} == wanted
