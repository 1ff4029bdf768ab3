"""Processes that begin with TensorFlow imported, as most of a short command's time is that import.

`Popen` and `run` are those of `subprocess`. A process that imports TensorFlow and does nothing with it, and so has no
threads yet, forks for each command: a child of the tests' process as any other, with the arguments, folder and streams
that it was given, and with exit code and signals of its own. Where that would not be the same as a fresh Python (with
another environment, with options of Python, on other systems), it is a fresh Python. The clean process that verifies
exports, which has an environment of its own and nothing of this package, forks from a second one.

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
import time
import traceback
import types
from subprocess import PIPE, STDOUT, CalledProcessError, TimeoutExpired
from typing import Any, NoReturn

__all__ = ["PIPE", "STDOUT", "CalledProcessError", "Popen", "TimeoutExpired", "run"]

_CHILDREN_OF_CHILDREN_ARE_MINE = 36  # PR_SET_CHILD_SUBREAPER


# What pytest sets, and scikit-learn in the tests' process, where Keras imports it.
_LEFT_OUT = ("PYTEST_CURRENT_TEST", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK")

# What commands set where they run in the tests' process: what Keras does by itself (`keras_settings`), and, in tf2onnx,
# no warnings, of which commands have none either.
_OF_COMMANDS = {"KERAS_BACKEND": "tensorflow", "KERAS_NNX_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "3"}


def _environment(env: Any = None) -> dict[str, str]:
    return {name: value for name, value in (env or os.environ).items() if name not in _LEFT_OUT}


# What is read when a command first needs a hub: Keras imports huggingface_hub, but not yet its settings.
_READ_LATE = ("HF_",)

# TensorFlow reads its level of logging once, in the process that forks: the one that tests and commands set.
_USUAL = {**_environment(), "TF_CPP_MIN_LOG_LEVEL": "2"}
# The options of Python that there are processes for, with their environments.
_ENVIRONMENTS = {(): _USUAL, ("-u",): _USUAL, ("-I", "-X", "utf8"): {**_USUAL, "CUDA_VISIBLE_DEVICES": "-1"}}


class Popen(subprocess.Popen):
    """`subprocess.Popen`, of a process that has imported TensorFlow already where that makes no difference."""

    def _execute_child(self, *arguments: Any) -> None:
        given = inspect.signature(super()._execute_child).bind(*arguments).arguments
        options = _options_of(given) if sys.platform == "linux" else None
        if options is None or not _server(options).suits(_environment(given["env"])):
            super()._execute_child(*arguments)
            return
        pipes = [given[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")]
        streams = [own if pipe == -1 else pipe for own, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        try:
            self.pid = _server(options).start(
                {
                    "words": [os.fsdecode(word) for word in given["args"]],
                    "options": len(options),
                    "parent": os.getpid(),
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


def _options_of(given: dict[str, Any]) -> tuple[str, ...] | None:
    """The options of a Python; None for what is none, has others, or is asked for what a fork cannot have."""
    words = given["args"]
    odd = ("preexec_fn", "pass_fds", "shell", "gid", "gids", "uid")
    odd_numbers = ("umask", "process_group")
    if isinstance(words, (str, bytes, os.PathLike)) or words[0] != sys.executable:
        return None
    if any(given.get(name) for name in odd) or any(given.get(name, -1) != -1 for name in odd_numbers):
        return None
    for options in sorted(_ENVIRONMENTS, key=len, reverse=True):
        rest = [str(word) for word in words[1:]]
        if tuple(rest[: len(options)]) == options:
            rest = rest[len(options) :]
            return options if rest and (rest[0] in ("-c", "-m") or not rest[0].startswith("-")) else None
    return None


class _Server:
    """The process that forks, as the tests see it."""

    def __init__(self, options: tuple[str, ...]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            words = [sys.executable, *options, os.path.abspath(__file__), str(theirs.fileno())]
            self._process = subprocess.Popen(
                words, env=_ENVIRONMENTS[options], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        self._socket, self._libc = ours, ctypes.CDLL(None, use_errno=True)
        self._lock = threading.Lock()
        atexit.register(self.close)
        self._before = _ENVIRONMENTS[options]
        self._after = json.loads(_received(ours, int.from_bytes(_received(ours, 8))))  # {}: it cannot fork

    def suits(self, environment: dict[str, str]) -> bool:
        """Whether every variable is as it was before the import or, as in a process that did it, after it."""
        set_by_commands = {**self._before, **_OF_COMMANDS}
        return bool(self._after) and all(
            environment.get(name) in (self._before.get(name), self._after.get(name), set_by_commands.get(name))
            for name in {*environment, *self._before}
            if not name.startswith(_READ_LATE)
        )

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
def _server(options: tuple[str, ...]) -> _Server:
    return _Server(options)


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
        while os.getppid() != request["parent"]:
            time.sleep(0.001)
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
        sys.orig_argv = [sys.executable, *request["words"][1:]]
        code = _run(request["words"][1 + request["options"] :])
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
    places = {"-c": "", "-m": os.getcwd()}
    if not sys.flags.safe_path:
        sys.path.insert(0, places.get(words[0], os.path.dirname(os.path.realpath(words[0]))))
    try:
        if words[0] == "-c":
            sys.argv = ["-c", *words[2:]]
            main = types.ModuleType("__main__")
            sys.modules["__main__"] = main
            exec(compile(words[1], "<string>", "exec"), main.__dict__)
        elif words[0] == "-m":
            sys.argv = ["-m", *words[2:]]
            if "." in words[1]:
                sys.modules.pop(words[1], None)
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            runpy.run_path(words[0], run_name="__main__")
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


def _import_tensorflow_alone() -> None:
    """As the clean process does it."""
    hidden: dict[str, Any] = dict.fromkeys(("matplotlib", "sklearn"))
    sys.modules.update(hidden)
    kept, silent = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    import tensorflow  # noqa: F401

    os.dup2(kept, 2)
    os.close(kept)
    os.close(silent)
    for name in hidden:
        del sys.modules[name]


def _import_the_package() -> None:
    """As a command does it."""
    from stylegan_tf.cli import keras_settings
    from stylegan_tf.quiet import quiet_libraries

    with quiet_libraries(), keras_settings.without_optional_packages():
        keras_settings.choose_backend()
        import stylegan_tf.training.run  # noqa: F401


def _prepare(number: int) -> NoReturn:
    """Imports what commands import, and serves."""
    import gc

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the tests' process decides
    before = dict(os.environ)
    if sys.flags.isolated:
        _import_tensorflow_alone()
    else:
        del sys.path[0]
        _import_the_package()
    after = json.dumps(dict(os.environ)).encode()
    os.environ.clear()
    os.environ.update(before)
    if len(os.listdir("/proc/self/task")) > 1:  # threads that a fork would not have
        after = b"{}"
    gc.collect()
    gc.freeze()
    connection = socket.socket(fileno=number)
    connection.sendall(len(after).to_bytes(8) + after)
    _serve(connection)


if __name__ == "__main__":
    _prepare(int(sys.argv[1]))
