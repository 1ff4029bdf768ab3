"""Mistakes that need no TensorFlow are told without it."""

import subprocess
import sys

import pytest
from tiny_run import table

from stylegan_tf.cli.early_checks import check_early
from stylegan_tf.configuration.presets import preset
from stylegan_tf.errors import UserError

NO_TENSORFLOW = """
import sys
from stylegan_tf.cli import command
try:
    command.main(sys.argv[1:])
finally:
    assert "tensorflow" not in sys.modules
"""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--data=nowhere"], "data must be 'portraits'"),
        (["train", "--metrics=fid50k_fulll"], "a metric must be the name of a protocol"),
        (["train", "--preset=tinny"], "preset must be one of"),
        (["train", "--resolution=100"], "Received"),
        (["train", "--num_devices=2", "--batch_size=7"], "batch_size must be a multiple of the number of devices, 2"),
        (["train", "--initialize_from=stylegan2-ada-fhq"], "none of them. Did you mean stylegan2-ada-ffhq?"),
        (
            ["train", "--initialize_from=runs/none"],
            "initialize_from must be a run's directory, an export, hf://USER/NAME, or a name",
        ),
        (["sample", "--run_dir=nowhere"], "run_dir must be the directory of a run"),
        (["embeddings", "--run_dir=nowhere"], "run_dir must be the directory of a run"),
        (["export", "--run_dir=nowhere", "--output_dir=x"], "run_dir must be the directory of a run"),
        (["evaluate", "--run_dir=nowhere"], "run_dir must be the directory of a run"),
        (["evaluate", "--export=nowhere"], "export must be a directory that export.py wrote"),
        (["evaluate", "--images=nowhere"], "data must be 'portraits'"),
        (["evaluate", "--run_dir=x", "--metrics=nothing"], "a metric must be the name of a protocol"),
        (["demo", "--export=nowhere"], "Received: nowhere"),
    ],
)
def test_what_needs_no_tensorflow_is_told_without_it(tmp_path, words, message):
    command = [sys.executable, "-c", NO_TENSORFLOW, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_may_not_be_reached_is_not_asked_for():
    """As `Shares.check` has it, which knows where a run ends."""
    config = preset("stylegan1-256").replace({"num_devices": 2, "batch_size": table("4:8,256:7"), "run_dir": "new"})
    check_early(config)
    with pytest.raises(UserError, match="multiple of the number of devices, 2; .* Received: 7"):
        check_early(config.replace({"batch_size": table("7")}))
