"""Files of a repository in huggingface_hub's cache, each compared with the checksum that the hub states."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegan_tf.errors import UserError, require
from stylegan_tf.hub.address import HubAddress
from stylegan_tf.hub.connection import connected, is_unreachable
from stylegan_tf.progress import ProgressLine

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_SHA256_DIGITS, _GIT_DIGITS = 64, 40
_CHECKSUM = re.compile(rf"[0-9a-f]{{{_GIT_DIGITS}}}|[0-9a-f]{{{_SHA256_DIGITS}}}")


@dataclasses.dataclass(frozen=True)
class _Stated:
    """What the hub states of a file: its bytes, and its SHA-256, or Git's name of it where it is small."""

    size: int
    checksum: str


def fetch_files(address: HubAddress, largest: Mapping[str, int]) -> dict[str, Path]:
    """Downloads files of one commit of a repository, unless the cache has them.

    Without a network, what the cache has is taken.

    Args:
        address: The repository.
        largest: By the name of each file, the most bytes that it may have.

    Returns:
        Where each file lies, by its name.

    Raises:
        UserError: When the repository, the revision or a file is not there; when a file is too large, cut short, or
            has another checksum: then it is removed from the cache.
        OSError: When the cache cannot be written.
    """
    with connected(address, "read") as hub:
        commit = hub.resolve_revision(address.repository, revision=address.revision or None).resolved
        stated = _stated_files(hub, address, commit)
        if stated is not None:
            _require_files(address, largest, stated)
        return {name: _fetch(hub, address, name, commit, stated[name] if stated else None) for name in largest}


def _stated_files(hub: HfApi, address: HubAddress, commit: str) -> dict[str, _Stated] | None:
    """What the hub states of each file of a commit; None where it cannot be asked."""
    try:
        info = hub.model_info(address.repository, revision=commit, files_metadata=True)
    except Exception as error:
        if is_unreachable(error):
            return None
        raise
    return {
        file.rfilename: _Stated(file.size or 0, str(file.lfs.sha256 if file.lfs else file.blob_id or ""))
        for file in info.siblings or []
    }


def _require_files(address: HubAddress, largest: Mapping[str, int], stated: Mapping[str, _Stated]) -> None:
    """Raises UserError, before anything is downloaded, unless the files are there and none is too large."""
    missing = sorted(largest.keys() - stated.keys())
    wanted = f"{address} must hold a network that `push` wrote, with the files {', '.join(largest)}"
    require(not missing, wanted, f"none called {', '.join(missing)}")
    for name, most in largest.items():
        found = stated[name]
        require(found.size <= most, f"{name} of {address} must have at most {most:,} bytes", f"{found.size:,}")
        known = _CHECKSUM.fullmatch(found.checksum) is not None
        require(known, f"the hub must state a checksum of {name} of {address}", repr(found.checksum))


def _fetch(hub: HfApi, address: HubAddress, name: str, commit: str, stated: _Stated | None) -> Path:
    """A file in the cache; one with another checksum is removed from it."""
    path = Path(
        hub.hf_hub_download(
            address.repository, name, revision=commit, local_files_only=stated is None, tqdm_class=_progress_bars()
        )
    )
    blob = path.parent / os.readlink(path) if path.is_symlink() else path
    expected = stated.checksum if stated else blob.name  # the cache calls files by what the hub stated
    if not _CHECKSUM.fullmatch(expected):
        return path  # a cache without links forgets it
    found = _checksum(path, expected)
    if found != expected:
        size = path.stat().st_size
        for damaged in (path, blob):
            damaged.unlink(missing_ok=True)
        raise UserError(
            f"the checksum of {name} of {address} must be {expected}, as the hub states; the file was removed from the "
            f"cache. Received: {found}, of {size:,} bytes. Try again."
        )
    return path


def _checksum(path: Path, like: str) -> str:
    """A file's SHA-256, or Git's name of it, by the length of another one."""
    with path.open("rb") as file:
        if len(like) == _SHA256_DIGITS:
            return hashlib.file_digest(file, "sha256").hexdigest()
        name = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        while chunk := file.read(1 << 20):
            name.update(chunk)
        return name.hexdigest()


def _progress_bars() -> type:
    """The class of progress bars that huggingface_hub and its transfers ask for, shown as ours."""
    from tqdm import tqdm

    class Bar(tqdm):
        """Shows nothing by itself; it begins with the first bytes, as some transfers never enter it."""

        line: ProgressLine | None = None

        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **{**settings, "disable": True})
            self.done, self.what = settings.get("initial") or 0, settings.get("desc") or ""

        def update(self, n: float | None = 1) -> bool | None:
            self.done += int(n or 0)
            if self.line is None:
                self.line = ProgressLine(f"Downloading {self.what}".rstrip(": "), "bytes").__enter__()
            if self.total:
                self.line(self.done, int(self.total))
            return None

        def close(self) -> None:
            if self.line is not None:
                self.line.__exit__(None, None, None)

    return Bar
