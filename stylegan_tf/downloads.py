"""Files over https, http and file: with resume, a checksum, and nothing in place that is not whole."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.client
import io
import json
import os
import re
import string
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stylegan_tf.errors import UserError
from stylegan_tf.files import disk_errors, write_text
from stylegan_tf.json_files import as_record, read_json
from stylegan_tf.locks import try_lock
from stylegan_tf.safe_addresses import SafeRedirects, require_safe, split_address

TIMEOUT_S = 30.0
SCHEMES = ("http", "https", "file")
LARGEST_BYTES = 8 * 2**30  # twenty times the largest published network: a server must not fill the disk

_ATTEMPTS = 5  # of one call, when connections are cut
_WAIT_S = 1.0  # before the second attempt; longer and longer before later ones
_CHUNK_BYTES = 1 << 18
_START_BYTES = 512
_PAGE_STARTS = (b"<!doctype html", b"<html")

Progress = Callable[[int, int], None]


class _CutShortError(Exception):
    """An answer that ended before the file did; asking for the rest may help."""


class _RefusedError(Exception):
    """No answer, or one that is something else; asking again at once would not help."""


def split_checksum(url: str, *, in_name: bool = False) -> tuple[str, str]:
    """Takes the checksum off a URL.

    Args:
        url: Such as `https://.../name.pkl#sha256=HEX`, with all 64 hexadecimal digits.
        in_name: Whether 8 or more such digits that end the file's name are the beginning of its SHA-256, as in
            `vgg16-397923af.pth`. Elsewhere they may as well be a date.

    Returns:
        The URL without the checksum after it, and the checksum or its beginning in lower case; empty when none is
        stated.

    Raises:
        ValueError: What comes after # is not sha256= and 64 hexadecimal digits.
    """
    parts = split_address(url)
    match = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", parts.fragment)
    if parts.fragment and match is None:
        raise UserError(
            f"A URL must end without #, or write #sha256= and 64 hexadecimal digits after it. Received: {url!r}."
        )
    if match is None and in_name:
        match = re.search(r"-([0-9a-f]{8,64})\.\w+$", parts.path)
    return parts._replace(fragment="").geturl(), match[1].lower() if match else ""


def download(
    url: str,
    path: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    binary: bool = False,
    timeout_s: float = TIMEOUT_S,
    advice: str = "",
    check: Callable[[Path], None] | None = None,
    progress: Progress | None = None,
) -> str:
    """Downloads a file, and goes on where an earlier call was interrupted.

    Until the file is whole it lies beside its place as a hidden file, with a second one that says which version it
    is. The rest of it is asked for only where the server can tell that the version is still the same; otherwise the
    download starts again.

    Args:
        url: Begins with https:// or file://, or with http:// where the whole checksum is known; without a checksum
            after it, see `split_checksum`. The same holds for every address that a server redirects to, but for
            file://, to which none may.
        path: Where the file will be; what is there is replaced.
        sha256: Its SHA-256 in hexadecimal digits, or the first 8 or more of them; None for any.
        binary: Whether a web page is an error: some servers answer so instead of with the file.
        timeout_s: Seconds without a byte after which a connection counts as lost.
        advice: What else the user can do, without a full stop; ends the errors of downloads that fail.
        check: Called with the whole file before it gets to its place; when it raises ValueError, nothing is kept.
        progress: Called with the bytes that are there and those of the whole file, where that is known.

    Returns:
        The file's SHA-256, 64 hexadecimal digits.

    Raises:
        ValueError: The URL or the checksum is of another form; the download fails; the file has another checksum, or
            more than `LARGEST_BYTES`, or `check` refuses it; another process is downloading it.
        OSError: The file cannot be written; DiskError when the disk took no more.
        KeyboardInterrupt: With a note that tells what is kept.
    """
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{8,64}", sha256):
        raise UserError(f"sha256 must be 8 to 64 hexadecimal digits. Received: sha256={sha256!r}.")
    expected = (sha256 or "").lower()
    require_safe(url, expected, SCHEMES)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(target), _locked_part(target, url) as part:
        _complete(part, expected, binary, timeout_s, advice, progress)
        found = part.checksum()
        if not found.startswith(expected):
            size = part.size
            part.restart()
            must = "be" if len(expected) == len(found) else "begin with"
            raise UserError(
                f"The SHA-256 of {url} must {must} {expected}; nothing was kept. Received: {found}, of {size:,} "
                f"bytes.{_sentence(advice)}"
            )
        if check is not None:
            try:
                check(part.path)
            except ValueError:
                part.restart()
                raise
        os.replace(part.path, target)
    return found


@dataclasses.dataclass(frozen=True)
class _Notes:
    """What is known of the bytes that are there, see `_Part`."""

    url: str
    version: str
    total: int


class _Part:
    """The bytes that are there, and the version of the file that they belong to.

    Attributes:
        path: Where the bytes are.
        url: Where they come from.
        version: The server's ETag, or the date of the last change; empty when it cannot be told from other versions.
        total: Bytes of the whole file; 0 when unknown.
    """

    def __init__(self, file: io.BufferedRandom, path: Path, url: str) -> None:
        self._file, self.path, self.url = file, path, url
        self.notes = path.with_name(f"{path.name}.json")
        self.version, self.total = self._noted()

    def _noted(self) -> tuple[str, int]:
        """What an earlier call wrote down; nothing, where that was about another URL or cannot be read."""
        with contextlib.suppress(OSError, ValueError):
            notes = as_record(_Notes, read_json(self.notes))
            if notes.url == self.url and notes.total >= 0:
                return notes.version, notes.total
        return "", 0

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self._file.seek(0, os.SEEK_END)

    @property
    def resumable(self) -> bool:
        """Whether there are bytes that a later call could go on from."""
        return bool(self.size and self.version)

    def restart(self, version: str = "", total: int = 0) -> None:
        """Drops the bytes, for those of another version."""
        self._file.truncate(0)
        self.version, self.total = version, total
        write_text(self.notes, json.dumps({"url": self.url, "version": version, "total": total}))

    def describe_kept(self) -> str:
        """What a user may want to know when a download ends early."""
        of = f" of {self.total:,}" if self.total else ""
        return f"{self.size:,}{of} bytes are kept: run the same again to continue from there."

    def append(self, chunk: bytes) -> None:
        """Adds bytes at the end."""
        self._file.write(chunk)

    def checksum(self) -> str:
        """The SHA-256 of the bytes, in hexadecimal digits."""
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()


@contextlib.contextmanager
def _locked_part(target: Path, url: str) -> Iterator[_Part]:
    """The part of a file that is there already. One that went to its place, or is of no use, leaves nothing."""
    path = target.with_name(f".{target.name}.download")
    with open(path, "a+b") as file:
        _lock(file, path, target)
        part = _Part(file, path, url)
        try:
            yield part
        except KeyboardInterrupt as stop:
            if part.resumable:
                stop.add_note(part.describe_kept())
            raise
        finally:
            if path.exists() and not part.resumable:
                path.unlink()
            if not path.exists():
                part.notes.unlink(missing_ok=True)


def _lock(file: io.BufferedRandom, path: Path, target: Path) -> None:
    # The other process may have finished, and moved the file to its place, after it was opened here.
    if not try_lock(file) or not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
        raise UserError(f"{target} is being downloaded by another process: wait until that is done. Received: {path}.")


def _complete(
    part: _Part, expected: str, binary: bool, timeout_s: float, advice: str, progress: Progress | None
) -> None:
    """Fetches what is missing, and asks again for the rest when a connection is cut."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            # Whole already when the last call was ended between the last byte and the move to its place.
            if not (part.total and part.size == part.total):
                with _ask(part, expected, timeout_s) as answer:
                    _receive(answer, part, binary, progress)
            return
        except _CutShortError as error:
            if attempt == _ATTEMPTS:
                raise _failure(part, f"{error}, {_ATTEMPTS} times", advice) from None
            time.sleep(_WAIT_S * attempt)
        except _RefusedError as error:
            raise _failure(part, str(error), advice) from None


def _failure(part: _Part, reason: str, advice: str) -> UserError:
    """The error of a download that failed, on one line."""
    kept = f" {part.describe_kept()}" if part.resumable else ""
    return UserError(" ".join(f"Could not download {part.url}: {reason}.{kept}{_sentence(advice)}".split()))


def _sentence(advice: str) -> str:
    return f" {advice}." if advice else ""


def _ask(part: _Part, expected: str, timeout_s: float) -> Any:
    """Asks for what is missing. Returns an open answer: the rest (206), or the whole file (200, or None for file:)."""
    headers = {"Range": f"bytes={part.size}-", "If-Range": part.version} if part.resumable else {}
    try:
        url = urllib.parse.quote(part.url, safe=string.punctuation)  # letters beyond ASCII as an address has them
        opener = urllib.request.build_opener(SafeRedirects(expected))
        return opener.open(urllib.request.Request(url, headers=headers), timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not headers:
            raise _RefusedError(f"HTTP {error.code} {error.reason}") from None
        # The file has become shorter than what is there of it.
        part.restart()
        return _ask(part, expected, timeout_s)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        reason = str(getattr(error, "reason", "") or error) or type(error).__name__
        raise _RefusedError(reason.removesuffix(".")) from None


def _receive(answer: Any, part: _Part, binary: bool, progress: Progress | None) -> None:
    """Adds an answer to what is there, or puts it in its place.

    Raises:
        _RefusedError: It is a web page, or too large.
        _CutShortError: It ends too early, or does not fit to what is there, which is then dropped.
    """
    chunk = _read(answer.read, _START_BYTES)
    if binary and _is_page(answer.headers, chunk):
        raise _RefusedError(
            "the server answered with a web page, not with the file; open the address in a browser and download it "
            "there"
        )
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        _require_continuation(answer.headers, part)
    else:
        part.restart(_version(answer.headers), _length(answer.headers))
    _require_size(part, part.total)
    while chunk:
        _require_size(part, part.size + len(chunk))
        part.append(chunk)
        if progress is not None and part.total:
            progress(part.size, part.total)
        chunk = _read(answer.read1, _CHUNK_BYTES)  # what has come, so that no bytes are lost with the connection
    if part.total and part.size < part.total:
        raise _CutShortError(f"the connection ended after {part.size:,} of {part.total:,} bytes")
    if part.total and part.size > part.total:
        part.restart()
        raise _CutShortError("the server sent more than the file has")


def _require_size(part: _Part, size: int) -> None:
    """Raises _RefusedError, and drops the part, when it is or will be larger than any file that is wanted here."""
    if size > LARGEST_BYTES:
        part.restart()
        raise _RefusedError(f"the file must have at most {LARGEST_BYTES:,} bytes, and has {size:,} or more")


def _require_continuation(headers: Mapping[str, str], part: _Part) -> None:
    """Raises _CutShortError, and drops the part, when an answer is not the rest of it."""
    match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)", headers.get("Content-Range", ""))
    begins = match is not None and int(match[1]) == part.size
    ends = match is not None and (match[2] == "*" or not part.total or int(match[2]) == part.total)
    if not begins or not ends or _version(headers) not in ("", part.version):
        part.restart()
        raise _CutShortError("the server answered with another part, or with a part of another file")
    if match is not None and match[2] != "*":
        part.total = int(match[2])


def _read(read: Callable[[int], bytes], count: int) -> bytes:
    try:
        return read(count)
    except (OSError, http.client.HTTPException) as error:
        raise _CutShortError(f"the connection was lost: {str(error) or type(error).__name__}") from None


def _version(headers: Mapping[str, str]) -> str:
    """What If-Range can ask for; a weak ETag is none, as it may stay the same when bytes change."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _length(headers: Mapping[str, str]) -> int:
    match = re.fullmatch("[0-9]{1,18}", headers.get("Content-Length", ""))
    return int(match[0]) if match else 0


def _is_page(headers: Mapping[str, str], start: bytes) -> bool:
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml") or start.lstrip().lower().startswith(_PAGE_STARTS)
