"""Addresses that a file may come from, at first and after redirects.

What comes over plain http may have been changed on its way: it is taken only with a checksum of the whole file.
"""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from stylegan_tf.errors import UserError

SHA256_DIGITS = 64


def split_address(url: str) -> urllib.parse.SplitResult:
    """The parts of an address. Raises ValueError for one that has none, such as http://[."""
    try:
        return urllib.parse.urlsplit(url)
    except ValueError as error:
        raise UserError(f"A URL must be an address. Received: {url!r}: {error}.") from None


def require_safe(url: str, expected: str, schemes: Sequence[str]) -> None:
    """Refuses an address that must not be asked for a file.

    Args:
        url: The address.
        expected: The SHA-256 of the file in hexadecimal digits, or how it begins; empty when it is not known.
        schemes: Those that are allowed.

    Raises:
        ValueError: It has another scheme; or it is of plain http, and the whole checksum is not known.
    """
    scheme = split_address(url).scheme
    if scheme not in schemes:
        allowed = " or ".join(f"{name}://" for name in schemes)
        raise UserError(f"A URL must begin with {allowed}. Received: {url!r}.")
    if scheme == "http" and len(expected) < SHA256_DIGITS:
        raise UserError(
            "A URL must begin with https://, or state the checksum of its file, as anyone on the way can change what "
            f"comes over plain http: write #sha256= and 64 hexadecimal digits after it. Received: {url!r}."
        )


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to another address where that one could have been asked in the first place.

    Args:
        expected: See `require_safe`.
    """

    def __init__(self, expected: str) -> None:
        self._expected = expected

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Raises URLError for an address that must not be asked."""
        if "Location" not in headers:  # the base class would follow the header URI then, unchecked
            return None
        fp.close()  # the base class would read it to its end, if it has one
        try:
            location = split_address(headers["Location"]).geturl()
            url = urllib.parse.urljoin(req.full_url, location)
            require_safe(url, self._expected, ("http", "https"))
        except ValueError as error:
            raise urllib.error.URLError(f"the server redirects to an address that is not followed. {error}") from None
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302
