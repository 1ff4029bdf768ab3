"""The embeddings command on a run of 8x8 images."""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stylegan_tf.cli import embeddings
from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.resolve import resolve
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.sampling.latents import classes_from_seeds, one_hot_labels
from stylegan_tf.sampling.sampler import Sampler
from stylegan_tf.training.state import TrainState

CONFIG = TrainConfig().replace({
    "family": "stylegan2", "z_size": 8, "w_size": 8, "mapping_layers": 1, "mapping_learning_rate_multiplier": 1.0,
    "feature_maps_base": 32, "feature_maps_max": 8, "total_kimg": 1.0, "loss": "logistic", "truncation_psi": 0.6,
    "truncation_cutoff": 1, "critic_mapping_layers": 1,
})  # fmt: skip


@pytest.fixture(scope="module", params=[(), ("cat", "dog")], ids=["plain", "labelled"])
def run(request, tmp_path_factory):
    """A run, its averaged generator and its classes."""
    directory = RunDirectory(tmp_path_factory.mktemp("run") / "run")
    directory.prepare(CONFIG, resolve(CONFIG, (8, 8), 1), DatasetInfo("made up", 9, (8, 8), 3, "0", request.param))
    state = TrainState(CONFIG, 2, len(request.param), "float32")
    state.images_seen.assign(900)
    tf.train.CheckpointManager(state.checkpoint, str(directory.checkpoints), 1).save()
    return directory, state.generator_ema, request.param


@pytest.fixture
def command(run_command):
    """`command(**flags)`: exit code, stdout, stderr."""
    return functools.partial(run_command, embeddings)


@pytest.mark.slow
def test_w_and_images_are_those_of_the_seeds(command, run):
    directory, generator, names = run
    code, out, err = command(run_dir=directory.path, seeds="5,7-8")
    assert (code, err) == (0, "")
    assert re.search(r"3 points, truncation psi 0\.6, by .* at 0\.9 kimg\nNext: tensorboard --logdir=", out)
    seeds = [5, 7, 8]
    classes = np.asarray(classes_from_seeds(seeds, 2)) if names else None
    labels = one_hot_labels(classes, 2) if names else None
    folder = directory.tensorboard / "projector"
    sampler = Sampler(GeneratorAtLevel(generator))
    np.testing.assert_allclose(
        np.loadtxt(folder / "points.tsv"), sampler.ws(seeds, 0.6, 1, labels)[:, 0], rtol=1e-4, atol=1e-6
    )
    with Image.open(folder / "sprites.png") as sprite:
        pixels = np.asarray(sprite)
    np.testing.assert_array_equal(pixels[:8, 8:16], sampler.images(seeds, 0.6, 1, labels)[1])
    rows = (folder / "metadata.tsv").read_text().splitlines()
    plain = ["5", "7", "8"]
    assert rows == (
        ["seed\tclass", *(f"{seed}\t{names[c]}" for seed, c in zip(seeds, classes, strict=True))] if names else plain
    )


@pytest.mark.slow
def test_psi_of_the_command_goes_before_that_of_the_run(command, run):
    directory, generator, _ = run
    command(run_dir=directory.path, seeds="0-1", truncation_psi=0)
    points = np.loadtxt(directory.tensorboard / "projector" / "points.tsv")
    np.testing.assert_allclose(points[0], points[1])
    np.testing.assert_allclose(points[0], np.asarray(generator.w_average), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "--run_dir must be given: the directory of a training run. Received: nothing."),
        ({"run_dir": "/no"}, "run_dir must be the directory of a run, which holds config.json. Received: /no."),
        ({"run_dir": "x", "truncation_psi": 3}, "--truncation_psi must lie between -2 and 2. Received: 3.0."),
        ({"run_dir": "x", "seeds": "0-16384"}, "--seeds must be at most 16384. Received: 16385 of them."),
    ],
)
def test_mistakes_are_one_clear_line(command, values, expected):
    code, out, err = command(**values)
    assert (code, out, err) == (2, "", f"embeddings: {expected}\n")
