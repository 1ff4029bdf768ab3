"""Processes that begin with TensorFlow imported, as most of a short command's time is that import.

`Popen` and `run` are those of `subprocess`. A process that imports TensorFlow and does nothing with it, and so has no
threads yet, forks for each command: a child of the tests' process as any other, with the arguments, folder and streams
that it was given, and with exit code and signals of its own. Where that would not be the same as a fresh Python (with
another environment, with options of Python, on other systems), it is a fresh Python.

All these processes hash text alike, and leave Python without taking it to pieces: where that matters, use `subprocess`.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import inspect
import io
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from typing import Any, NoReturn

_CHILDREN_OF_CHILDREN_ARE_MINE = 36  # PR_SET_CHILD_SUBREAPER
_OF_PYTEST = ("PYTEST_CURRENT_TEST",)


class Popen(subprocess.Popen):
    """`subprocess.Popen`, of a process that has imported TensorFlow already where that makes no difference."""

    def _execute_child(self, *arguments: Any) -> None:
        given = inspect.signature(super()._execute_child).bind(*arguments).arguments
        server = _server() if sys.platform == "linux" and _is_plain(given) else None
        if server is None or server.environment != _environment(given["env"]):
            super()._execute_child(*arguments)
            return
        pipes = [given[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")]
        streams = [own if pipe == -1 else pipe for own, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        try:
            self.pid = server.start(
                {
                    "words": [os.fsdecode(word) for word in given["args"]],
                    "folder": os.fsdecode(given["cwd"] or os.getcwd()),
                    "session": given["start_new_session"],
                    "environment": dict(given["env"] or os.environ),
                },
                streams,
            )
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)


def run(words: list[Any], *, timeout: float | None = None, check: bool = False, **options: Any) -> Any:
    """`subprocess.run`."""
    if options.pop("capture_output", False):
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Popen(words, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def _is_plain(given: dict[str, Any]) -> bool:
    """Whether it is a Python without options of its own, and is asked for nothing that a fork cannot have."""
    words = given["args"]
    odd = ("preexec_fn", "pass_fds", "shell", "gid", "gids", "uid")
    odd_numbers = ("umask", "process_group")
    return (
        not isinstance(words, (str, bytes, os.PathLike))
        and words[0] == sys.executable
        and len(words) > 1
        and (words[1] in ("-c", "-m") or not str(words[1]).startswith("-"))
        and not any(given.get(name) for name in odd)
        and all(given.get(name, -1) == -1 for name in odd_numbers)
    )


def _environment(env: Any) -> dict[str, str]:
    return {name: value for name, value in (env or os.environ).items() if name not in _OF_PYTEST}


class _Server:
    """The process that forks, as the tests see it."""

    def __init__(self) -> None:
        self.environment = _environment(None)
        ours, theirs = socket.socketpair()
        with theirs:
            words = [sys.executable, os.path.abspath(__file__), str(theirs.fileno())]
            self._process = subprocess.Popen(words, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._socket, self._libc = ours, ctypes.CDLL(None, use_errno=True)
        self._lock = threading.Lock()
        atexit.register(self.close)
        assert ours.recv(1) == b"!", "the process that imports TensorFlow for others ended"

    def start(self, request: dict[str, Any], streams: list[int]) -> int:
        """Forks; returns the number of a process that is a child of this one."""
        data = json.dumps(request).encode()
        with self._lock:
            self._libc.prctl(_CHILDREN_OF_CHILDREN_ARE_MINE, 1, 0, 0, 0)
            try:
                socket.send_fds(self._socket, [len(data).to_bytes(8)], streams)
                self._socket.sendall(data)
                return int.from_bytes(_received(self._socket, 8))
            finally:
                self._libc.prctl(_CHILDREN_OF_CHILDREN_ARE_MINE, 0, 0, 0, 0)

    def close(self) -> None:
        """Ends it."""
        self._socket.close()
        self._process.wait()


@functools.cache
def _server() -> _Server:
    return _Server()


def _received(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        assert part, "the process that imports TensorFlow for others ended"
        data += part
    return data


def _serve(connection: socket.socket) -> NoReturn:
    """Forks for each request. The child's parent ends at once, so that the child falls to the tests' process."""
    while True:
        size, streams, _, _ = socket.recv_fds(connection, 8, 3)
        if not size:
            os._exit(0)
        request = json.loads(_received(connection, int.from_bytes(size)))
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child == 0:
                connection.close()
                os.close(reading)
                os.close(writing)
                _become(request, streams)
            os.write(writing, child.to_bytes(8))
            os._exit(0)
        os.waitpid(between, 0)
        connection.sendall(os.read(reading, 8))
        for number in (*streams, reading, writing):
            os.close(number)


def _become(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Goes on as the Python that was asked for."""
    code = 1
    try:
        if request["session"]:
            os.setsid()
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for stream in streams:
            os.close(stream)
        _open_streams()
        random.seed()
        sys.modules["numpy"].random.seed()
        tempfile.tempdir = None
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = _run([sys.executable, *request["words"][1:]])
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _open_streams() -> None:
    names = ("stdin", "stdout", "stderr")
    for number, name in enumerate(names):
        was, mode = getattr(sys, name), "wb" if number else "rb"
        raw = io.FileIO(number, mode, closefd=False)
        unbuffered = number and was.write_through
        binary = raw if unbuffered else (io.BufferedWriter if number else io.BufferedReader)(raw)
        line = name == "stderr" or raw.isatty()
        stream = io.TextIOWrapper(binary, was.encoding, was.errors, line_buffering=line, write_through=bool(unbuffered))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _run(words: list[str]) -> int:
    sys.orig_argv = words
    try:
        if words[1] == "-c":
            sys.argv = ["-c", *words[3:]]
            sys.path.insert(0, "")
            main = types.ModuleType("__main__")
            sys.modules["__main__"] = main
            exec(compile(words[2], "<string>", "exec"), main.__dict__)
        elif words[1] == "-m":
            sys.argv = ["-m", *words[3:]]
            sys.path.insert(0, os.getcwd())
            sys.modules.pop(words[2], None) if "." in words[2] else None
            runpy.run_module(words[2], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words[1:]
            sys.path.insert(0, os.path.dirname(os.path.realpath(words[1])))
            runpy.run_path(words[1], run_name="__main__")
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return (stop.code or 0) & 0xFF
        print(stop.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _prepare(number: int) -> NoReturn:
    """Imports what commands import, and serves."""
    import gc

    del sys.path[0]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the tests' process decides
    from stylegan_tf.cli import keras_settings
    from stylegan_tf.quiet import quiet_libraries

    before = dict(os.environ)
    with quiet_libraries(), keras_settings.without_optional_packages():
        keras_settings.choose_backend()
        import stylegan_tf.training.run  # noqa: F401
    os.environ.clear()
    os.environ.update(before)
    assert threading.active_count() == 1 and len(os.listdir("/proc/self/task")) == 1, "there are threads already"
    gc.collect()
    gc.freeze()
    connection = socket.socket(fileno=number)
    connection.sendall(b"!")
    _serve(connection)


if __name__ == "__main__":
    _prepare(int(sys.argv[1]))
