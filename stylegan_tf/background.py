"""Work that goes on beside a command and that nobody needs when the command is done."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

_NAME = "stylegan_tf background"


def background_worker() -> ThreadPoolExecutor:
    """One thread for such work, which is done piece by piece. A program waits at its end for the piece begun last."""
    return ThreadPoolExecutor(1, thread_name_prefix=_NAME)


def background_is_busy() -> bool:
    """Whether a worker that was shut down has not come to its end yet."""
    return any(thread.name.startswith(_NAME) for thread in threading.enumerate())
