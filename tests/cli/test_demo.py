"""The demo command's mistakes, and a start and a stop."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
import tensorflow as tf

from stylegan_tf.cli import app, demo


def fail(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        app.run(demo.main, ["demo.py", *arguments], demo.FLAGS)
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "export must be given"), (["--export=.", "--model=a/b"], "model must be made of"),
    (["--export=/nowhere"], "an export must hold versions"), (["--port=70000"], "port"),
])
def test_mistakes_are_one_line(capsys, arguments, message):
    code, err = fail(capsys, *arguments)
    assert code == 2 and message in err and err.count("\n") == 1


def test_a_version_is_not_an_export(capsys, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    code, err = fail(capsys, f"--export={tmp_path / '1'}")
    assert code == 2 and f"--export={tmp_path}. " in err


class Doubling(tf.Module):
    """The smallest thing that can be served."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def serve(self, x):
        return {"y": 2 * x}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("export")
    module = Doubling()
    tf.saved_model.save(module, str(path / "1"), signatures=module.serve)
    return path


def test_a_port_that_is_taken(capsys, exported):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, err = fail(capsys, f"--export={exported}", f"--port={taken.getsockname()[1]}")
    assert code == 2 and "try another port" in err and err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_interrupted(exported, number):
    with subprocess.Popen(
        [sys.executable, "-m", "stylegan_tf.cli.demo", f"--export={exported}", "--port=0", "--model=tiny"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    ) as process:
        line = process.stdout.readline()
        try:
            assert line.startswith(f"{exported}, version 1: http://127.0.0.1:") and line.endswith("/?model=tiny\n")
            assert "development server" in process.stdout.readline()
            page = http.client.HTTPConnection(urlsplit(line.split(": ")[1].strip()).netloc, timeout=10)
            page.request("GET", "/")
            assert b"<h1>" in page.getresponse().read()  # the connection stays open, as a browser's does
        finally:
            process.send_signal(number)
        assert process.wait(timeout=20) == 128 + number
        err = process.stderr.read()
        assert "Traceback" not in err and err.splitlines()[-1] == "demo: interrupted."
