"""A development server: the page, and TensorFlow Serving's REST paths answered from a SavedModel in this process."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import json
import re
import socket
import socketserver
import sys
import threading
import traceback
from collections.abc import Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stylegan_tf.exports.layout import METADATA_FILE, find_versions
from stylegan_tf.printing import printable
from stylegan_tf.serving.connections import ANSWERING, READING, WRITING, Connections, DeadlineReader
from stylegan_tf.serving.request_head import AllowedHosts, RefusedRequestError, body_length, check_head, require_json
from stylegan_tf.serving.rest import RestApi, to_bytes

PAGE_DIRECTORY = Path(__file__).parent / "page"
# What goes with every answer. The policy is the page's own, and keeps it out of the frames of other pages.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self' http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_JSON = "application/json"
_DESCRIPTION = re.compile(r"/versions/([0-9]+)/model\.json")
_LONGEST_VERSION = 19  # digits of a whole number of 64 bits
_LONGEST_LINE = 1000  # of the log, and of what an error repeats of a request

MOST_CONNECTIONS = 32
_AT_ONCE = 2  # answers that are computed; the page asks for four at most
# Seconds, each for the whole of it, however the bytes are spread over them.
_HEAD_S = 30  # from the last answer to the end of the next request's head
_BODY_S = 60
_WRITE_S = 60
_CLOSE_S = 5
_LINGER_S = 2


class DemoServer(ThreadingHTTPServer):
    """Serves the page and a model's REST API; for one person at a time, not for strangers.

    GET / and its files: the page. GET /versions/N/model.json: what the export says of version N. /v1/...: the REST API.

    Args:
        host: Name or address to listen on.
        port: Port to listen on; 0 for any that is free.
        api: Answers the REST paths.
        allowed_hosts: Further names by which it may be asked, beside `host` and those of this machine to itself.

    Raises:
        OSError: When the address cannot be had.
        ValueError: For what is not the name or address of a host.
    """

    # Python ends a daemon's thread where it stands, and the process aborts when native frames are on its stack.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, api: RestApi, allowed_hosts: Iterable[str] = ()) -> None:
        self.api = api
        # Only what lies in the directory can be asked for, so that no path leads out of it.
        self.page_files = {f"/{file.name}": file for file in PAGE_DIRECTORY.iterdir() if file.suffix in _CONTENT_TYPES}
        self.page_files["/"] = self.page_files["/index.html"]
        self.connections = Connections(MOST_CONNECTIONS)
        self.computing = threading.Semaphore(_AT_ONCE)
        self.closing = False
        self.allowed_hosts = AllowedHosts([host, *allowed_hosts])
        families = [info[0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        self.address_family = socket.AF_INET if socket.AF_INET in families else families[0]
        super().__init__((host, port), _Handler)
        self.allowed_hosts.add_address(str(self.server_address[0]))

    def server_bind(self) -> None:
        """Binds, and does not ask a name server for the machine's full name, which may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the page of the model."""
        host, port = str(self.server_address[0]), self.server_address[1]
        if ipaddress.ip_address(host).is_unspecified:
            host = "localhost"
        address = f"[{host}]" if ":" in host else host
        return f"http://{address}:{port}/" + ("" if self.api.name == "stylegan" else f"?model={self.api.name}")

    def process_request(self, request: Any, client_address: Any) -> None:
        """Starts a thread for a connection, where there is room for it."""
        if self.connections.add(request):
            super().process_request(request, client_address)
            return
        with contextlib.suppress(OSError):
            request.setblocking(False)
            request.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Forgets a connection and ends it."""
        self.connections.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Stops listening, lets requests under way have their answers, and ends all other connections."""
        self.closing = True
        self.socket.close()
        self.connections.finish(_CLOSE_S)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    server: DemoServer
    protocol_version = "HTTP/1.1"  # keeps connections open between requests
    default_request_version = "HTTP/1.0"  # even one that names no version gets an answer with a head
    _refused = False

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._reader = DeadlineReader(self.connection)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        self._doing(READING)
        self._reader.allow(_HEAD_S)
        super().handle_one_request()

    def finish(self) -> None:
        """Lets a client that is still sending read why it was refused: closing at once would take the answer away."""
        if self._refused:
            self._doing(READING)
            self._reader.allow(_LINGER_S)
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
                while self._reader.read(1 << 16):
                    pass
        super().finish()

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        try:
            check_head(self.headers, self.request_version, self.server.allowed_hosts)
            self._length = body_length(self.headers)
        except RefusedRequestError as error:
            self._refuse(error)
            return False
        return True

    def handle_expect_100(self) -> bool:
        """Not before the head is checked; `_read_body` says it."""
        return True

    def do_GET(self) -> None:
        if self._length:
            self._refuse(RefusedRequestError(HTTPStatus.BAD_REQUEST, f"a {self.command} must have no body"))
            return
        self._doing(ANSWERING)
        path = self.path.partition("?")[0]
        description = _DESCRIPTION.fullmatch(path)
        if path in self.server.page_files:
            self._send_file(self.server.page_files[path])
        elif description and len(description[1]) > _LONGEST_VERSION:
            self._send_error(HTTPStatus.BAD_REQUEST, f"a version must be a whole number. Received: {path[:80]}...")
        elif description:
            export = self.server.api.base_path
            number = int(description[1])
            version = find_versions(export).get(number, export / str(number))
            self._send_file(version / METADATA_FILE)
        elif path.startswith("/v1/"):
            self._answer("GET", path)
        else:
            self._send_error(HTTPStatus.NOT_FOUND, f"there is nothing at {_shortened(path)}")

    do_HEAD = do_GET  # _send leaves the body out

    def do_POST(self) -> None:
        try:
            body = self._read_body()
        except RefusedRequestError as error:
            self._refuse(error)
            return
        self._doing(ANSWERING)
        with self.server.computing:
            if self.server.closing:
                self._send_error(HTTPStatus.SERVICE_UNAVAILABLE, "the server is closing")
            else:
                self._answer("POST", self.path.partition("?")[0], body)

    def _read_body(self) -> bytes:
        require_json(self.headers)
        if "Content-Length" not in self.headers:
            raise RefusedRequestError(
                HTTPStatus.LENGTH_REQUIRED, "a POST must say the length of its body in Content-Length"
            )
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()
        self._reader.allow(_BODY_S)
        try:
            body = self.rfile.read(self._length)
        except TimeoutError:
            raise RefusedRequestError(
                HTTPStatus.REQUEST_TIMEOUT, f"the body must arrive within {_BODY_S} seconds"
            ) from None
        if len(body) < self._length:
            raise RefusedRequestError(
                HTTPStatus.BAD_REQUEST, f"the body must have the length of {self._length} bytes. Received: {len(body)}."
            )
        return body

    def _answer(self, method: str, path: str, body: bytes = b"") -> None:
        try:
            status, answer = self.server.api.answer(method, path, body)
        except Exception as error:
            # The server goes on: the next request may be a better one, or the next version.
            for line in traceback.format_exc().splitlines():
                print(printable(line[:_LONGEST_LINE]), file=sys.stderr)
            self._send_error(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {_shortened(str(error))}")
            return
        self._send(status, _JSON, to_bytes(answer))

    def _send_file(self, file: Path) -> None:
        try:
            content = file.read_bytes()
        except OSError:
            self._send_error(HTTPStatus.NOT_FOUND, f"there is no {file.name} here")
            return
        self._send(HTTPStatus.OK, _CONTENT_TYPES.get(file.suffix, _JSON), content)

    def _refuse(self, error: RefusedRequestError) -> None:
        self.send_error(error.status, error.message)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """An error in JSON, also for what the base class cannot read or does not know, such as PUT.

        What comes after it on the connection might be a body, and be taken for the next request.
        """
        self.close_connection = self._refused = True
        self._send_error(HTTPStatus(code), _shortened(message or HTTPStatus(code).phrase))

    def _send_error(self, status: HTTPStatus, message: str) -> None:
        self._send(status, _JSON, json.dumps({"error": message}).encode())

    def _send(self, status: int, content_type: str, content: bytes) -> None:
        self._doing(WRITING)
        self.close_connection = self.close_connection or self.server.closing
        self.connection.settimeout(_CLOSE_S if self.server.closing else _WRITE_S)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        for name, value in SECURITY_HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _doing(self, what: str) -> None:
        self.server.connections.now(self.connection, what)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Tells of requests that went wrong only: a page asks often."""
        if isinstance(code, int) and code >= HTTPStatus.BAD_REQUEST:
            self.log_message('"%s" %d', self.requestline, code)

    def log_error(self, format: str, *args: Any) -> None:
        """A connection that fell silent is not worth a line."""

    def log_message(self, format: str, *args: Any) -> None:
        """A line on stderr, in which nothing of a request can change the terminal."""
        line = f"{self.address_string()} [{self.log_date_time_string()}] {format % args}"
        print(printable(_shortened(line)), file=sys.stderr)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}..."
