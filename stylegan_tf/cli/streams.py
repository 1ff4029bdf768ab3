"""Standard streams whose state does not decide what becomes of a command's work."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO


class LastingStream:
    """A text stream that takes words also when they cannot be written any more: on a full disk, without a reader.

    The first failure is kept, and the file descriptor goes to the null device: what TensorFlow or a child process
    prints goes there too.

    Args:
        stream: Of a file descriptor.

    Attributes:
        failure: The first failure, or None.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._of_terminal = stream.isatty()
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """As of a file."""
        with self._lasting():
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """As of a file."""
        for line in lines:
            self.write(line)

    def reader_left(self) -> bool:
        """Whether it failed since nobody reads it any more: `head` has ended, or the terminal was closed."""
        number = self.failure.errno if self.failure else None
        return number == errno.EPIPE or (number == errno.EIO and self._of_terminal)

    def flush(self) -> None:
        """As of a file."""
        with self._lasting():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _lasting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            self._stream.flush()  # what could not be written, which would fail again when Python ends


@contextlib.contextmanager
def lasting_streams() -> Iterator[Callable[[], str]]:
    """While the block runs, standard output and standard error take everything.

    Closed standard streams lead to the null device, so that no file that is opened later gets their number, and with it
    what native code prints. Names that cannot be encoded are printed with escapes.

    Yields:
        A function that flushes and says why words on standard output were lost; "" when none were, or when nobody
        reads them any more.
    """
    _open_closed()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_lasting, before)

    def reason() -> str:
        sys.stdout.flush()
        stream: Any = sys.stdout
        failure = getattr(stream, "failure", None)
        return "" if failure is None or stream.reader_left() else failure.strerror or str(failure)

    try:
        yield reason
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def _open_closed() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)


def _lasting(stream: TextIO) -> Any:
    """The stream itself where it is no file's: in a notebook, in a test."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    try:
        os.set_blocking(stream.fileno(), True)  # a terminal shared with a program that does not wait would lose words
    except OSError:
        return stream
    return LastingStream(stream)
