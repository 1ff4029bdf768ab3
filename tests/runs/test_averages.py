"""Averages that are read from a run's checkpoints: stored ones, and mixtures."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import resolved, tiny_config

from stylegan_tf.errors import UserError
from stylegan_tf.networks.build import build_generator, by_path, shape_of
from stylegan_tf.runs.averages import Average, fill_with_average
from stylegan_tf.runs.checkpoints import CheckpointFolder
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.runs.load import load_run
from stylegan_tf.runs.power_profiles import power_of
from stylegan_tf.training.power_averages import PowerAverages

SEEN, BATCH = 2000, 20  # with a checkpoint every 100

pytestmark = pytest.mark.slow


def weights_of(generator):
    return np.concatenate([np.ravel(weight.numpy()) for weight in generator.averaged_weights]).astype(np.float64)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run whose weights moved at random, and these after every step: float64 [steps, weights]."""
    config = tiny_config(power_averages="0.05,0.1")
    directory = RunDirectory(tmp_path_factory.mktemp("runs") / "run")
    directory.prepare(config, resolved(config), DatasetInfo("made up", 9, (8, 8), 3, "0", ()))
    generator, random, course = build_generator(config.network, shape_of(config, 2)), np.random.default_rng(0), []
    averages, images_seen = PowerAverages(generator, config.optimizer.average_lengths), tf.Variable(0, dtype=tf.int64)
    scalars = {"images_seen": images_seen, "level": tf.Variable(1), "fade_in": tf.Variable(1.0)}
    state = tf.train.Checkpoint(generator_ema=by_path(generator.weights), power_averages=averages.vectors, **scalars)
    weights = np.zeros(weights_of(generator).size)
    move = tf.function(averages.move, autograph=False)
    for seen in range(BATCH, SEEN + BATCH, BATCH):
        weights = weights + 0.1 * random.standard_normal(weights.size)
        fill_with_average(generator, Average(weights))
        move(tf.constant(averages.shares(seen - BATCH, BATCH)))
        course.append(weights_of(generator))
        if seen % (SEEN // 20) == 0:
            images_seen.assign(seen)
            CheckpointFolder(directory.checkpoints).save(state, seen, keep=99)
    return directory.path, np.array(course)


def averaged(course, sigma_rel):
    ends = np.linspace(0.0, 1.0, len(course) + 1)
    return np.diff(ends ** power_of(sigma_rel)) @ course


@pytest.mark.parametrize("checkpoint", ["newest", "1.5"])
def test_a_stored_average(trained, checkpoint):
    path, course = trained
    run = load_run(path, checkpoint, "0.1")
    course = course if checkpoint == "newest" else course[:75]
    assert (run.average, run.average_note, run.moment) == ("0.1", "", f"{len(course) / 50:g} kimg, average 0.1")
    np.testing.assert_allclose(weights_of(run.generator.network), averaged(course, 0.1), atol=1e-5)


@pytest.mark.parametrize("checkpoint", ["newest", "1.5"])
@pytest.mark.parametrize("length", [0.04, 0.07, 0.15])
def test_an_average_that_was_not_stored(trained, length, checkpoint):
    """A twentieth as far from the sum as a stored average of another length."""
    path, course = trained
    run = load_run(path, checkpoint, str(length))
    course = course if checkpoint == "newest" else course[:75]
    found, wanted = weights_of(run.generator.network), averaged(course, length)
    other = np.abs(averaged(course, 0.1) - wanted).max()
    assert np.abs(found - wanted).max() < 0.05 * other
    count = len(course) // 5
    assert run.average_note.startswith(
        f"average {length:g} is mixed of {2 * count} averages of {count} checkpoints; its"
    )
    assert run.moment.endswith(f"kimg, average {length:g}")


def test_what_is_no_weight_is_that_of_the_other_average(trained):
    """Fixed noise belongs to the network."""
    path, _ = trained
    usual, other = (load_run(path, average=name).generator.network for name in ("ema", "0.07"))
    changed = {weight.path for weight in other.averaged_weights}
    for one, two in zip(usual.weights, other.weights, strict=True):
        if two.path not in changed:
            np.testing.assert_array_equal(one, two, err_msg=two.path)
    assert load_run(path).moment == "2 kimg"


@pytest.mark.parametrize(
    ("average", "words"),
    [
        (
            "0.01",
            r"hold or can give; choose a length nearer to 0\.05 or 0\.1, .*whose profile 20 checkpoints would miss by",
        ),
        ("0.29", r"\(sigma_rel\) from 0\.001 to 0\.28\. Received: 0\.29\."),
        ("best", r"average must be ema or a length \(sigma_rel\) from"),
        ("", r"such as 0\.1\. Received: nothing\."),
        ("all", r"average must be one"),
        ("0.05,0.1", r"average must be one"),
    ],
)
def test_averages_that_there_are_not(trained, average, words):
    with pytest.raises(UserError, match=words):
        load_run(trained[0], average=average)


def test_a_run_without_them(tmp_path):
    config = tiny_config()
    directory = RunDirectory(tmp_path / "run")
    directory.prepare(config, resolved(config), DatasetInfo("made up", 9, (8, 8), 3, "0", ()))
    with pytest.raises(UserError, match=r"average must be ema, since this run was not trained with --power_averages"):
        load_run(directory.path, average="0.1")
