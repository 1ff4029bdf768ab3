"""Locks between processes."""

import os
import signal
import subprocess
import sys

import pytest

from stylegan_tf.locks import locked, locked_itself

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


ADD = """
import sys
from pathlib import Path
from stylegan_tf.files import written_whole
from stylegan_tf.locks import locked_itself
path = Path(sys.argv[1])
sys.stdin.readline()
for number in range(40):
    with locked_itself(path, "these lines are being written", wait_s=60.0):
        old = path.read_text()
        with written_whole(path) as beside:
            beside.write_text(f"{old}{sys.argv[2]} {number}\\n")
"""


def test_what_several_processes_add_to_one_file_is_all_there(tmp_path):
    path = tmp_path / "lines"
    processes = [
        subprocess.Popen([sys.executable, "-c", ADD, str(path), str(name)], stdin=subprocess.PIPE, text=True)
        for name in range(4)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(60) for process in processes] == [0] * 4
    lines = path.read_text().splitlines()
    assert sorted(lines) == sorted(f"{name} {number}" for name in range(4) for number in range(40))
    assert [found.name for found in tmp_path.iterdir()] == ["lines"]


def test_a_file_that_is_locked_itself_refuses_others_and_is_not_left_empty(tmp_path):
    path = tmp_path / "lines"
    with locked_itself(path, "this is held"):
        command = [sys.executable, "-c", HOLD.replace("locked", "locked_itself"), str(path), "0"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert f"this is held by another process; wait until it ends. Received: {path}." in done.stderr
    assert list(tmp_path.iterdir()) == []
