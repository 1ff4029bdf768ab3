"""Locks between processes, which end with the process that holds them, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from stylegan_tf.errors import UserError

try:
    import fcntl
except ImportError:  # not on Windows, where nothing is locked
    fcntl = None  # type: ignore[assignment]

_BUSY = {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK}


def try_lock(file: IO[Any]) -> bool:
    """Locks an open file for this process alone. False when another process holds it.

    True as well where the file system or the operating system has no locks: there nobody can tell.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _BUSY
    return True


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Keeps every other process out of a block that locks the same path. The file stays; its folder must exist.

    Args:
        path: Of the lock file, which tells who holds it.
        what: Opens the error: "this run is being trained".

    Raises:
        ValueError: Naming the process that holds the lock.
    """
    with path.open("a+", encoding="utf-8") as file:
        if not try_lock(file):
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            raise UserError(f"{what} by another process; wait until it ends. Received: {path}, held by {holder}.")
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()} since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
        file.flush()
        yield
        file.truncate(0)


@contextlib.contextmanager
def locked_itself(path: Path, what: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Like `locked`, with the file that the block replaces as a whole for its own lock: no other file stays beside it.

    A file that is not there is made, empty, and removed again where the block leaves it so.

    Args:
        path: Of the file.
        what: Opens the error: "these results are being written".
        wait_s: How long to wait for the other process.

    Raises:
        ValueError: When another process holds the lock for longer.
    """
    deadline = time.monotonic() + wait_s
    while True:
        with path.open("ab") as file:
            # Whoever held the lock before may have replaced the file after it was opened here.
            if try_lock(file) and _is_at(file, path):
                try:
                    yield
                finally:
                    if path.stat().st_size == 0:
                        path.unlink()
                return
        if time.monotonic() >= deadline:
            raise UserError(f"{what} by another process; wait until it ends. Received: {path}.")
        time.sleep(0.01)


def _is_at(file: IO[Any], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
