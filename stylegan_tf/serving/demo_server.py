"""A development server: the page, and TensorFlow Serving's REST paths answered from a SavedModel in this process."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stylegan_tf.serving.export import METADATA_FILE
from stylegan_tf.serving.rest import RestApi, to_bytes

PAGE_DIRECTORY = Path(__file__).parent / "page"
# 64 images' ws of the largest network (18 layers of 512 numbers) are 12 MB as text.
LARGEST_BODY = 32 * 2**20

_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_JSON = "application/json"
_DESCRIPTION = re.compile(r"/versions/(\d+)/model\.json", re.ASCII)
_IDLE_S = 60


class DemoServer(ThreadingHTTPServer):
    """Serves the page and a model's REST API; for one person at a time, not for strangers.

    GET / and its files: the page. GET /versions/N/model.json: what the export says of version N. /v1/...: the REST API.

    Args:
      host: address to listen on.
      port: port to listen on; 0 for any that is free.
      api: answers the REST paths.

    Raises:
      OSError: when the address cannot be had.
    """

    # Python ends a daemon's thread where it stands, and the process aborts when native frames are on its stack.
    daemon_threads = False

    def __init__(self, host: str, port: int, api: RestApi) -> None:
        self.api = api
        # Only what lies in the directory can be asked for, so that no path leads out of it.
        self.page_files = {f"/{file.name}": file for file in PAGE_DIRECTORY.iterdir() if file.suffix in _CONTENT_TYPES}
        self.page_files["/"] = self.page_files["/index.html"]
        self._connections: set[Any] = set()
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the page of the model."""
        host, port = self.server_address[:2]
        address = "localhost" if host == "0.0.0.0" else str(host)
        return f"http://{address}:{port}/" + ("" if self.api.name == "stylegan" else f"?model={self.api.name}")

    def process_request(self, request: Any, client_address: Any) -> None:
        """Starts a thread for a connection, and notes it."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets a connection and ends it."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stops listening, lets requests under way have their answers, and ends idle connections."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):  # it has just ended by itself
                connection.shutdown(socket.SHUT_RD)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    server: DemoServer
    protocol_version = "HTTP/1.1"  # keeps connections open between requests
    timeout = _IDLE_S

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        description = _DESCRIPTION.fullmatch(path)
        if path in self.server.page_files:
            self._send_file(self.server.page_files[path])
        elif description:
            self._send_file(self.server.api.base_path / str(int(description[1])) / METADATA_FILE)
        elif path.startswith("/v1/"):
            self._answer("GET", path)
        else:
            self._send_error(HTTPStatus.NOT_FOUND, f"there is nothing at {path}")

    do_HEAD = do_GET  # _send leaves the body out

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        length = self.headers.get("Content-Length", "")
        # A body that is not read would be taken for the next request.
        self.close_connection = True
        if not length.isdecimal():
            self._send_error(HTTPStatus.LENGTH_REQUIRED, "a POST must say the length of its body in Content-Length")
        elif int(length) > LARGEST_BODY:
            self._send_error(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body must be at most {LARGEST_BODY} bytes long. Received: {int(length)}.",
            )
        else:
            body = self.rfile.read(int(length))
            self.close_connection = self.headers.get("Connection", "").lower() == "close"
            self._answer("POST", path, body)

    def _answer(self, method: str, path: str, body: bytes = b"") -> None:
        try:
            status, answer = self.server.api.answer(method, path, body)
        except Exception as error:
            # The server goes on: the next request may be a better one, or the next version.
            traceback.print_exc()
            self._send_error(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")
            return
        self._send(status, _JSON, to_bytes(answer))

    def _send_file(self, file: Path) -> None:
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            self._send_error(HTTPStatus.NOT_FOUND, f"there is no {file.name} here")
            return
        self._send(HTTPStatus.OK, _CONTENT_TYPES.get(file.suffix, _JSON), content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class cannot read or does not know, such as PUT, is answered in JSON too."""
        self.close_connection = True
        self._send_error(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def _send_error(self, status: HTTPStatus, message: str) -> None:
        self._send(status, _JSON, json.dumps({"error": message}).encode())

    def _send(self, status: int, content_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Tells of requests that went wrong only: a page asks often."""
        if isinstance(code, int) and code >= HTTPStatus.BAD_REQUEST:
            super().log_request(code, size)
