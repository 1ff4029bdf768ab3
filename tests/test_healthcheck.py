"""docker/healthcheck.py: when a run in a container counts as healthy."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from absl import flags

from stylegan_tf.cli.config_flags import config_from_flags, define_config_flags
from stylegan_tf.configuration.presets import DEFAULT_PRESET

SCRIPT = Path(__file__).resolve().parents[1] / "docker" / "healthcheck.py"
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture(scope="module")
def healthcheck(load_script):
    return load_script("docker/healthcheck.py")


@pytest.mark.parametrize(
    ("log_at", "healthy", "words"),
    [
        (None, True, "not training yet"),
        (900, True, "not training yet"),
        (1000, True, "training, "),
        (1900, True, "100 s ago"),
        (1399, False, "stalled"),
        (1401, True, "training, "),
    ],
)
def test_health(healthcheck, tmp_path, log_at, healthy, words):
    log = tmp_path / "log.txt"
    if log_at is not None:  # when the newest line was written; the process was started at 1000, and it is 2000
        log.write_text("a line\n")
        os.utime(log, (log_at, log_at))
    limit = 600 if log_at != 1000 else 1001
    answer, message = healthcheck.judge(log, 1000.0, 2000.0, limit)
    assert answer is healthy
    assert words in message


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--preset=stylegan2-ada"],
        ["--preset", "digits"],
        ["--run_dir=runs/mine"],
        ["-run_dir", "/runs/mine"],
        ["--total_kimg=1", "--run_dir", "runs/a=b", "--mirror"],
        ["--run_dir=", "--preset=digits"],
    ],
)
def test_the_health_check_looks_where_the_run_writes(healthcheck, arguments):
    values = flags.FlagValues()
    define_config_flags(values)
    values(["train.py", *arguments])
    expected = config_from_flags(values).run.run_dir
    assert healthcheck.run_directory(["python", "/app/train.py", *arguments]) == expected
    assert healthcheck.DEFAULT_PRESET == DEFAULT_PRESET


@linux
def test_when_a_process_was_started(healthcheck):
    before = time.time()
    with subprocess.Popen(["sleep", "60"]) as process:
        found = healthcheck.started(str(process.pid))
        process.kill()
    assert before - 1.5 < found < time.time() + 1.5


@linux
def test_the_health_check_is_cheap_and_calm_where_nothing_trains():
    tree = ast.parse(SCRIPT.read_text())
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert all(name.partition(".")[0] in sys.stdlib_module_names for name in imported)
    if "train.py" in Path("/proc/1/cmdline").read_text():
        pytest.skip("the first process here trains")
    done = subprocess.run([sys.executable, "-I", SCRIPT], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (0, "no training here\n")
