"""train.py as people run it: exit codes, one line for a mistake, and runs that are killed and go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import warm_python
from tiny_run import table, tiny_config, write_images

from stylegan_tf.configuration.config import all_fields

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 300


def command(*arguments):
    return [sys.executable, str(ROOT / "train.py"), *(str(argument) for argument in arguments)]


def train(*arguments, cwd=None, processes=warm_python):
    """Exit code, stdout, stderr."""
    done = processes.run(command(*arguments), capture_output=True, text=True, cwd=cwd, timeout=TIMEOUT_S, check=False)
    return done.returncode, done.stdout, done.stderr


def tiny_flags(data, run_dir, **values):
    """The tiny configuration as flags."""
    config = tiny_config(data=str(data), run_dir=str(run_dir), **values)
    names = [field.name for _, field in all_fields() if field.name not in config.without_meaning()]
    values = {name: config.get(name) for name in names}
    return [f"--{name}={'' if value is None else value}" for name, value in values.items()]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("data") / "images")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--z_sise=8"], ["z_sise", "Did you mean z_size?"]),
        (
            ["--preset=huge"],
            [
                "preset must be one of tiny-stylegan2, tiny-stylegan2-ada, tiny-stylegan1, digits, progan",
                "Received: preset=huge.",
            ],
        ),
        (["--adam_beta2=1"], ["adam_beta2", "Received: 1.0."]),
        (["portraits"], ["'portraits'"]),
        (["--data=nowhere"], ["nowhere"]),
        (
            ["--preset=tiny-stylegan2", "--critic_architecture=growing"],
            ["both be 'growing', or neither", "Received: skip and growing."],
        ),
        (["--preset=tiny-stylegan1", "--augment=adaptive"], ["logistic or hinge", "Received: loss=wgan-gp."]),
        (["--augment=adaptive", "--loss=least-squares"], ["logistic or hinge", "Received: loss=least-squares."]),
    ],
    ids=[
        "unknown flag",
        "unknown preset",
        "impossible value",
        "no flag",
        "missing data",
        "half growing",
        "adaptive with wgan-gp",
        "adaptive with least-squares",
    ],
)
@pytest.mark.slow
def test_a_mistake_is_one_line_and_writes_nothing(tmp_path, arguments, words):
    code, out, err = train(*arguments, cwd=tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("train: ")
    assert all(word in err for word in words), err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_help_comes_at_once(tmp_path, monkeypatch):
    """Without importing TensorFlow, which takes seconds."""
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('TensorFlow was imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code, out, err = train("--help")
    assert (code, err) == (0, "")
    assert out.startswith("Trains a StyleGAN.")
    assert "--[no]dry_run" in out
    assert "--feature_maps_max" in out
    assert "TensorFlow was imported" in train("--dry_run")[2]


@pytest.mark.slow
def test_a_run_dir_that_holds_something_else_is_left_alone(data, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    code, out, err = train(*tiny_flags(data, tmp_path))
    assert (code, err.count("\n")) == (2, 1), err
    assert "run_dir must be empty" in err
    assert str(tmp_path) in err
    assert out == ""  # not even the plan
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_dry_run_on_two_logical_devices_prints_the_plan_and_writes_nothing(tmp_path):
    code, out, err = train("--dry_run", "--num_devices=2", cwd=tmp_path, processes=subprocess)
    assert (code, err) == (0, "")
    assert out.startswith("Devices    2 CPU devices")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_training_that_breaks_down_is_one_line_with_advice(data, tmp_path):
    run_dir = tmp_path / "run"
    flags = tiny_flags(data, run_dir, learning_rate=table("4:0.001,8:1e30"), loss="logistic")
    code, _, err = train(*flags)
    assert (code, err.count("\n")) == (2, 1), err
    assert err.startswith("train: training broke down: ")
    assert "ckpt-32. To start from it with a lower learning rate, add --learning_rate=" in err
    assert "training broke down" in (run_dir / "log.txt").read_text()


def interrupted(flags, run_dir, signal_number, checkpoint):
    """Starts a run, sends it a signal as soon as that checkpoint is there; returns exit code, stdout and stderr."""
    with warm_python.Popen(command(*flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + TIMEOUT_S
            while f'"{checkpoint}"' not in read_text(run_dir / "checkpoints" / "checkpoint"):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.kill(process.pid, signal_number)
            out, err = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
    return process.returncode, out, err


def read_text(path):
    return path.read_text() if path.exists() else ""


def final_arrays(run_dir):
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints" / "ckpt-96"))
    names = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in names if not name.startswith(("save_counter", "_CHECKPOINT"))}


@pytest.mark.slow
def test_runs_that_are_killed_or_stopped_finish_with_the_same_command_and_the_same_numbers(data, tmp_path):
    """One loses what it did since its checkpoint, the other saves before it goes; both end at the same weights."""
    killed, stopped = tmp_path / "killed", tmp_path / "stopped"

    def flags(run_dir, **values):  # without growing: each of four processes has half as much to trace
        return tiny_flags(data, run_dir, start_resolution=8, **values)

    code, _, _ = interrupted(flags(killed), killed, signal.SIGKILL, "ckpt-32")
    assert code == -signal.SIGKILL
    code, out, err = train(*flags(killed))
    assert (code, err) == (0, "")
    assert "Resuming at 0.032 kimg" in out
    assert "Finished 0.096 kimg" in out
    assert not list(killed.rglob("*.part"))

    code, out, err = interrupted(flags(stopped), stopped, signal.SIGTERM, "ckpt-32")
    assert (code, err) == (128 + signal.SIGTERM, "")
    assert "Stopped by SIGTERM and saved at 0.0" in out
    assert "run the same command to continue" in out
    code, out, err = train(*flags(stopped), processes=subprocess)  # all of a process is new, its hashes too
    assert (code, err) == (0, "")
    assert "Resuming at 0.0" in out

    expected, found = final_arrays(stopped), final_arrays(killed)
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)

    code, out, err = train(*flags(killed, z_size=16))
    assert (code, err.count("\n")) == (2, 1)
    assert "z_size was 8, is now 16" in err


@pytest.mark.slow
def test_without_metrics_no_cache_is_needed(tmp_path):
    """As in a container whose user has no home."""
    environment = {**os.environ, "HOME": "~"}
    environment.pop("XDG_CACHE_HOME", None)
    words = command("--dry_run", f"--run_dir={tmp_path / 'run'}")
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
