"""Mutated files are read or refused, and nothing else happens; see fuzzing.py."""

from __future__ import annotations

import json
import pathlib
import random
import shutil
import subprocess
import sys

import fuzzing_published_files
import pytest
import warm_python
from tensorflow_pickle import stylegan2_pickle

from stylegan_tf.configuration.presets import preset
from stylegan_tf.networks.build import build_critic, build_generator, shape_of
from stylegan_tf.pretrained.published_names import published_arrays
from stylegan_tf.pretrained.read import read_published_file
from stylegan_tf.runs.load import load_run
from stylegan_tf.training.conversion import convert, plan_conversion

HERE = pathlib.Path(__file__).parent
CHECKPOINTS = ["fuzzing_checkpoints.py"]


@pytest.fixture(scope="module")
def pickles(tmp_path_factory):
    """The program, and a folder of files of all formats: the reference files, and StyleGAN2's of TensorFlow."""
    folder = tmp_path_factory.mktemp("pickles")
    for path in (HERE.parent / "reference" / "pickles").glob("*.pkl"):
        shutil.copy(path, folder)
    for design in ("stylegan2", "stylegan2-ada"):
        config = preset("stylegan2-ada").replace(
            {
                "z_size": 8,
                "w_size": 8,
                "mapping_layers": 2,
                "critic_mapping_layers": 1,
                "feature_maps_base": 32,
                "feature_maps_max": 8,
                "channels": 3,
                "label_design": design,
            }
        )
        arrays = (
            published_arrays(build(config.network, shape_of(config, 2, 3))) for build in (build_generator, build_critic)
        )
        (folder / f"{design}.pkl").write_bytes(stylegan2_pickle(*arrays, {"label_size": 3, "mapping_lrmul": 0.01}))
    return ["fuzzing_published_files.py", str(folder)]


def fuzz(jobs, count, program):
    """Runs jobs beside each other; gives what they found."""
    name, *arguments = program
    command = [sys.executable, str(HERE / name)]
    processes = [
        warm_python.Popen(
            [*command, str(seed), str(count), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for seed in jobs
    ]
    found = []
    for process in processes:
        out, err = process.communicate(timeout=3000)
        assert process.returncode == 0, err[-3000:]
        found.append(json.loads(out))
    return found


def check(found, count):
    for result in found:
        assert result["tried"] == count
        # Mutations reach behind the first instructions: some files stay sound, and errors are of many kinds.
        assert count * 0.02 < result["readable"] < count * 0.3
        assert len(result["errors"]) == 12


@pytest.mark.slow
def test_a_thousand_mutated_files(pickles):
    """`python tests/pretrained/fuzzing_published_files.py SEED COUNT FOLDER` tries as many more as one likes."""
    check(fuzz([2], 1000, pickles), 1000)


@pytest.mark.slow
def test_what_can_be_planned_is_converted_or_refused(pickles, tmp_path):
    """Networks are built and filled for some: a run comes of it, or one line and nothing."""
    draw, mutate = random.Random(5), fuzzing_published_files.of_published_files(pathlib.Path(pickles[1]))
    path, run = tmp_path / "mutated.pkl", tmp_path / "run"
    outcomes = []
    while len(outcomes) < 15:
        path.write_bytes(mutate(draw)[0])
        try:
            file = read_published_file(path)
            conversion = plan_conversion(file, run)
        except ValueError:
            continue
        try:
            convert(file, conversion)
        except ValueError as error:
            assert "\n" not in str(error) and not run.exists()
            outcomes.append(False)
        else:
            assert load_run(run).images_seen == conversion.images_seen
            shutil.rmtree(run)
            outcomes.append(True)
        assert not list(tmp_path.glob(".*"))
    assert sum(outcomes) >= 5


@pytest.mark.slow
def test_two_thousand_mutated_checkpoints():
    check(fuzz([1], 2000, CHECKPOINTS), 2000)


@pytest.mark.slow
def test_the_watch_sees_what_it_should(tmp_path):
    """The test above can fail: each of these ends a watched process."""
    script = "import sys; sys.path[:0] = [{!r}]; import fuzzing; watch = fuzzing.Watch(); watch.on = True; {}"
    for line in (
        "import a_module_that_is_nowhere",
        "compile('1', 'x', 'eval')",
        "eval('1')",
        "exec('pass')",
        "import os; os.system('true')",
        f"open({str(tmp_path / 'x')!r}, 'w')",
        "import os; os.mkdir('/tmp/none')",
    ):
        done = subprocess.run(
            [sys.executable, "-c", script.format(str(HERE), line)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 3 and "forbidden: " in done.stderr, (line, done)
    reading = script.format(str(HERE), "open(sys.executable, 'rb').close()")
    assert subprocess.run([sys.executable, "-c", reading], check=False).returncode == 0
    assert not list(tmp_path.iterdir())
