"""Processes that begin with TensorFlow imported are like fresh ones."""

import os
import signal
import subprocess
import sys

import pytest
import warm_python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")

IS_WARM = "import sys; print('keras.src.losses' in sys.modules)"
TOLD = """
import os, signal, sys
print(sys.argv, sys.path[0], os.getcwd(), os.path.basename(sys.orig_argv[0]), sys.orig_argv[1:], __name__)
print(os.getpid() == os.getsid(0), sys.stdout.encoding, sys.stdout.errors, sys.stderr.errors, sys.stdout.write_through)
print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGPIPE))
of_the_tests = ("PYTEST_CURRENT_TEST", "LINES", "COLUMNS")
print(sys.stdin.read(), sorted(item for item in os.environ.items() if item[0] not in of_the_tests))
print(sorted(os.listdir("/proc/self/fd")), "__main__" in sys.modules, len(os.listdir("/proc/self/task")))
print("to stderr", file=sys.stderr)
sys.exit({})
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "code", "session"), [("-c", "None", False), ("-m", "'a text'", True), ("file", "3", False)]
)
def test_a_process_is_as_a_fresh_one(tmp_path, kind, code, session):
    (tmp_path / "told_module.py").write_text(TOLD.format(code))
    words = {"-c": ["-c", TOLD.format(code)], "-m": ["-m", "told_module"], "file": [tmp_path / "told_module.py"]}[kind]
    options = {"cwd": tmp_path, "start_new_session": session, "capture_output": True, "text": True, "check": False}
    words = [sys.executable, *words, "one", "--two=ä"]
    fresh, warm = (module.run(words, stdin=subprocess.DEVNULL, **options) for module in (subprocess, warm_python))
    assert (warm.returncode, warm.stderr) == (fresh.returncode, fresh.stderr)
    assert warm.stdout.splitlines() == fresh.stdout.splitlines()


@pytest.mark.slow
def test_it_is_warm_where_nothing_is_asked_for_that_needs_a_fresh_one(monkeypatch):
    import keras  # noqa: F401  sets variables, too

    def is_warm(*options, **keywords):
        words = [sys.executable, *options, "-c", IS_WARM]
        return warm_python.run(words, capture_output=True, text=True, check=True, **keywords).stdout == "True\n"

    if not is_warm():
        pytest.skip("importing TensorFlow starts threads on this machine")
    assert is_warm(env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"})  # as commands do
    assert not is_warm("-X", "dev")
    assert not is_warm(env={**os.environ, "KERAS_HOME": "/"})
    assert not is_warm(env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"})  # which is read once
    assert not is_warm(env={name: value for name, value in os.environ.items() if name != "PATH"})
    assert not is_warm(preexec_fn=lambda: None)
    monkeypatch.setenv("TF_SOMETHING", "1")
    assert not is_warm()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it(number):
    code = "import time; print('here', flush=True); time.sleep(60)"
    with warm_python.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"here\n"
        assert process.poll() is None
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == -number
    assert err.endswith(b"KeyboardInterrupt\n" if number == signal.SIGINT else b"")


@pytest.mark.slow
def test_an_error_is_a_traceback():
    done = warm_python.run([sys.executable, "-c", "1 / 0"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    with pytest.raises(subprocess.CalledProcessError):
        warm_python.run([sys.executable, "-c", "import sys; sys.exit(2)"], check=True)
    with pytest.raises(subprocess.TimeoutExpired):
        warm_python.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.1)


@pytest.mark.slow
def test_tensorflow_works_in_it():
    code = "import tensorflow as tf; print(float(tf.function(lambda x: x @ x)(tf.ones([2, 2]))[0, 0]))"
    for _ in range(2):
        done = warm_python.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "2.0\n"), done.stderr
