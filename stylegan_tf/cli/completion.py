"""Prints what lets a shell complete commands, flags and presets.

stylegan-tf completion bash > ~/.local/share/bash-completion/completions/stylegan-tf
stylegan-tf completion zsh > DIRECTORY_OF_FPATH/_stylegan-tf
stylegan-tf completion fish > ~/.config/fish/completions/stylegan-tf.fish
"""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.command import COMMANDS
from stylegan_tf.configuration.presets import PRESETS
from stylegan_tf.errors import require
from stylegan_tf.invocation import PROGRAM

FLAGS = flags.FlagValues()
SHELLS = ("bash", "zsh", "fish")

_arguments: list[str] = []


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command, whose one word is the shell; see `app.run`."""
    program, *words = sys.argv if argv is None else argv
    _arguments[:] = [word for word in words if not word.startswith("-")]
    app.run(main, [program, *(word for word in words if word.startswith("-"))], FLAGS)


def main() -> None:
    """Prints the script of a shell."""
    require(
        len(_arguments) == 1 and _arguments[0] in SHELLS,
        f"name a shell: {', '.join(SHELLS)}",
        " ".join(_arguments) or "nothing",
    )
    print(script(_arguments[0], {name: flags_of(name) for name in COMMANDS}))


def flags_of(name: str) -> list[str]:
    """The flags of a command, as they are typed: `--name=`, and `--name` and `--noname` of switches."""
    module = importlib.import_module(f"stylegan_tf.cli.{name}")
    found = list(getattr(module, "COMMANDS", {})) if module.__name__ != __name__ else list(SHELLS)
    for values in getattr(module, "ALL_FLAGS", [getattr(module, "FLAGS", None)]):
        for flag in (flag for group in values.flags_by_module_dict().values() for flag in group):
            found += [f"--{flag.name}", f"--no{flag.name}"] if flag.boolean else [f"--{flag.name}="]
    return found


def script(shell: str, words: Mapping[str, Sequence[str]]) -> str:
    """The script for a shell.

    Args:
        shell: One of `SHELLS`.
        words: What may follow each command.
    """
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](words)


def _bash(words: Mapping[str, Sequence[str]]) -> str:
    cases = "\n".join(f"        {name}) words={shlex.quote(' '.join(flags))} ;;" for name, flags in words.items())
    return f"""\
_stylegan_tf() {{
    local word="${{COMP_LINE:0:COMP_POINT}}"; word="${{word##* }}"
    local words
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W {shlex.quote(" ".join(COMMANDS))} -- "$word")); return
    fi
    case "$word" in
        --preset=*) COMPREPLY=($(compgen -W {shlex.quote(" ".join(PRESETS))} -- "${{word#--preset=}}")); return ;;
        --*=*) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "${{word#*=}}")); return ;;
    esac
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    case "${{COMPREPLY[0]}}" in *=) compopt -o nospace 2>/dev/null ;; esac
}}
complete -F _stylegan_tf {PROGRAM}"""


def _zsh(words: Mapping[str, Sequence[str]]) -> str:
    commands = "\n".join(f"        {shlex.quote(f'{name}:{what}')}" for name, what in COMMANDS.items())
    cases = "\n".join(f"        {name}) flags=({' '.join(flags)}) ;;" for name, flags in words.items())
    return f"""\
#compdef {PROGRAM}
_stylegan_tf() {{
    local -a commands flags
    commands=(
{commands}
    )
    if (( CURRENT == 2 )); then _describe command commands; return; fi
    if compset -P '--preset='; then compadd {" ".join(PRESETS)}; return; fi
    if compset -P '--*='; then _files; return; fi
    case "$words[2]" in
{cases}
    esac
    compadd -S '' -- $flags
}}
_stylegan_tf "$@\""""


def _fish(words: Mapping[str, Sequence[str]]) -> str:
    lines = [
        f"complete -c {PROGRAM} -n __fish_use_subcommand -f -a {name} -d {shlex.quote(what)}"
        for name, what in COMMANDS.items()
    ]
    for name, flags_ in words.items():
        for flag in flags_:
            condition = f"-n '__fish_seen_subcommand_from {name}'"
            values = f" -x -a {shlex.quote(' '.join(PRESETS))}" if flag == "--preset=" else " -r" * flag.endswith("=")
            lines.append(f"complete -c {PROGRAM} {condition} -l {flag.strip('-=')}{values}")
    return "\n".join(lines)


if __name__ == "__main__":
    run()
