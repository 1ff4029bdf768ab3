"""The command `stylegan-tf`: a word for what to do, and the flags of that command behind it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from stylegan_tf.errors import USER_ERROR, did_you_mean
from stylegan_tf.invocation import PROGRAM, check_installed
from stylegan_tf.version import __version__

# Of each, `stylegan_tf.cli` has a module of this name with a function `run`.
COMMANDS = {
    "train": "train a StyleGAN on pictures, or resume a run",
    "sample": "draw images, figures and animations with a trained generator",
    "export": "write a SavedModel for TensorFlow Serving, or a file for devices",
    "evaluate": "measure a run, an export or a folder of images",
    "dataset": "prepare, inspect or verify a set of pictures",
    "convert": "read published networks, or write safetensors",
    "push": "write a run's network to a hub, from which others load it",
    "demo": "show an export in the browser",
    "embeddings": "show the latent space in TensorBoard",
    "classifier": "train a classifier for judging generated images",
    "completion": "print a completion script for the shell",
}
_HELP_WORDS = ("help", "--help", "-h", "-help")
# What other programs call these commands.
_ALSO = {
    "generate": "sample",
    "serve": "demo",
    "metrics": "evaluate",
    "calc_metrics": "evaluate",
    "resume": "train",
    "upload": "push",
    "publish": "push",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command that the first word names, with the words behind it as its flags; exits.

    Args:
        arguments: Words behind the program's name; None for those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0] in _HELP_WORDS and len(words) == 1):
        print(overview())
        sys.exit(0 if words else USER_ERROR)
    if words[0] in ("--version", "-V", "version"):
        print(f"{PROGRAM} {__version__}")
        sys.exit(0)
    if words[0] in _HELP_WORDS:  # stylegan-tf help train
        words = [words[1], "--help"]
    if words[0] not in COMMANDS:
        print(f"{PROGRAM}: {_unknown(words[0])}", file=sys.stderr)
        sys.exit(USER_ERROR)
    check_installed()
    sys.argv = [f"{PROGRAM} {words[0]}", *words[1:]]
    importlib.import_module(f"stylegan_tf.cli.{words[0]}").run(sys.argv)


def overview() -> str:
    """What there is, a line each."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {PROGRAM} COMMAND [--flag=value ...]",
            "",
            *lines,
            "",
            f"{PROGRAM} COMMAND --help lists the flags of a command, {PROGRAM} --version prints the version.",
        ]
    )


def _unknown(word: str) -> str:
    if word.startswith("-"):
        return f"the first word must be a command, such as train; flags come after it. Received: {word!r}. See --help."
    meant = did_you_mean(_ALSO.get(word, word), COMMANDS)
    return f"the first word must be one of {', '.join(COMMANDS)}. Received: {word!r}.{meant}"
