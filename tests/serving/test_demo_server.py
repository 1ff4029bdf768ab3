"""The development server over a real socket, in front of an API that echoes."""

from __future__ import annotations

import http.client
import json
import threading

import pytest
from echo_server import EchoApi, answering

from stylegan_tf.serving import demo_server, request_head


@pytest.fixture
def ask(tmp_path):
    """`ask(method, path, body=, headers=)`: status, headers, content."""
    (tmp_path / "3" / "assets.extra").mkdir(parents=True)
    (tmp_path / "3" / "assets.extra" / "model.json").write_text('{"num_ws": 4}')
    (tmp_path / "3" / "secret.json").write_text("secret")

    def call(method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(*server.server_address[:2], timeout=10)
        kind = {"Content-Type": "application/json"} if method == "POST" else {}
        connection.request(method, path, body, {**kind, **(headers or {})})
        response = connection.getresponse()
        answer = response.status, response.headers, response.read()
        connection.close()
        return answer

    with demo_server.DemoServer("127.0.0.1", 0, EchoApi(tmp_path)) as server, answering(server):
        yield call


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html"),
        ("/index.html?model=x", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
        ("/versions/3/model.json", "application/json"),
    ],
)
def test_files_have_their_types_and_head_leaves_the_body_out(ask, path, content_type):
    status, headers, content = ask("GET", path)
    assert (status, headers.get_content_type(), int(headers["Content-Length"])) == (200, content_type, len(content))
    assert content
    status, headers, nothing = ask("HEAD", path)
    assert (status, int(headers["Content-Length"]), nothing) == (200, len(content), b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../demo_server.py",
        "/%2e%2e/demo_server.py",
        "//etc/passwd",
        "/versions/3/secret.json",
        "/versions/../model.json",
        "/versions/4/model.json",
        "/versions/3/../3/secret.json",
        "/page",
        "/__init__.py",
    ],
)
def test_nothing_else_is_served(ask, path):
    status, _, content = ask("GET", path)
    assert status == 404
    assert "error" in json.loads(content)


def test_the_api_is_asked_and_its_failure_does_not_end_the_server(ask, capsys):
    assert json.loads(ask("GET", "/v1/models/m/metadata")[2])["asked"] == ["GET", "/v1/models/m/metadata", ""]
    assert json.loads(ask("POST", "/v1/models/m:predict", "{}")[2])["asked"] == ["POST", "/v1/models/m:predict", "{}"]
    status, _, content = ask("GET", "/v1/broken")
    assert (status, json.loads(content)["error"]) == (500, "RuntimeError: out of order")
    assert "out of order" in capsys.readouterr().err
    assert ask("GET", "/v1/models/m")[0] == 200


def test_other_methods_are_answered_in_json(ask):
    status, headers, content = ask("PUT", "/v1/models/m:predict", "{}")
    assert (status, headers.get_content_type()) == (501, "application/json")
    assert "PUT" in json.loads(content)["error"]


def test_a_body_has_a_length_and_a_limit(ask, monkeypatch):
    monkeypatch.setattr(request_head, "LARGEST_BODY", 10)
    assert ask("POST", "/v1/models/m:predict", "x" * 10)[0] == 200
    status, headers, content = ask("POST", "/v1/models/m:predict", "x" * 11)
    assert (status, headers["Connection"]) == (413, "close")
    assert "Received: 11" in json.loads(content)["error"]
    assert ask("POST", "/v1/models/m:predict", iter([b"x"]), {"Transfer-Encoding": "chunked"})[0] == 411


def test_the_page_loads_nothing_from_elsewhere():
    for file in demo_server.PAGE_DIRECTORY.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "").replace("localhost:8501", "")
        assert "//fonts" not in text and "cdn" not in text and 'src="http' not in text and "url(" not in text, file.name
    page = (demo_server.PAGE_DIRECTORY / "index.html").read_text(encoding="utf-8")
    assert "script-src 'self';" in page
    assert "<style" not in page and " style=" not in page and " onclick=" not in page


def test_closing_waits_for_the_request_under_way_and_ends_idle_connections(tmp_path):
    asked, may_answer = threading.Event(), threading.Event()

    class SlowApi(EchoApi):
        def answer(self, method, path, body=b""):
            asked.set()
            assert may_answer.wait(10)
            return super().answer(method, path, body)

    server = demo_server.DemoServer("127.0.0.1", 0, SlowApi(tmp_path))
    idle, busy = (http.client.HTTPConnection(*server.server_address[:2], timeout=10) for _ in range(2))
    with answering(server):
        idle.request("GET", "/")
        idle.getresponse().read()
        busy.request("POST", "/v1/slow", b"{}", {"Content-Type": "application/json"})
        assert asked.wait(10)
    closing = threading.Thread(target=server.server_close)
    closing.start()
    assert idle.sock.recv(1) == b"" and closing.is_alive()
    may_answer.set()
    closing.join(10)
    assert not closing.is_alive()
    assert json.loads(busy.getresponse().read()) == {"asked": ["POST", "/v1/slow", "{}"]}
