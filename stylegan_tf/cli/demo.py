"""Shows an export in a browser: a page of pictures to browse, mix, blend and download.

  stylegan-tf demo --export=EXPORT

EXPORT is the output directory of export.py. A development server only: it answers the page's requests from the
SavedModel in this process, by the REST paths of TensorFlow Serving, which is what to use in production.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.flags import FlagGroup, require_given
from stylegan_tf.errors import UserError, require
from stylegan_tf.exports.layout import is_version, require_versions
from stylegan_tf.serving.request_head import AllowedHosts

if TYPE_CHECKING:
    from stylegan_tf.serving.demo_server import DemoServer

FLAGS = flags.FlagValues()

_DEMO = FlagGroup(FLAGS, "Demo")
_EXPORT = _DEMO.text(
    "export",
    "",
    "output directory of export.py, which holds the versions 1, 2, ...; the newest is shown, even if it is added later",
)
_HOST = _DEMO.text("host", "127.0.0.1", "address to listen on; 0.0.0.0 lets other machines in, without any protection")
_ALLOWED_HOSTS = _DEMO.words(
    "allowed_hosts",
    [],
    "further names by which browsers may ask for the page, such as this machine's name in its "
    "network; localhost, and the addresses that it listens on, always are",
)
_PORT = _DEMO.whole("port", 8080, "port to listen on; 0 for any that is free", least=0, most=65535)
_MODEL = _DEMO.text("model", "stylegan", "name of the model in the REST paths")


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command; see `app.run`."""
    app.run(main, argv, FLAGS)


def main() -> None:
    """Serves what the flags say until it is interrupted."""
    require_given(_EXPORT, "the directory that export.py wrote")
    require(
        re.fullmatch(r"[A-Za-z0-9_.-]+", _MODEL.value) is not None,
        "model must be made of letters, digits, '.', '_' and '-'",
        _MODEL.value,
    )
    AllowedHosts([_HOST.value, *_ALLOWED_HOSTS.value])
    base_path = Path(_EXPORT.value)
    if is_version(base_path):
        raise UserError(
            "export must be the directory of the versions, not one of them: "
            f"--export={base_path.resolve().parent}. Received: {base_path}."
        )
    require_versions(base_path)
    try:
        _run(base_path)
    except KeyboardInterrupt as stop:
        if stop.args[:1] != (signal.SIGTERM,):
            raise
    # SIGTERM, with which containers and services are stopped, is an end like any other.


def _run(base_path: Path) -> None:
    with app.quiet_startup():  # after the flags: bad ones should not wait for TensorFlow
        from stylegan_tf.serving.demo_server import DemoServer
        from stylegan_tf.serving.rest import RestApi
    api = RestApi(base_path, _MODEL.value)
    try:
        server = DemoServer(_HOST.value, _PORT.value, api, _ALLOWED_HOSTS.value)
    except OSError as error:
        raise UserError(
            f"host and port must be free to listen on; try another port. "
            f"Received: --host={_HOST.value} --port={_PORT.value}: {error.strerror}."
        ) from error
    with server:
        print(f"{base_path}, version {api.newest()[0]}: {server.url}")
        print("A development server, for you and this machine only. Ctrl-C ends it.", flush=True)
        _serve(server)


def _serve(server: DemoServer) -> None:
    """Serves until a signal raises an exception here: in a thread of its own, which none of them can cut in two."""
    ended = threading.Event()
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            server.serve_forever()
        except BaseException as failure:
            failures.append(failure)
        finally:
            ended.set()

    serving = threading.Thread(target=serve)
    try:
        serving.start()
        ended.wait()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the second Ctrl-C does not wait for answers under way
        if serving.ident is not None:
            server.shutdown()
    if failures:
        raise failures[0]


if __name__ == "__main__":
    run()
