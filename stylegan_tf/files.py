"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with ~ written out, which shells leave in `--flag=~/path`; as it is where no such home is known."""
    return Path(os.path.expanduser(path))


def is_new_or_empty(path: Path) -> bool:
    """Whether nothing is at `path`, or a directory without entries."""
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def check_writable(folder: Path) -> None:
    """Raises OSError when nothing can be written into a folder: to be asked before the work that would be lost."""
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a path beside `path` to write to, which takes its place when the block ends without an error."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield beside
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file, whole or not at all."""
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")
