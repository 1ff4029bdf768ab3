"""The sample command on a run of 8x8 images."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stylegan_tf.cli import sample
from stylegan_tf.configuration.config import ResolutionTable, TrainConfig
from stylegan_tf.configuration.resolve import resolve
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.sampling.latents import one_hot_labels
from stylegan_tf.sampling.sampler import Sampler
from stylegan_tf.training.state import TrainState

CONFIG = TrainConfig().replace(
    {
        "z_size": 8,
        "w_size": 8,
        "mapping_layers": 1,
        "mapping_learning_rate_multiplier": 1.0,
        "feature_maps_base": 32,
        "feature_maps_max": 8,
        "start_resolution": 4,
        "stage_kimg": ResolutionTable.parse("0.1"),
        "fade_kimg": ResolutionTable.parse("0.1"),
        "total_kimg": 1.0,
        "truncation_psi": 0.6,
        "truncation_cutoff": 3,
    }
)


def make_run(path: Path, label_names: tuple[str, ...] = (), checkpoint: bool = True, **values):
    """A run at its end, whose averaged generator is returned."""
    directory = RunDirectory(path)
    config = CONFIG.replace(values)
    directory.prepare(config, resolve(config, (8, 8), 1), DatasetInfo("made up", 9, (8, 8), 3, "0", label_names))
    if not checkpoint:
        return None
    state = TrainState(config, 2, len(label_names), "float32")
    random = np.random.default_rng(1)
    for weight in state.generator_ema.weights:
        if "seed" not in weight.path:
            weight.assign(0.5 * random.standard_normal(weight.shape))
    state.images_seen.assign(900)
    tf.train.CheckpointManager(state.checkpoint, str(directory.checkpoints), 1).save()
    return state.generator_ema


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "plain"
    return path, make_run(path)


@pytest.fixture(scope="module")
def labelled_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "labelled"
    return path, make_run(path, ("cat", "dog"))


@pytest.fixture
def command(run_command):
    """`command(**flags)`: exit code, stdout, stderr."""
    return functools.partial(run_command, sample)


def read(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.slow
def test_images_are_those_of_the_saved_generator(command, run, tmp_path):
    path, generator = run
    code, out, err = command(run_dir=path, figure="images", seeds="3,0-1", output=tmp_path / "out", noise="seed")
    assert (code, err) == (0, "")
    assert re.search(r"wrote .*/out: 3 images of 8x8, psi 0\.6, truncated in the first 3 layers, by .* 0\.9 kimg$", out)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "seed0000.png",
        "seed0001.png",
        "seed0003.png",
    ]
    want = Sampler(GeneratorAtLevel(generator)).images([3, 0], 0.6, 3, noise=[3, 0])
    np.testing.assert_array_equal(read(tmp_path / "out" / "seed0003.png"), want[0])
    np.testing.assert_array_equal(read(tmp_path / "out" / "seed0000.png"), want[1])


@pytest.mark.slow
def test_psi_cutoff_and_batch_size(command, run, tmp_path):
    path, generator = run
    for batch_size in (1, 5):
        command(
            run_dir=path,
            figure="images",
            seeds="3-5",
            output=tmp_path,
            truncation_psi=-0.5,
            truncation_cutoff=0,
            batch_size=batch_size,
            noise="none",
        )
        want = Sampler(GeneratorAtLevel(generator)).images([4], -0.5, noise="none")[0]
        np.testing.assert_array_equal(read(tmp_path / "seed0004.png"), want)


@pytest.mark.slow
def test_seeds_of_numpy(command, run, tmp_path):
    path, generator = run
    code, _, err = command(run_dir=path, figure="images", seeds="7", seed_source="numpy", output=tmp_path)
    assert (code, err) == (0, "")
    sampler = Sampler(GeneratorAtLevel(generator))
    z = np.random.RandomState(7).randn(1, generator.z_size)
    want = sampler.synthesize(sampler.truncate(sampler.map(z), 0.6, 3))
    np.testing.assert_array_equal(read(tmp_path / "seed0007.png"), want[0])
    code, _, err = command(run_dir=path, seeds=2**32, seed_source="numpy", output=tmp_path / "x.png")
    assert (code, err.count("\n")) == (2, 1) and "NumPy's seeds must lie between" in err


@pytest.mark.slow
def test_a_plain_grid(command, run, tmp_path):
    path, generator = run
    output = tmp_path / "grid.png"
    code, _, err = command(run_dir=path, seeds="0-5", columns=3, captions=False, scale=1, output=output)
    assert (code, err) == (0, "")
    picture = read(output)
    np.testing.assert_array_equal(picture[-8:, -8:], Sampler(GeneratorAtLevel(generator)).images([5], 0.6, 3)[0])


@pytest.mark.parametrize("figure", ["grid", "truncation", "style_mixing", "noise"])
@pytest.mark.slow
def test_every_figure_is_written_by_default_into_the_run(command, run, figure):
    path, _ = run
    code, out, err = command(run_dir=path, figure=figure, seeds="0-1", noise_realisations=4)
    assert (code, err, out.count("\n")) == (0, "", 1)
    picture = read(path / "figures" / f"{figure}.png")
    assert min(picture.shape[:2]) >= 96
    assert picture.std() > 10


@pytest.mark.parametrize(("ending", "space"), [(".gif", "w"), (".webp", "z")])
@pytest.mark.slow
def test_interpolation(command, run, tmp_path, ending, space):
    path, _ = run
    output = tmp_path / f"loop{ending}"
    code, out, err = command(
        run_dir=path, figure="interpolation", seeds="0-2", frames=4, frame_ms=50, space=space, output=output, scale=2
    )
    assert (code, err) == (0, "")
    assert "12 frames of 8x8, 0.6 s, through 3 images" in out
    with Image.open(output) as animation:
        assert (animation.n_frames, animation.size) == (12, (16, 16))


@pytest.mark.slow
def test_classes_by_name_and_number(command, labelled_run, tmp_path):
    path, generator = labelled_run
    code, _, err = command(run_dir=path, figure="images", seeds="2-3", classes="dog,0", output=tmp_path)
    assert (code, err) == (0, "")
    assert len(list(tmp_path.iterdir())) == 4
    want = Sampler(GeneratorAtLevel(generator)).images([3], 0.6, 3, one_hot_labels([1], 2))[0]
    np.testing.assert_array_equal(read(tmp_path / "seed0003_class1.png"), want)
    for figure in ("grid", "style_mixing"):
        assert command(run_dir=path, figure=figure, seeds="2-3", output=tmp_path / "figure.png")[0] == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"seeds": "3-x"}, "--seeds must be whole numbers and ranges, such as 0-63"),
        ({"row_seeds": ""}, "--row_seeds must be"),
        ({"truncation_psi": "2.5"}, "--truncation_psi must lie between -2 and 2. Received: 2.5."),
        ({"truncation_psi": "nan"}, "--truncation_psi must lie between -2 and 2"),
        ({"psis": "1,x"}, "--psis must be numbers such as 1,0.7,0. Received: 1,x."),
        ({"psis": "1,-3"}, "--psis must lie between -2 and 2. Received: -3.0."),
        ({"output": "a.gif"}, "--output must be a file that ends in .png, .jpg, .jpeg or .webp for --figure=grid. Rec"),
        ({"figure": "interpolation", "output": "a.png"}, "ends in .gif, .webp or .mp4 for --figure=interpolation"),
        ({"figure": "images", "output": "a.png"}, "--output must be a directory for --figure=images"),
        ({"figure": "portrait"}, "--figure=portrait"),
        ({"frames": "0"}, "--frames=0"),
        ({"classes": "dog"}, "--classes needs a run that was trained with labels. Received: 'dog'"),
        ({"figure": "style_mixing", "styles": "coarse,9"}, "--styles must be layers from 0 to 3. Received: '9'."),
        ({"figure": "style_mixing", "styles": "rough"}, "--styles, unless coarse, middle or fine, are layers"),
        ({"figure": "style_mixing", "styles": "middle"}, "--styles must name some of coarse, fine"),
        ({"run_dir": ""}, "--run_dir must be given: the directory of a training run. Received: nothing."),
        ({"run_dir": "/no/such/run"}, "run_dir must be the directory of a run, which holds config.json"),
    ],
)
@pytest.mark.slow
def test_mistakes_are_one_line_and_exit_code_2(command, run, tmp_path, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(**{"run_dir": run[0], "seeds": "0", **flags})
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("sample: ")
    assert message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_unknown_class(command, labelled_run):
    code, _, err = command(run_dir=labelled_run[0], classes="cat,cow")
    assert code == 2
    assert err == "sample: --classes must be names (cat, dog) or numbers from 0 to 1. Received: 'cow'.\n"


@pytest.mark.slow
def test_a_run_without_a_checkpoint(tmp_path):
    """In a process of its own: nothing of TensorFlow's start reaches the terminal."""
    make_run(tmp_path / "run", checkpoint=False)
    done = subprocess.run(
        [sys.executable, "-m", "stylegan_tf.cli.sample", f"--run_dir={tmp_path / 'run'}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"sample: the run must have a checkpoint; train it first. Received: none in {tmp_path}/run/checkpoints.\n"
    )


@pytest.mark.slow
def test_style_mixing_of_a_run_without_styles(command, tmp_path):
    make_run(tmp_path / "run", style=False, constant_input=False)
    code, _, err = command(run_dir=tmp_path / "run", figure="style_mixing", output=tmp_path / "mixing.png")
    assert (code, err.count("\n")) == (2, 1)
    assert "needs a generator with styles" in err
    assert not (tmp_path / "mixing.png").exists()
    code, out, err = command(run_dir=tmp_path / "run", seeds="0", truncation_psi=1, output=tmp_path / "grid.png")
    assert (code, err) == (0, "")
    assert "psi 1, not truncated, by" in out


@pytest.mark.slow
def test_noise_figure_of_a_run_without_noise(command, tmp_path):
    make_run(tmp_path / "run", noise=False)
    code, _, err = command(run_dir=tmp_path / "run", figure="noise", seeds="0", output=tmp_path / "noise.png")
    assert code == 2
    assert "needs a generator with noise; train one with --noise" in err
    assert not (tmp_path / "noise.png").exists()
