"""What the development server answers to requests that no browser of ours sends, byte by byte."""

from __future__ import annotations

import json
import re
import socket
import threading
import time

import pytest
from echo_server import EchoApi, answering

from stylegan_tf.serving import demo_server
from stylegan_tf.serving.connections import Connections

BODY = b'{"x": 1}'
LENGTH = f"Content-Length: {len(BODY)}"
JSON = "Content-Type: application/json"


@pytest.fixture
def server(tmp_path):
    (tmp_path / "1" / "assets.extra").mkdir(parents=True)
    (tmp_path / "1" / "assets.extra" / "model.json").write_text("{}")
    with demo_server.DemoServer("127.0.0.1", 0, EchoApi(tmp_path), ["mybox"]) as running, answering(running):
        yield running


def head(line, *headers, host="Host: localhost"):
    return "\r\n".join([line, *([host] if host else []), *headers, "", ""]).encode("latin-1")


def post(*headers, length=LENGTH, kind=JSON, path="/v1/models/m:predict"):
    return head(f"POST {path} HTTP/1.1", *filter(None, [length, kind]), *headers) + BODY


def connect(server):
    return socket.create_connection(server.server_address[:2], timeout=10)


def exchange(server, request):
    """All that is answered, once nothing more is sent."""
    with connect(server) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def statuses(answer):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1:9", "[::1]", "[::1]:80", "[0:0::1]", "mybox:80", "MyBox."],
)
def test_names_of_this_server(server, host):
    assert statuses(exchange(server, head("GET / HTTP/1.1", host=f"Host: {host}"))) == [200]


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "10.0.0.1", "[::2]", "127.0.0.1.evil.example"]
)
def test_names_of_others_are_refused_for_they_may_point_here(server, host):
    for request in (head("GET / HTTP/1.1", host=f"Host: {host}"), head("GET / HTTP/1.0", host=f"Host: {host}")):
        answer = exchange(server, request)
        assert statuses(answer) == [403]
        assert f"--allowed_hosts={host}".encode() in answer


@pytest.mark.parametrize(
    "host",
    [
        None,
        "Host:",
        "Host: a b",
        "Host: localhost:http",
        "Host: localhost:999999",
        "Host: [::1",
        "Host: ::1",
        "Host: .",
        "Host: localhost\r\nHost: localhost",
        "Host: localhost\r\n evil",
        "Host: a\x1b[31m",
        "Host: user@localhost",
        f"Host: {'a' * 64}",
        "Host : localhost",
    ],
)
def test_a_host_that_is_none(server, host):
    assert statuses(exchange(server, head("GET / HTTP/1.1", host=host))) == [400]


def test_http_1_0_needs_no_host_and_ends_the_connection(server):
    for request in (b"GET / HTTP/1.0\r\n\r\n", b"GET /\r\n\r\n"):
        assert statuses(exchange(server, request * 2)) == [200]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_server_for_all_addresses_may_be_asked_by_any_but_not_by_any_name(tmp_path, host):
    try:
        running = demo_server.DemoServer(host, 0, EchoApi(tmp_path))
    except OSError:
        pytest.skip("this machine has no such addresses")
    with running, answering(running):
        for asked, status in [("10.1.2.3:8080", 200), ("[fe80::1]", 200), ("evil.example", 403), ("localhost", 200)]:
            with socket.create_connection(("localhost", running.server_address[1]), timeout=10) as connection:
                connection.sendall(head("GET / HTTP/1.1", "Connection: close", host=f"Host: {asked}"))
                assert statuses(connection.recv(1000)) == [status]
        assert running.url == f"http://localhost:{running.server_address[1]}/"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:3000", "null", "", "file://", "https://localhost.evil.example"]
)
def test_pages_of_other_sites_may_not_ask(server, origin):
    assert statuses(exchange(server, post(f"Origin: {origin}"))) == [403]
    assert statuses(exchange(server, head("GET / HTTP/1.1", f"Origin: {origin}"))) == [403]


def test_the_page_itself_may_ask(server):
    assert statuses(exchange(server, post("Origin: http://localhost"))) == [200]
    assert statuses(exchange(server, post("Origin: https://LOCALHOST"))) == [200]  # behind a proxy that encrypts
    assert statuses(exchange(server, post("Origin: http://a", "Origin: http://localhost"))) == [400]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (JSON, 200),
        ("content-type: Application/JSON ; charset=utf-8", 200),
        (None, 415),
        ("Content-Type:", 415),
        ("Content-Type: application/x-www-form-urlencoded", 415),
        ("Content-Type: multipart/form-data; boundary=a", 415),
        ("Content-Type: application/jsonx", 415),
        ("Content-Type: text/plain; application/json", 415),
        ("Content-Type: text/plain", 415),
        ("Content-Type: message/rfc822", 415),
    ],
)
def test_a_body_is_json_which_a_foreign_page_may_not_send_unasked(server, kind, status):
    assert statuses(exchange(server, post(kind=kind))) == [status]


@pytest.mark.parametrize(
    "length",
    [
        "+8",
        "-8",
        "8.0",
        "1_0",
        "0x8",
        "",
        "8, 8",
        "8\r\nContent-Length: 8",
        "8\r\nContent-Length: 9",
        "9" * 5000,
        "9" * 19,
        "\xb2",
        "\xd9\xa8",
        "8 8",
        "8\r\nTransfer-Encoding: chunked",
    ],
)
def test_a_length_that_is_none(server, length):
    answer = exchange(server, post(length=f"Content-Length: {length}"))
    assert statuses(answer) == [400] and len(answer) < 1500


def test_lengths_that_are_not_said_or_too_large(server):
    assert statuses(exchange(server, post(length=None))) == [411]
    assert statuses(exchange(server, post(length="Transfer-Encoding: chunked"))) == [411]
    assert statuses(exchange(server, post(length=f"Content-Length: {32 * 2**20 + 1}"))) == [413]
    assert statuses(exchange(server, post(length="Content-Length: 9"))) == [400]  # and then nothing more comes
    assert statuses(exchange(server, head("GET / HTTP/1.1", "Content-Length: 8") + BODY)) == [400]


def test_what_comes_after_a_body_is_the_next_request(server):
    assert statuses(exchange(server, post() + head("GET / HTTP/1.1"))) == [200, 200]
    assert statuses(exchange(server, post() + b"more\r\n\r\n" + head("GET / HTTP/1.1"))) == [200, 400]
    # After an error the rest might be a body, and is not looked at.
    assert statuses(exchange(server, post(kind=None) + head("GET / HTTP/1.1"))) == [415]
    assert statuses(exchange(server, head("PUT / HTTP/1.1", "Content-Length: 0") + head("GET / HTTP/1.1"))) == [501]


def test_a_client_that_is_still_sending_gets_to_read_why_it_is_refused(server):
    body = b"x" * (8 << 20)
    request = head("POST /v1/m:predict HTTP/1.1", f"Content-Length: {len(body)}", "Content-Type: text/plain") + body
    assert statuses(exchange(server, request)) == [415]


def test_a_client_that_asks_first_is_told_to_go_on_or_refused_before_it_sends(server):
    request = post("Expect: 100-continue", "Connection: close")
    assert statuses(exchange(server, request)) == [100, 200]
    assert statuses(exchange(server, post("Expect: 100-continue", kind=None))) == [415]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("OPTIONS * HTTP/1.1", 501),
        ("PUT / HTTP/1.1", 501),
        ("TRACE / HTTP/1.1", 501),
        ("get / HTTP/1.1", 501),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/x", 400),
        ("\x16\x03\x01\x02", 400),
        (f"GET /{'a' * 70_000} HTTP/1.1", 414),
        ("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", 404),
        ("GET /versions/1/../1/model.json HTTP/1.1", 404),
        ("GET /versions/1/model.json HTTP/1.1", 200),
        ("GET /versions/01/model.json HTTP/1.1", 200),
        (f"GET /versions/{'9' * 19}/model.json HTTP/1.1", 404),
        (f"GET /versions/{'9' * 20}/model.json HTTP/1.1", 400),
        (f"GET /versions/{'9' * 5000}/model.json HTTP/1.1", 400),
        ("GET http://localhost/ HTTP/1.1", 404),
        ("GET /\xb2 HTTP/1.1", 404),
    ],
)
def test_lines_that_a_request_may_begin_with(server, line, status):
    assert statuses(exchange(server, head(line))) == [status]


def test_a_long_number_of_a_protocol_is_answered(server):
    """Newer Pythons refuse it, older ones take it for a later HTTP/1."""
    assert statuses(exchange(server, head("GET / HTTP/1.99999999999999"))) in ([200], [400])


def test_a_head_has_limits(server):
    assert statuses(exchange(server, head("GET / HTTP/1.1", *["X: y"] * 200))) == [431]
    assert statuses(exchange(server, head("GET / HTTP/1.1", f"X: {'y' * 70_000}"))) == [431]


def test_every_answer_keeps_the_page_out_of_frames_and_its_address_to_itself(server):
    for line in ("GET / HTTP/1.1", "GET /nothing HTTP/1.1", "GET /v1/models/m HTTP/1.1", "PUT / HTTP/1.1", "\x16"):
        answer = exchange(server, head(line)).decode("latin-1")
        for name, value in demo_server.SECURITY_HEADERS.items():
            assert f"\r\n{name}: {value}\r\n" in answer
    page = (demo_server.PAGE_DIRECTORY / "index.html").read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert demo_server.SECURITY_HEADERS["Content-Security-Policy"] == f"{policy}; frame-ancestors 'none'"


def test_nothing_of_a_request_can_change_the_terminal_and_no_line_is_long(server, capfd):
    evil = "\x1b[31m\x9b\x07\x7f"
    exchange(server, head(f"GET /{evil} HTTP/1.1"))
    exchange(server, head(f"{evil} / HTTP/1.1"))
    exchange(server, head("GET / HTTP/1.1", host=f"Host: {evil}"))
    exchange(server, head(f"GET /{'a' * 60_000} HTTP/1.1"))
    request = head("POST /v1/broken HTTP/1.1", JSON, f"Content-Length: {len(evil.encode())}") + evil.encode()
    assert statuses(exchange(server, request)) == [500]
    said = capfd.readouterr().err
    assert said.count("\\x1b[31m") >= 3 and "out of order" in said
    assert all(character.isprintable() or character == "\n" for character in said)
    assert all(len(line) < 1200 for line in said.splitlines())


def closes(connection, seconds):
    connection.settimeout(seconds)
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: loc", head("GET / HTTP/1.1")])
def test_a_head_that_comes_byte_by_byte_has_a_time_to_be_here(server, monkeypatch, start):
    monkeypatch.setattr(demo_server, "_HEAD_S", 0.5)
    with connect(server) as connection:
        connection.sendall(start)
        ended = threading.Event()

        def drip():
            while not ended.wait(0.05):
                try:
                    connection.send(b"x")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        if start:
            dripping.start()
        try:
            assert closes(connection, 5)
        finally:
            ended.set()
            if start:
                dripping.join()


def test_a_body_has_a_time_to_be_here(server, monkeypatch):
    monkeypatch.setattr(demo_server, "_BODY_S", 0.3)
    monkeypatch.setattr(demo_server, "_LINGER_S", 0.1)
    with connect(server) as connection:
        connection.sendall(post()[:-1])
        assert statuses(connection.recv(1 << 16)) == [408]
        assert closes(connection, 5)


def test_slow_connections_keep_nobody_out(server):
    slow = []
    try:
        for _ in range(demo_server.MOST_CONNECTIONS + 40):
            slow.append(connect(server))
            slow[-1].sendall(b"GET / HTTP/1.1\r\n")
        assert statuses(exchange(server, head("GET / HTTP/1.1", "Connection: close"))) == [200]
        assert all(closes(connection, 5) for connection in slow[:40])  # the oldest made room
        assert len(server.connections) <= demo_server.MOST_CONNECTIONS
        assert not closes(slow[-1], 0.05)
    finally:
        for connection in slow:
            connection.close()


def test_a_server_that_is_busy_says_so_at_once(tmp_path, monkeypatch, capfd):
    may_answer, asked = threading.Event(), threading.Semaphore(0)

    class SlowApi(EchoApi):
        def answer(self, method, path, body=b""):
            asked.release()
            assert may_answer.wait(10)
            return super().answer(method, path, body)

    monkeypatch.setattr(demo_server, "MOST_CONNECTIONS", 2)
    with (
        demo_server.DemoServer("127.0.0.1", 0, SlowApi(tmp_path)) as running,
        answering(running),
        connect(running) as first,
        connect(running) as second,
    ):
        for connection in (first, second):
            connection.sendall(post("Connection: close"))
            assert asked.acquire(timeout=10)
        with connect(running) as third:
            assert statuses(third.recv(1000)) == [503]
        may_answer.set()
        for connection in (first, second):
            assert statuses(connection.recv(1 << 16)) == [200]
    assert "Traceback" not in capfd.readouterr().err


def test_clients_that_go_away_leave_no_traceback(server, capfd):
    for request in (post()[:-3], head("GET / HTTP/1.1")[:20], post() * 20):
        connection = connect(server)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, no end
        connection.sendall(request)
        connection.close()
    assert statuses(exchange(server, head("GET / HTTP/1.1"))) == [200]
    until = time.monotonic() + 5
    while len(server.connections) and time.monotonic() < until:
        time.sleep(0.01)
    assert len(server.connections) == 0
    assert "Traceback" not in capfd.readouterr().err


def test_closing_ends_connections_whose_answers_nobody_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_server, "_CLOSE_S", 0.2)

    class LargeApi(EchoApi):
        def answer(self, method, path, body=b""):
            return 200, {"much": "x" * (64 << 20)}

    running = demo_server.DemoServer("127.0.0.1", 0, LargeApi(tmp_path))
    with connect(running) as connection:
        with answering(running):
            connection.sendall(post())
            assert connection.recv(100)
        started = time.monotonic()
        running.server_close()
        assert time.monotonic() - started < 10


def test_the_slowest_reader_makes_room():
    pairs = [socket.socketpair() for _ in range(3)]
    connections = Connections(2)
    (first, first_end), (second, _), (third, _) = pairs
    assert connections.add(first) and connections.add(second)
    connections.now(first, "answering")
    connections.now(first, "reading")  # later than the second
    assert connections.add(third)
    first_end.setblocking(False)
    with pytest.raises(BlockingIOError):
        first_end.recv(1)
    assert pairs[1][1].recv(1) == b""
    connections.now(second, "answering")  # it is not taken in again
    assert len(connections) == 2
    for ends in pairs:
        for end in ends:
            end.close()


@pytest.mark.parametrize("name", ["", "a b", "host:80", "..", "a..b", "a" * 64, "http://a", "ä.example", "[x]"])
def test_names_that_are_none(tmp_path, name):
    with pytest.raises(ValueError, match="a host must be a name or an address, without a port. Received: "):
        demo_server.DemoServer("127.0.0.1", 0, EchoApi(tmp_path), [name])


def test_answers_are_json(server):
    _, _, body = exchange(server, post()).partition(b"\r\n\r\n")
    assert json.loads(body) == {"asked": ["POST", "/v1/models/m:predict", BODY.decode()]}
