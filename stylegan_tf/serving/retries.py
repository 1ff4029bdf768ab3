"""What goes wrong between a client and a server, and trying again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0

Answer = TypeVar("Answer")


class ServerError(RuntimeError):
    """The server answered that it does not do what it was asked for; asking again would not help."""


class ServerUnavailableError(ConnectionError):
    """No server answered, or it said that it cannot now."""


def with_retries(call: Callable[[], Answer], retries: int) -> Answer:
    """What a call returns, tried again after each ServerUnavailableError, with longer and longer waits between.

    Args:
        call: Without arguments.
        retries: Tries after the first.

    Raises:
        ServerUnavailableError: That of the last try. Other errors pass at once.
    """
    for tried in range(retries):
        try:
            return call()
        except ServerUnavailableError:
            # A random share keeps many clients from coming back at the same moment.
            time.sleep(min(FIRST_WAIT_S * 2**tried, LONGEST_WAIT_S) * random.uniform(0.5, 1.0))
    return call()
