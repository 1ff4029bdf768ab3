"""Connections of the development server: what each is doing, how many there may be, and how long they may take."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from typing import Any

READING, ANSWERING, WRITING = "reading", "answering", "writing"


class DeadlineReader(io.RawIOBase):
    """Reads from a socket until a point in time, however the bytes are spread over it.

    A socket's own timeout begins again with every byte, so that one byte a second would keep a connection for ever.

    Attributes:
        deadline: On the clock of `time.monotonic`; a read that would go beyond it raises TimeoutError.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = time.monotonic()

    def allow(self, seconds: float) -> None:
        """Sets the deadline."""
        self.deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads what has come, or waits for it."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the bytes came too slowly")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class Connections:
    """The open connections of a server, up to a number. May be used by many threads at once.

    When there is no room, the one that has been read from for the longest time makes it: a client that sends nothing,
    or sends slowly, keeps nobody out.

    Args:
        most: Connections at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._doing: dict[socket.socket, str] = {}  # in the order in which they began to do it
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._doing)

    def add(self, connection: socket.socket) -> bool:
        """Takes a new connection in. False when all others are being answered, and there is no room."""
        with self._changed:
            if len(self._doing) >= self._most:
                slowest = next((other for other, doing in self._doing.items() if doing == READING), None)
                if slowest is None:
                    return False
                del self._doing[slowest]
                _end(slowest, socket.SHUT_RDWR)  # its thread then comes to its end
            self._doing[connection] = READING
            return True

    def now(self, connection: socket.socket, doing: str) -> None:
        """Notes what a connection is doing from now on; nothing for one that had to make room."""
        with self._changed:
            if self._doing.pop(connection, None) is not None:
                self._doing[connection] = doing

    def remove(self, connection: socket.socket) -> None:
        """Forgets a connection."""
        with self._changed:
            self._doing.pop(connection, None)
            self._changed.notify_all()

    def finish(self, seconds: float) -> None:
        """Reads nothing more, and ends the connections on which an answer is not taken within some seconds.

        One whose answer is being computed is left to its thread.
        """
        with self._changed:
            for connection in self._doing:
                _end(connection, socket.SHUT_RD)
            self._changed.wait_for(lambda: not self._doing, seconds)
            for connection, doing in self._doing.items():
                if doing != ANSWERING:
                    _end(connection, socket.SHUT_RDWR)


def _end(connection: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):  # it has just ended by itself
        connection.shutdown(how)
