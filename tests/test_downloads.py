"""Downloads from a server of the test's own, which cuts connections, ignores ranges, and changes its files."""

from __future__ import annotations

import fcntl
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from stylegan_tf import downloads
from stylegan_tf.downloads import download, split_checksum
from stylegan_tf.files import DiskError

CONTENT = np.random.default_rng(7).bytes(3_000_000)
OTHER = np.random.default_rng(8).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TAG, DATE = '"one"', "Wed, 21 Oct 2015 07:28:00 GMT"


class Server(http.server.ThreadingHTTPServer):
    """What a test sets, and what it was asked.

    Attributes:
        content, headers: Of the file.
        kind: Its content type.
        cuts: After how many bytes each next answer's connection is cut; answers after the last one are whole.
        ranges: Whether it knows them; "blind" for one that ignores If-Range, "from 0" for one that sends another part.
        status: Of an answer that is an error.
        requests: The headers Range and If-Range of each request.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.headers, self.kind = CONTENT, {"ETag": TAG}, "application/octet-stream"
        self.cuts, self.ranges, self.status, self.requests = [], True, 200, []
        self.length, self.tail, self.stall_s = True, b"", 0.0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/networks/file.pkl"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        server.requests.append((asked, condition))
        if server.status != 200:
            self.send_error(server.status, "As the test says")
            return
        version = server.headers.get("ETag") or server.headers.get("Last-Modified")
        start = 0
        if asked and server.ranges and (condition == version or server.ranges == "blind"):
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(server.content):
                self.send_error(416)
                return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            begin = 0 if server.ranges == "from 0" else start
            whole = len(server.content)
            self.send_header("Content-Range", f"bytes {begin}-{whole - 1}/{whole}")
        if server.length:
            self.send_header("Content-Length", str(len(body) + (len(server.tail) if start else 0)))
        self.send_header("Content-Type", server.kind)
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else None
        self.wfile.write((body + server.tail)[:cut])
        self.wfile.flush()
        if cut is not None:
            time.sleep(server.stall_s)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloads, "_WAIT_S", 0.01)
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "network.pkl"


def is_alone(path):
    """Whether nothing is left beside a file."""
    return [found.name for found in path.parent.iterdir()] == [path.name]


def fetch(server, path, **options):
    """Downloads what the server has now; over plain http that takes its checksum."""
    return download(server.url, path, **{"sha256": hashlib.sha256(server.content).hexdigest(), **options})


def interrupt(server, path, after=1_200_000):
    """A download whose connection is cut until it gives up. Returns the error."""
    server.cuts = [after, 0, 0, 0, 0]
    with pytest.raises(ValueError) as error:
        fetch(server, path)
    assert not path.exists()
    server.requests.clear()
    return str(error.value)


def test_a_whole_file(server, path):
    seen = []
    assert fetch(server, path, binary=True, progress=lambda *n: seen.append(n)) == SHA256
    assert path.read_bytes() == CONTENT
    assert is_alone(path)
    assert server.requests == [(None, None)]
    assert seen == sorted(set(seen))
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_cut_connection_is_resumed_in_the_same_call(server, path):
    server.cuts = [1_000_000, 500_000]
    seen = []
    assert fetch(server, path, progress=lambda *n: seen.append(n)) == SHA256
    assert path.read_bytes() == CONTENT
    assert server.requests == [(None, None), ("bytes=1000000-", TAG), ("bytes=1500000-", TAG)]
    assert [total for _, total in seen] == [len(CONTENT)] * len(seen)
    assert seen == sorted(set(seen))


def test_the_next_call_goes_on_where_the_last_one_ended(server, path):
    message = interrupt(server, path)
    assert message == (
        f"Could not download {server.url}: the connection ended after 1,200,000 of 3,000,000 bytes, 5 times. "
        "1,200,000 of 3,000,000 bytes are kept: run the same again to continue from there."
    )
    assert sorted(found.name for found in path.parent.iterdir()) == [
        ".network.pkl.download",
        ".network.pkl.download.json",
    ]
    seen = []
    assert fetch(server, path, progress=lambda *n: seen.append(n)) == SHA256
    assert server.requests == [("bytes=1200000-", TAG)]
    assert seen[0][0] > 1_200_000
    assert path.read_bytes() == CONTENT
    assert is_alone(path)


def test_a_process_that_was_killed_is_gone_on_from(server, path):
    server.cuts, server.stall_s = [2_000_000], 60
    code = "import sys; from stylegan_tf.downloads import download; download(*sys.argv[1:3], sha256=sys.argv[3])"
    process = subprocess.Popen([sys.executable, "-c", code, server.url, str(path), SHA256])
    part = path.with_name(".network.pkl.download")
    until = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size > 500_000) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = part.stat().st_size
    assert 500_000 < kept <= 2_000_000
    server.requests.clear()
    assert fetch(server, path) == SHA256
    assert server.requests == [(f"bytes={kept}-", TAG)]


@pytest.mark.parametrize("headers", [{"ETag": TAG}, {}])
def test_an_interrupted_download_says_what_is_kept(server, path, headers):
    def stop(done, total):
        raise KeyboardInterrupt

    server.headers = headers
    with pytest.raises(KeyboardInterrupt) as stopped:
        fetch(server, path, progress=stop)
    if headers:
        kept = path.with_name(".network.pkl.download").stat().st_size
        assert stopped.value.__notes__ == [
            f"{kept:,} of 3,000,000 bytes are kept: run the same again to continue from there."
        ]
    else:  # nothing could be gone on from
        assert not hasattr(stopped.value, "__notes__") and not list(path.parent.iterdir())


@pytest.mark.parametrize("headers", [{"ETag": '"two"'}, {"Last-Modified": DATE}, {}])
def test_a_file_that_has_changed_is_downloaded_again(server, path, headers):
    interrupt(server, path)
    server.content, server.headers = OTHER, headers
    assert fetch(server, path) == hashlib.sha256(OTHER).hexdigest()
    assert server.requests == [("bytes=1200000-", TAG)]
    assert path.read_bytes() == OTHER


@pytest.mark.parametrize("changed", [{"headers": {"ETag": '"two"'}}, {"content": OTHER + b"more"}])
def test_a_part_of_another_file_is_not_taken(server, path, changed):
    """Of servers that send a part although the file is another one by now."""
    interrupt(server, path)
    server.ranges, server.content = "blind", OTHER
    for name, value in changed.items():
        setattr(server, name, value)
    assert fetch(server, path) == hashlib.sha256(server.content).hexdigest()
    assert server.requests == [("bytes=1200000-", TAG), (None, None)]


def test_another_part_than_the_one_asked_for_is_not_taken(server, path):
    interrupt(server, path)
    server.ranges = "from 0"
    assert fetch(server, path) == SHA256
    assert server.requests == [("bytes=1200000-", TAG), (None, None)]


def test_a_server_without_ranges_is_asked_for_the_whole_file(server, path):
    server.ranges, server.cuts = False, [1_000_000]
    assert fetch(server, path) == SHA256
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_the_date_of_the_last_change_will_do(server, path):
    server.headers = {"Last-Modified": DATE, "ETag": 'W/"weak"'}
    server.cuts = [1_000_000]
    server.ranges = "blind"  # this one knows ETags only
    assert fetch(server, path) == SHA256
    assert server.requests[1] == ("bytes=1000000-", DATE)


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_without_a_version_nothing_is_gone_on_from(server, path, headers):
    server.headers, server.cuts = headers, [1_000_000]
    assert fetch(server, path) == SHA256
    assert server.requests == [(None, None), (None, None)]
    server.cuts = [1_000_000] * 5
    with pytest.raises(ValueError, match=r"ended after 1,000,000 of 3,000,000 bytes, 5 times\.$"):
        fetch(server, path)
    assert is_alone(path)  # that of the first download


@pytest.mark.parametrize("size", [3_000_000, 3_500_000])
def test_a_file_that_has_become_shorter(server, path, size):
    """The server says 416: no such part."""
    interrupt(server, path)
    server.content = CONTENT[:1_000_000]
    assert fetch(server, path) == hashlib.sha256(server.content).hexdigest()
    assert [asked for asked, _ in server.requests] == ["bytes=1200000-", None]


def test_what_is_whole_already_is_not_asked_for_again(server, path):
    """A process that ended between the last byte and the move."""
    interrupt(server, path)
    with path.with_name(".network.pkl.download").open("ab") as part:
        part.write(CONTENT[1_200_000:])
    assert fetch(server, path) == SHA256
    assert server.requests == []
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("notes", ["", "{", "[]", '{"url": 1}', '{"url": "URL", "version": "x", "total": "many"}'])
def test_notes_that_cannot_be_read_are_as_none(server, path, notes):
    interrupt(server, path)
    path.with_name(".network.pkl.download.json").write_text(notes.replace("URL", server.url))
    assert fetch(server, path) == SHA256
    assert server.requests == [(None, None)]


def test_a_part_of_another_address_is_not_gone_on_from(server, path):
    interrupt(server, path)
    url = server.url.replace("file.pkl", "other.pkl")
    assert download(url, path, sha256=SHA256) == SHA256
    assert server.requests == [(None, None)]


@pytest.mark.parametrize("resumed", [False, True])
def test_another_checksum_keeps_nothing(server, path, resumed):
    if resumed:
        interrupt(server, path)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"what was there")
    with pytest.raises(ValueError) as error:
        fetch(server, path, sha256="0" * 64, advice="Look at its page")
    assert str(error.value) == (
        f"The SHA-256 of {server.url} must be {'0' * 64}; nothing was kept. Received: {SHA256}, of 3,000,000 "
        "bytes. Look at its page."
    )
    assert path.read_bytes() == b"what was there"
    assert is_alone(path)


def test_a_file_that_is_refused_is_not_kept(server, path):
    def refuse(part):
        assert part.stat().st_size == 3_000_000
        raise ValueError("not what was asked for")

    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"what was there")
    with pytest.raises(ValueError, match="^not what was asked for$"):
        fetch(server, path, check=refuse)
    assert path.read_bytes() == b"what was there"
    assert is_alone(path)
    assert fetch(server, path, check=lambda part: None) == SHA256
    assert is_alone(path)


def test_more_than_the_file_has_is_not_taken(server, path):
    server.tail = b"more"
    assert fetch(server, path) == SHA256  # HTTP ends at the length that was said
    other = path.with_name("other.pkl")
    server.cuts = [1_000_000, None, 1_000_000, None, 1_000_000]  # every rest is too long
    with pytest.raises(ValueError, match="ended after 1,000,000 of 3,000,000 bytes, 5 times"):
        fetch(server, other)
    server.cuts = [None] * 4  # again: the rest of what was kept, a whole file at last
    assert fetch(server, other) == SHA256
    assert [asked for asked, _ in server.requests[1:]] == [None, "bytes=1000000-"] * 3 + [None]


def test_an_unknown_length(server, path):
    server.length = False
    seen = []
    assert fetch(server, path, progress=lambda *n: seen.append(n)) == SHA256
    assert seen == []


def test_an_unknown_length_that_is_cut(monkeypatch, path):
    """In pieces with their own lengths, as servers send what they make on the way."""
    monkeypatch.setattr(downloads, "_WAIT_S", 0.01)
    start = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: {TAG}\r\n\r\n3e8\r\n".encode() + CONTENT[:1000]
    rest = (
        (
            f"HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\nETag: {TAG}\r\nContent-Range: bytes "
            "1000-1999/2000\r\nConnection: close\r\n\r\n3e8\r\n"
        ).encode()
        + CONTENT[1000:2000]
        + b"\r\n0\r\n\r\n"
    )
    asked = []

    def serve(listening):
        for answer in (start, rest):
            connection, _ = listening.accept()
            with connection:
                asked.append(re.search(r"Range: bytes=(\d*)", connection.recv(10_000).decode()))
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/file.pkl"
        seen = []
        sha256 = hashlib.sha256(CONTENT[:2000]).hexdigest()
        assert download(url, path, sha256=sha256, timeout_s=5, progress=lambda *n: seen.append(n)) == sha256
    assert seen[-1] == (2000, 2000)  # known from the second answer on
    assert asked[0] is None and asked[1][1] == "1000"


def test_an_empty_file(server, path):
    server.content = b""
    assert fetch(server, path) == hashlib.sha256(b"").hexdigest()
    assert path.read_bytes() == b""
    assert is_alone(path)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/html; charset=utf-8", CONTENT),
        ("application/octet-stream", b"\n<!DOCTYPE html><title>Scan</title>"),
        ("", b"<html><body>Quota exceeded"),
    ],
)
def test_a_web_page_instead_of_the_file(server, path, kind, content):
    interrupt(server, path)
    kept = path.with_name(".network.pkl.download").read_bytes()
    server.kind, server.content, server.headers = kind, content, {}
    with pytest.raises(ValueError, match="answered with a web page, not with the file; open the address in a browser"):
        fetch(server, path, binary=True)
    assert path.with_name(".network.pkl.download").read_bytes() == kept  # a page now is no reason to begin again
    assert fetch(server, path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("status", "reason"), [(404, "HTTP 404 As the test says"), (500, "HTTP 500"), (416, "HTTP 4")])
def test_a_refusal(server, path, status, reason):
    server.status = status
    with pytest.raises(ValueError) as error:
        fetch(server, path, advice="Ask a friend for the file")
    message = str(error.value)
    assert message.startswith(f"Could not download {server.url}: {reason}")
    assert message.endswith(". Ask a friend for the file.")
    assert "\n" not in message and "kept" not in message
    assert not list(path.parent.iterdir())
    assert len(server.requests) == 1


def test_a_refusal_keeps_what_is_there(server, path):
    interrupt(server, path)
    server.status = 503
    with pytest.raises(ValueError, match="HTTP 503 .* 1,200,000 of 3,000,000 bytes are kept: run the same again"):
        fetch(server, path)
    server.status = 200
    server.requests.clear()
    assert fetch(server, path) == SHA256
    assert server.requests == [("bytes=1200000-", TAG)]


def test_a_server_that_falls_silent(server, path):
    server.cuts, server.stall_s = [1_000_000], 3.0
    started = time.monotonic()
    assert fetch(server, path, timeout_s=0.3) == SHA256
    assert time.monotonic() - started < 2.5
    assert server.requests[1] == ("bytes=1000000-", TAG)


def test_no_server(path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file.pkl"
        with pytest.raises(ValueError, match=f"^Could not download {url}: timed out\\.$"):
            download(url, path, sha256=SHA256, timeout_s=0.2)
    with pytest.raises(ValueError, match="Connection refused"):
        download(url, path, sha256=SHA256)
    assert not list(path.parent.iterdir())


def test_a_local_file(tmp_path, path):
    source = tmp_path / "a file.pkl"
    source.write_bytes(CONTENT)
    assert download(source.as_uri(), path, sha256=SHA256[:8], binary=True) == SHA256
    assert path.read_bytes() == CONTENT
    with pytest.raises(ValueError, match="No such file"):
        download((tmp_path / "none.pkl").as_uri(), path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "url", ["ftp://example.org/a.pkl", "a.pkl", "data:,1", "http:///none", "http://127.0.0.1:1/a b", "http://ä\n.org/a"]
)
def test_an_address_that_is_none(url, path):
    with pytest.raises(ValueError) as error:
        download(url, path)
    assert "\n" not in str(error.value)
    assert repr(url)[1:-1][:6] in str(error.value)


@pytest.mark.parametrize("sha256", ["", "12345", "g" * 64, "0" * 65])
def test_a_checksum_that_is_none(sha256, path):
    with pytest.raises(ValueError, match=re.escape(f"Received: sha256={sha256!r}.")):
        download("http://127.0.0.1:1/a", path, sha256=sha256)


def test_a_file_that_another_process_is_downloading(server, path):
    interrupt(server, path)
    with path.with_name(".network.pkl.download").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match=f"{path} is being downloaded by another process"):
            fetch(server, path)
    assert fetch(server, path) == SHA256


def test_a_place_that_cannot_be_written_is_no_failed_download(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError):
        fetch(server, tmp_path / "file" / "below.pkl")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()
    with pytest.raises(OSError):
        fetch(server, tmp_path / "folder")
    assert json.loads((tmp_path / ".folder.download.json").read_text())["total"] == len(CONTENT)  # not lost
    assert os.path.getsize(tmp_path / ".folder.download") == len(CONTENT)


def test_the_checksum_of_an_address():
    url = "https://example.org/a%20b-397923af.pth?x=1"
    assert split_checksum(f"{url}#sha256={SHA256.upper()}", in_name=True) == (url, SHA256)
    assert split_checksum(url, in_name=True) == (url, "397923af")
    assert split_checksum(url) == (url, "")  # may be a date
    assert split_checksum("https://example.org/a-397923a.pth", in_name=True)[1] == ""


@pytest.mark.parametrize("end", ["sha256=6826", f"md5={SHA256}", f"sha256={SHA256}0", "part"])
def test_an_address_that_ends_in_something_else(end):
    with pytest.raises(
        ValueError, match=f"write #sha256= and 64 hexadecimal digits.*Received: 'https://e.org/a#{end}'"
    ):
        split_checksum(f"https://e.org/a#{end}")


def test_a_full_disk_is_said_and_the_download_goes_on_when_there_is_room(tmp_path, small_files):
    source, target = tmp_path / "source", tmp_path / "cache" / "target"
    source.write_bytes(CONTENT)
    with pytest.raises(DiskError, match="ulimit") as caught, small_files(1_000_000):
        download(source.as_uri(), target)
    assert caught.value.filename == str(target) and not target.exists()
    assert download(source.as_uri(), target) == SHA256
    assert [path.name for path in target.parent.iterdir()] == ["target"]


@pytest.mark.parametrize("sha256", [None, SHA256[:8], SHA256[:63]])
def test_plain_http_takes_the_whole_checksum(server, path, sha256):
    with pytest.raises(ValueError, match="must begin with https://, or state the checksum") as error:
        download(server.url, path, sha256=sha256)
    assert str(error.value).endswith(f"Received: '{server.url}'.")
    assert server.requests == [] and not path.parent.exists()


def redirect(server, monkeypatch, location, header="Location"):
    """Makes the server's file lie elsewhere."""

    def answer(self):
        if self.path == "/networks/file.pkl":
            self.send_response(302)
            self.send_header(header, location)
            self.end_headers()
        else:
            ask(self)

    ask = Handler.do_GET
    monkeypatch.setattr(Handler, "do_GET", answer)


@pytest.mark.parametrize(
    "location",
    [
        "ftp://127.0.0.1:1/file.pkl",
        "FTP://127.0.0.1:1/a",
        "file:///etc/hostname",
        "data:,1",
        "http://[::1",
        "gopher://a/b",
    ],
)
def test_a_redirect_to_what_is_no_web_address_is_not_followed(server, path, monkeypatch, location):
    redirect(server, monkeypatch, location)
    with pytest.raises(ValueError, match="^Could not download .*: the server redirects to an address") as error:
        fetch(server, path)
    assert "\n" not in str(error.value) and repr(location)[1:-1].lower() in str(error.value).lower()
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("location", ["elsewhere.pkl", "/elsewhere.pkl", "URL/elsewhere.pkl"])
def test_a_redirect_within_plain_http_keeps_to_the_checksum(server, path, monkeypatch, location):
    redirect(server, monkeypatch, location.replace("URL", f"http://127.0.0.1:{server.server_port}"))
    assert fetch(server, path) == SHA256
    assert path.read_bytes() == CONTENT


def test_a_redirect_that_never_ends_is_given_up(server, path, monkeypatch):
    redirect(server, monkeypatch, "/networks/file.pkl")
    with pytest.raises(ValueError, match="infinite loop"):
        fetch(server, path)


@pytest.fixture
def https_server(tmp_path, server, monkeypatch):
    """The same over https, with a certificate that is trusted here. Its file lies with the other one."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "key.pem",
            "-out",
            "certificate.pem",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    with Server() as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"https://localhost:{running.server_port}/networks/file.pkl"
        running.shutdown()


def test_https_takes_no_checksum_unless_it_redirects_to_plain_http(https_server, server, path, monkeypatch):
    assert download(https_server, path) == SHA256
    redirect(server, monkeypatch, f"http://127.0.0.1:{server.server_port}/elsewhere.pkl")
    with pytest.raises(ValueError, match="redirects to an address that is not followed.*https://, or state the check"):
        download(https_server, path)
    assert server.requests == []
    assert download(https_server, path, sha256=SHA256) == SHA256
    assert server.requests == [(None, None)]


@pytest.mark.parametrize("location", ["URL/elsewhere.pkl", "/elsewhere.pkl", "ftp://127.0.0.1:1/file.pkl"])
@pytest.mark.parametrize("header", ["URI", "Refresh"])
def test_only_a_location_is_followed(server, path, monkeypatch, header, location):
    location = location.replace("URL", f"http://127.0.0.1:{server.server_port}")
    redirect(server, monkeypatch, location, header)
    with pytest.raises(ValueError, match=r"^Could not download .*: HTTP 302 Found\.$"):
        fetch(server, path)
    assert server.requests == []
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("length", [True, False])
def test_a_file_that_is_too_large(server, path, monkeypatch, length):
    monkeypatch.setattr(downloads, "LARGEST_BYTES", 2_000_000)
    server.length = length
    with pytest.raises(ValueError, match="the file must have at most 2,000,000 bytes, and has") as error:
        fetch(server, path)
    assert "kept" not in str(error.value) and not list(path.parent.iterdir())
    assert len(server.requests) == 1
    monkeypatch.setattr(downloads, "LARGEST_BYTES", 3_000_000)
    assert fetch(server, path) == SHA256


def test_a_file_that_says_it_is_too_large_is_not_begun(server, path, monkeypatch):
    server.length, server.headers = False, {"ETag": TAG, "Content-Length": str(downloads.LARGEST_BYTES + 1)}
    seen = []
    with pytest.raises(ValueError, match="the file must have at most 8,589,934,592 bytes, and has 8,589,934,593"):
        fetch(server, path, progress=lambda *numbers: seen.append(numbers))
    assert seen == [] and not list(path.parent.iterdir())


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "+3000000", "3_000_000", "many"])
def test_a_length_that_is_none_is_as_unknown(server, path, length):
    server.length, server.headers = False, {"ETag": TAG, "Content-Length": length}
    assert fetch(server, path, timeout_s=5) == SHA256
