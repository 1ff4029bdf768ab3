"""Published files in the cache: each is downloaded once, resumed where it was interrupted, and checked."""

from __future__ import annotations

import hashlib
from pathlib import Path

from stylegan_tf.data.loading import cache_folder
from stylegan_tf.downloads import download
from stylegan_tf.errors import UserError
from stylegan_tf.features.base import file_checksum
from stylegan_tf.pretrained.read import refuse_a_part, refuse_other_formats
from stylegan_tf.progress import ProgressLine


def cached_pickle(url: str, name: str, cache_dir: str) -> Path:
    """Where the file of a URL is, or will be: many are called ffhq.pkl.

    Args:
        url: Its address.
        name: What to call it.
        cache_dir: As the setting has it.
    """
    return cache_folder(cache_dir) / "pretrained" / f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}"


def fetch_pickle(url: str, path: Path, sha256: str, advice: str = "") -> None:
    """Downloads a pickle to its place, unless it is there, and says so.

    Args:
        url: Its address.
        path: Of `cached_pickle`.
        sha256: What it must have; empty for any.
        advice: What else the user can do where the download fails, without a full stop.

    Raises:
        ValueError: When the download fails, or brings something else.
        OSError: When the file cannot be written.
    """
    if path.is_file() and file_checksum(path).startswith(sha256):
        print(f"{path} is there already.", flush=True)
        return

    def require_pickle(part: Path) -> None:
        """Keeps out of the cache what a server may send instead of a file."""
        try:
            with part.open("rb") as file:
                refuse_other_formats(file)
                refuse_a_part(file)
        except ValueError as error:
            raise UserError(f"{url} must be the address of a pickle; nothing was kept: {error}") from None

    with ProgressLine(f"Downloading {path.name.partition('-')[2]}", "bytes") as progress:
        found = download(
            url, path, sha256=sha256 or None, binary=True, advice=advice, check=require_pickle, progress=progress
        )
    print(f"{path}: SHA-256 {found}" + ("" if sha256 else ", which was not compared with anything"), flush=True)
