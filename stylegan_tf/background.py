"""Work that goes on beside a command and that nobody needs when the command is done."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_given: weakref.WeakSet[Future[Any]] = weakref.WeakSet()


class BackgroundWorker(ThreadPoolExecutor):
    """One thread for such work, which is done piece by piece. A program waits at its end for what was begun."""

    def __init__(self) -> None:
        super().__init__(1, thread_name_prefix="stylegan_tf background")

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        """As every executor."""
        future = super().submit(work, *arguments, **keywords)
        _given.add(future)
        return future


def background_is_busy() -> bool:
    """Whether any worker has work that it has neither done nor given up."""
    return not all(future.done() for future in list(_given))
