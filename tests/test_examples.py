"""Examples do what they show: those of docstrings, and the Python of the README and the documentation."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import stylegan_tf
from stylegan_tf import layers
from stylegan_tf.configuration.presets import PRESETS
from stylegan_tf.configuration.resolve import resolve
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.state import TrainState

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = [
    pytest.param(block, id=f"{file.name}-{number}")
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL), 1)
]
# Servers, files and images that the reader brings: of such code only the imports are run.
OF_THE_READER = ("localhost", "EXPORT/1", "ffhq.pkl", "mine.safetensors", "reals", "hf://user")
LAYERS = {name: getattr(layers, name) for name in layers.__all__}


def run_example(documented, names):
    """Runs the example of a docstring, which there must be, where only these names are known."""
    test = doctest.DocTestParser().get_doctest(documented.__doc__, dict(names), documented.__name__, None, 0)
    assert any(example.want for example in test.examples), f"{test.name} has no example that shows what it gives"
    reported = []
    doctest.DocTestRunner().run(test, out=reported.append)
    assert not reported, "".join(reported)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the examples read: runs/tiny-stylegan1, as the preset is before its first step, and portraits-set."""
    folder = tmp_path_factory.mktemp("examples")
    config, dataset = PRESETS["tiny-stylegan1"].config, DatasetInfo("portraits", 2339, (32, 32), 3, "0" * 8)
    run = RunDirectory(folder / "runs" / "tiny-stylegan1")
    resolved = resolve(config, dataset.size, 1)
    run.prepare(config, resolved, dataset)
    state = TrainState(resolved, num_levels=4, num_classes=0, dtype_policy="float32")
    tf.train.CheckpointManager(state.checkpoint, str(run.checkpoints), max_to_keep=1).save()
    prepare = ["stylegan_tf.cli.dataset", "prepare", "--data=portraits", f"--output={folder / 'portraits-set'}"]
    subprocess.run([sys.executable, "-m", *prepare], cwd=ROOT, check=True, timeout=120)
    return folder


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_shows_how_it_is_used(name):
    run_example(LAYERS[name], {"keras": keras, **LAYERS})


@pytest.mark.slow
def test_the_package_shows_how_a_generator_is_used(folder, monkeypatch):
    monkeypatch.chdir(folder)
    run_example(stylegan_tf, {})
    run_example(stylegan_tf.load_generator, {"stylegan_tf": stylegan_tf})


def test_an_example_that_is_missing_or_wrong_is_noticed():
    for docstring, complaint in (("Adds.", "no example"), (">>> 1 + 1", "no example"), (">>> 1 + 1\n3", r"Got:\s+2")):
        documented = type("Sum", (), {"__doc__": docstring})
        with pytest.raises(AssertionError, match=complaint):
            run_example(documented, {})


@pytest.mark.parametrize("code", BLOCKS)
@pytest.mark.slow
def test_python_of_the_documentation(code, folder, monkeypatch):
    """It runs, and what it makes has the shapes that its comments give; or it is Python, and its imports are there."""
    compile(code, "documentation", "exec")
    if any(name in code for name in OF_THE_READER):
        code = "\n".join(re.findall(r"^(?:from|import) .*", code, re.MULTILINE))
    monkeypatch.chdir(folder)
    names = {}
    exec(code, names)
    made = {tuple(value.shape) for value in names.values() if isinstance(value, np.ndarray | tf.Tensor)}
    for comment in re.findall("#.*", code):
        for shape in re.findall(r"[\[(](\d+(?:, \d+)+)[\])]", comment):
            assert tuple(map(int, shape.split(", "))) in made, comment
