"""What the development server asks of a request's head, before anything of it is carried out.

A page of a foreign site can make a browser on this machine send requests here. It cannot choose Host, Origin or the
content type application/json without being asked first, so these three tell its requests from those of our own page.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from email import errors
from email.message import Message
from http import HTTPStatus

from stylegan_tf.errors import UserError
from stylegan_tf.printing import printable

# 64 images' ws of the largest network (18 layers of 512 numbers) are 12 MB as text.
LARGEST_BODY = 32 * 2**20
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

# Defects of the lines; others concern a body of several parts, of which only the head is read.
_BAD_LINES = (
    errors.FirstHeaderLineIsContinuationDefect,
    errors.InvalidHeaderDefect,
    errors.MisplacedEnvelopeHeaderDefect,
    errors.MissingHeaderBodySeparatorDefect,
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{0,5})?")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_LENGTH = re.compile(r"[0-9]{1,18}")


class RefusedRequestError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: Of the answer.
        message: What is wrong with the request.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class AllowedHosts:
    """The names by which a server may be asked.

    A foreign site can let its own name point to this machine, and its page then counts as one of ours (DNS rebinding).
    An address cannot be made to point elsewhere.

    Args:
        names: Names and addresses beside those of this machine to itself.

    Raises:
        ValueError: For what is not the name or address of a host.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {_normal(name) for name in (*LOOPBACK_NAMES, *names)}
        self._any_address = False

    def add_address(self, address: str) -> None:
        """Allows an address that the server listens on; all addresses, when it is that of all of them."""
        self._names.add(_normal(address))
        self._any_address |= ipaddress.ip_address(address).is_unspecified

    def __contains__(self, name: str) -> bool:
        found = _normal(name)
        return found in self._names or (self._any_address and _address(found) is not None)


def check_head(headers: Message, http_version: str, allowed: AllowedHosts) -> None:
    """Refuses what is ambiguous, was meant for another host, or comes from a page of another one.

    Args:
        headers: As `http.client.parse_headers` reads them.
        http_version: Such as HTTP/1.1.
        allowed: The names of this server.

    Raises:
        RefusedRequestError: Says what is wrong.
    """
    if any(isinstance(defect, _BAD_LINES) for defect in headers.defects):
        raise RefusedRequestError(HTTPStatus.BAD_REQUEST, "every line of the head must be a name, a colon and a value")
    host = _single(headers, "Host")
    if host is not None:
        _check_host(host, allowed)
    elif http_version != "HTTP/1.0":
        raise RefusedRequestError(HTTPStatus.BAD_REQUEST, "a request must have a Host header")
    origin = _single(headers, "Origin")
    if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        raise RefusedRequestError(
            HTTPStatus.FORBIDDEN, f"pages of other sites must not ask this server. Received: Origin {_shown(origin)}."
        )


def _check_host(host: str, allowed: AllowedHosts) -> None:
    match = _HOST.fullmatch(host)
    try:
        known = match is not None and match[1] in allowed
    except ValueError:
        match = None
    if match is None:
        raise RefusedRequestError(
            HTTPStatus.BAD_REQUEST, f"Host must be a name or an address, and a port. Received: {_shown(host)}."
        )
    if not known:
        raise RefusedRequestError(
            HTTPStatus.FORBIDDEN,
            "Host must be localhost, an address that the server listens on, or a name that it was started with, as in "
            f"--allowed_hosts={_shown(match[1])}. Received: {_shown(host)}.",
        )


def body_length(headers: Message) -> int:
    """The bytes of a request's body; 0 when nothing is said of one.

    Raises:
        RefusedRequestError: When it cannot be told, or is beyond `LARGEST_BODY`.
    """
    said = _single(headers, "Content-Length")
    if "Transfer-Encoding" in headers:
        if said is not None:
            raise RefusedRequestError(
                HTTPStatus.BAD_REQUEST, "a request must have one of Content-Length and Transfer-Encoding, not both"
            )
        raise RefusedRequestError(
            HTTPStatus.LENGTH_REQUIRED,
            "the length of the body must be in Content-Length; chunked bodies are not accepted",
        )
    if said is None:
        return 0
    if not _LENGTH.fullmatch(said):
        raise RefusedRequestError(
            HTTPStatus.BAD_REQUEST, f"Content-Length must be a number of bytes. Received: {_shown(said)}."
        )
    if int(said) > LARGEST_BODY:
        raise RefusedRequestError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the body must be at most {LARGEST_BODY} bytes long. Received: {int(said)}.",
        )
    return int(said)


def require_json(headers: Message) -> None:
    """Raises RefusedRequestError for a body of any other kind: these a browser sends for any page without asking."""
    kind = _single(headers, "Content-Type") or "none"
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise RefusedRequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the body must be sent as Content-Type: application/json. Received: {_shown(kind)}.",
        )


def _single(headers: Message, name: str) -> str | None:
    values = headers.get_all(name, [])
    if len(values) > 1:
        raise RefusedRequestError(HTTPStatus.BAD_REQUEST, f"{name} must be given once. Received: {len(values)} times.")
    return str(values[0]).strip(" \t") if values else None


def _normal(name: str) -> str:
    """A name as it is compared: in small letters, without brackets and the dot that may end it."""
    in_brackets = re.fullmatch(r"\[(.*:.*)\]", name)
    bare = in_brackets[1] if in_brackets else name.lower().removesuffix(".")
    address = _address(bare)
    if address is None and (in_brackets or not _NAME.fullmatch(bare)):
        raise UserError(f"a host must be a name or an address, without a port. Received: {_shown(name)}.")
    return str(address or bare)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _shown(text: str) -> str:
    return printable(text if len(text) <= 80 else f"{text[:80]}...")
