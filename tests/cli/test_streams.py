"""Commands whose standard streams are closed, full, or without a reader do their work all the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = """
import os, sys
from pathlib import Path
from stylegan_tf.cli import app

def main():
    for number in range(2000):
        print("a line that says how far the work is", number, flush=True)
    print("a note", file=sys.stderr, flush=True)
    os.write(1, b"native")
    Path("done").write_text("all of it")

app.run(main)
"""


@pytest.fixture
def run(tmp_path):
    """`run(redirections)`: exit code and standard error of a tool in a shell; its work is in tmp_path / "done"."""
    (tmp_path / "tool.py").write_text(TOOL)

    def call(redirections):
        done = subprocess.run(
            ["bash", "-c", f'"$0" tool.py {redirections}; exit ${{PIPESTATUS[0]}}', sys.executable], cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (tmp_path / "done").read_text() == "all of it"
        return done.returncode, done.stdout, done.stderr

    return call


def test_a_reader_who_leaves_is_no_error(run):
    assert run("| head -1") == (0, "a line that says how far the work is 0\n", "a note\n")


def test_closed_streams_stay_silent_and_nothing_gets_their_numbers(run):
    assert run("<&- >&-") == (0, "", "a note\n")
    assert run(">&- 2>&-") == (0, "", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no full device")
def test_a_full_disk_is_told_when_the_work_is_done(run):
    code, _, err = run("> /dev/full")
    assert code == 2
    assert err.splitlines() == [
        "a note", "tool: standard output could not be written: No space left on device. Everything else was done.",
    ]  # fmt: skip
    assert run("2> /dev/full")[0] == 0


def test_help_on_a_full_disk_is_an_error_without_a_traceback(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("the system has no full device")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, str(ROOT / "export.py"), "--help"], stdout=full, stderr=subprocess.PIPE, text=True,
            cwd=tmp_path, timeout=60, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
