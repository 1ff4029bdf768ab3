"""docker/demo.conf, by which nginx serves the page, guards it as the development server does."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from stylegan_tf.serving.demo_server import PAGE_DIRECTORY, SECURITY_HEADERS

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_has_the_headers_of_the_development_server():
    config = (ROOT / "docker" / "demo.conf").read_text()
    assert dict(re.findall(r'add_header (\S+) "?([^"]*?)"? always;', config)) == SECURITY_HEADERS
    # Headers of a location would take the place of all of these.
    assert config.count("add_header") == len(SECURITY_HEADERS)


@pytest.mark.skipif(not shutil.which("nginx"), reason="needs nginx")
def test_nginx_lets_no_foreign_page_ask_the_model_server(tmp_path):
    """docker/demo.conf in a real nginx, with paths and ports of this machine."""

    class Model(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model) as model, socket.socket() as free:
        threading.Thread(target=model.serve_forever, daemon=True).start()
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        site = (ROOT / "docker" / "demo.conf").read_text()
        for old, new in [
            ("listen 8080", f"listen 127.0.0.1:{port}"),
            ("/usr/share/nginx/html", str(PAGE_DIRECTORY)),
            ("resolver 127.0.0.11 valid=10s;", ""),
            ("http://serving:8501", f"http://127.0.0.1:{model.server_port}"),
        ]:
            assert old in site
            site = site.replace(old, new)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {tmp_path};" for kind in kinds)
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}} "
            f"http {{ access_log off; {paths} {site} }}"
        )
        command = ["nginx", "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]
        with subprocess.Popen(command) as nginx:
            try:
                _ask_as_pages_do(port)
            finally:
                nginx.terminate()
        model.shutdown()


def _ask_as_pages_do(port):
    def ask(method, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(method, path, "{}" if method == "POST" else None, headers)
        answer = connection.getresponse()
        assert answer.headers["X-Frame-Options"] == "DENY"
        return answer.status

    until = time.monotonic() + 10
    while time.monotonic() < until:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            break
        time.sleep(0.05)
    kind = {"Content-Type": "application/json"}
    asked = "/v1/models/stylegan:predict"
    own = {"Origin": f"http://127.0.0.1:{port}"}
    assert [ask("GET", "/"), ask("GET", "/", Host="localhost"), ask("POST", asked, **kind, **own)] == [200, 200, 200]
    assert [ask("GET", "/", Host="evil.example"), ask("POST", asked, **kind, Origin="http://e.org")] == [403, 403]
    assert [ask("POST", asked, **{"Content-Type": "text/plain"}), ask("POST", asked)] == [415, 415]
    assert ask("GET", "/nothing") == 404
