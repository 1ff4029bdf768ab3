"""What the tests of the development server put behind it, and how they run it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stylegan_tf.serving.demo_server import DemoServer


class EchoApi:
    """Stands in for RestApi: tells what it was asked."""

    name = "stylegan"

    def __init__(self, base_path: Path) -> None:
        self.base_path = base_path

    def answer(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, Any]]:
        if path.endswith("broken"):
            raise RuntimeError(f"out of order {body.decode()}".rstrip())
        return 200, {"asked": [method, path, body.decode()]}


@contextlib.contextmanager
def answering(server: DemoServer) -> Iterator[DemoServer]:
    """While the block runs, the server answers, in a thread of its own. It is not closed."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
