"""The demo command's mistakes, and a start and a stop."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
import tensorflow as tf
import warm_python

from stylegan_tf.cli import demo


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--export must be given: the directory that export.py wrote"),
        (["--export=.", "--model=a/b"], "model must be made of"),
        (["--export=/nowhere"], "an export must hold versions"),
        (["--port=70000"], "port"),
        (["--export=.", "--host="], "a host must be a name or an address"),
        (["--export=.", "--host=..."], "a host must be a name or an address"),
        (["--export=.", "--host=localhost:80"], "a host must be a name or an address"),
        (["--export=.", "--allowed_hosts=fine,http://mine"], "a host must be a name or an address"),
    ],
)
def test_mistakes_are_one_line(run_command, arguments, message):
    code, _, err = run_command(demo, *arguments)
    assert code == 2 and message in err and err.count("\n") == 1


def test_a_version_is_not_an_export(run_command, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    code, _, err = run_command(demo, f"--export={tmp_path / '1'}")
    assert code == 2 and f"--export={tmp_path}. " in err


class Doubling(tf.Module):
    """The smallest thing that can be served."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")], autograph=False)
    def serve(self, x):
        return {"y": 2 * x}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("export")
    module = Doubling()
    tf.saved_model.save(module, str(path / "1"), signatures=module.serve)
    return path


def test_a_port_that_is_taken(run_command, exported):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = run_command(demo, f"--export={exported}", f"--port={taken.getsockname()[1]}")
    assert code == 2 and "try another port" in err and err.count("\n") == 1


@contextlib.contextmanager
def demo_of(exported, *flags, processes=subprocess):
    """The command in a process of its own, with its page's address; killed if it is still there at the end."""
    with processes.Popen(
        [sys.executable, "-m", "stylegan_tf.cli.demo", f"--export={exported}", "--port=0", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith(f"{exported}, version 1: http://127.0.0.1:")
            assert "development server" in process.stdout.readline()
            yield process, line.split(": ")[1].strip()
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "demo: interrupted.\n"), (signal.SIGTERM, 0, "")]
)
@pytest.mark.slow
def test_it_serves_until_it_is_interrupted(exported, number, code, said):
    with demo_of(exported, "--model=tiny", processes=warm_python) as (process, url):
        assert url.endswith("/?model=tiny")
        page = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        page.request("GET", "/")
        assert b"<h1" in page.getresponse().read()  # the connection stays open, as a browser's does
        process.send_signal(number)
        assert process.wait(timeout=60) == code
        assert process.stderr.read() == said


@pytest.mark.slow
def test_it_ends_cleanly_under_load_also_when_told_twice(exported):
    """From this machine alone: at most 8 clients, at most 20 seconds."""
    answered = []

    def ask_again_and_again(netloc, until):
        headers = {"Content-Type": "application/json"}
        with contextlib.suppress(OSError, http.client.HTTPException):  # the server goes away
            while time.monotonic() < until:
                client = http.client.HTTPConnection(netloc, timeout=10)
                for _ in range(10):
                    client.request("POST", "/v1/models/stylegan:predict", b'{"instances": [1.5]}', headers)
                    answer = client.getresponse()
                    answered.append((answer.status, answer.read()))

    with demo_of(exported) as (process, url):
        netloc, until = urlsplit(url).netloc, time.monotonic() + 20
        slow = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10)
        slow.sendall(b"POST / HTTP/1.1\r\n")
        clients = [threading.Thread(target=ask_again_and_again, args=(netloc, until)) for _ in range(8)]
        for client in clients:
            client.start()
        while len(answered) < 20 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(timeout=60) == 0
        finally:
            slow.close()
            for client in clients:
                client.join()
        assert (200, b'{"predictions": [3.0]}') in answered
        assert {status for status, _ in answered} <= {200, 503}
        assert "Traceback" not in process.stderr.read()
