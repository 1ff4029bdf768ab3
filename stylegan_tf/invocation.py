"""How the commands are called on this machine: what a program proposes to type should work where it is read."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from stylegan_tf.errors import USER_ERROR

PROGRAM = "stylegan-tf"
_NEEDED = ("absl", "google_crc32c", "keras", "numpy", "PIL", "rich", "tensorboard", "tensorflow")


def check_installed() -> None:
    """Exits with one line where this Python lacks a package that every command needs, as that of another place does."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"{PROGRAM}: the Python that runs, {sys.executable}, must have the packages that this one needs. Received: "
            f"no {', '.join(missing)}. Activate the environment that it is installed in (. .venv/bin/activate), or "
            "install it there: pip install -e . in the clone.",
            file=sys.stderr,
        )
        sys.exit(USER_ERROR)


def command(words: str = "") -> str:
    """A command line of this package, such as `stylegan-tf sample --run_dir=RUN`, with what it is called by here.

    Args:
        words: What follows the program's name, quoted for a shell.
    """
    return f"{_program()} {words}".rstrip()


@functools.cache
def install(extra: str) -> str:
    """The command line that installs an extra: its packages by their own names, wherever this one came from."""
    try:
        needed = importlib.metadata.requires(PROGRAM) or []
    except importlib.metadata.PackageNotFoundError:  # a clone on the path
        needed = []
    of_extra = re.compile(rf"(.*?)\s*;.*\bextra == [\"']{re.escape(extra)}[\"']")
    packages = [shlex.quote(match[1]) for match in map(of_extra.fullmatch, needed) if match]
    return f"pip install {' '.join(packages)}" if packages else f"pip install -e '.[{extra}]' in the clone"


@functools.cache
def _program() -> str:
    """The installed command; without it, the package as a module of the Python that runs."""
    if shutil.which(PROGRAM):
        return PROGRAM
    python = next((name for name in ("python", "python3") if _is_this_python(shutil.which(name))), "")
    return f"{python or shlex.quote(sys.executable or 'python3')} -m stylegan_tf"


def _is_this_python(found: str | None) -> bool:
    """Whether a word on the path starts the Python that runs: an environment's is a link to another."""
    return found is not None and os.path.abspath(found) == str(Path(sys.executable).absolute())
