"""Signals end a command as Ctrl-C does: with one line, cleaned up, and an exit code that tells the signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

COMMAND = """
import sys, time
from pathlib import Path
from absl import flags
from stylegan_tf.cli import app
from stylegan_tf.files import written_folder

def main():
    with written_folder(Path("1")) as beside:
        (beside / "data").touch()
        try:
            print("writing", flush=True)
            time.sleep(30)
        finally:
            print("cleaning", flush=True)
            time.sleep(1)

app.run(main, ["export"], flags.FlagValues())
"""

IMPORTING = """
import sys, time
from absl import flags
from stylegan_tf.cli import app

def main():
    with app.quiet_startup():
        try:
            print("writing", flush=True)
            time.sleep(1)
        except BaseException:  # as some packages have it around their imports
            pass
    print("went on", flush=True)

app.run(main, ["export"], flags.FlagValues())
"""


def start(script, folder, **options):
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, **options,
    )  # fmt: skip
    assert process.stdout.readline() == "writing\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.slow
def test_a_signal_ends_a_command_cleaned_up(tmp_path, number, code):
    with start(COMMAND, tmp_path) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (code, "cleaning\n", "export: interrupted.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_second_signal_does_not_break_into_the_cleaning_up(tmp_path):
    """`timeout` sends two, and a terminal that is closed may."""
    with start(COMMAND, tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "cleaning\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (143, "export: interrupted.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_signal_during_imports_is_not_lost(tmp_path):
    with start(IMPORTING, tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (143, "", "export: interrupted.\n")


@pytest.mark.slow
def test_a_command_outlives_its_terminal_with_nohup(tmp_path):
    script = COMMAND.replace("time.sleep(30)", "time.sleep(2)")
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    with start(script, tmp_path, preexec_fn=ignore) as process:
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
