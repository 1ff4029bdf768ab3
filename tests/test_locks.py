"""Locks between processes."""

import os
import signal
import subprocess
import sys

import pytest

from stylegan_tf.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from stylegan_tf.locks import locked
with locked(Path(sys.argv[1]), "this is held"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(path, seconds):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_tells_who_holds_it_and_ends_with_its_process(tmp_path):
    process = hold(tmp_path / "lock", 60)
    with process:
        holder = rf"^this is held by another process; .*held by process {process.pid} on "
        with pytest.raises(ValueError, match=holder), locked(tmp_path / "lock", "this is held"):
            pass
        process.send_signal(signal.SIGKILL)
    with locked(tmp_path / "lock", "this is held"):
        assert f"process {os.getpid()} on " in (tmp_path / "lock").read_text()
    assert (tmp_path / "lock").read_text() == ""


def test_a_short_lock_is_waited_for(tmp_path):
    with hold(tmp_path / "lock", 1.0), locked(tmp_path / "lock", "this is held", wait_s=30.0):
        assert f"process {os.getpid()} on " in (tmp_path / "lock").read_text()
