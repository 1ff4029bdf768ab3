"""What every command shares: parsing, --help, exit codes, and one clear line for a user's mistake.

A command defines absl flags, checks them in `main`, and ends with `app.run(main)`. absl's own `app.run` answers a bad
flag with exit code 1 and a bad value with a traceback, hence this one.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import shutil
import signal
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TextIO, cast

from absl import flags

from stylegan_tf.background import background_is_busy
from stylegan_tf.cli import keras_settings, signals
from stylegan_tf.cli.habits import hint_for
from stylegan_tf.cli.streams import lasting_streams
from stylegan_tf.errors import USER_ERROR, UserError
from stylegan_tf.files import begin_command, disk_errno
from stylegan_tf.invocation import PROGRAM, command
from stylegan_tf.names import can_be_written, spelt_on_disk
from stylegan_tf.printing import PrintableStream, printable
from stylegan_tf.quiet import log_less, quiet_start

log_less()

_HELP_WORDS = {"--help", "-help", "-h", "--helpshort", "--helpfull"}
_HELP_COLUMN = 28


def run(
    main: Callable[[], int | None],
    argv: Sequence[str] | None = None,
    flag_values: flags.FlagValues = flags.FLAGS,
    words: Sequence[flags.FlagHolder[str]] = (),
) -> NoReturn:
    """Parses the flags, runs a command and exits.

    The exit code is main's (None is 0); 2 after one line on stderr for what a user can mend: a flag, a UserError, an
    extra that is not installed, a file that cannot be read or written; 130 for Ctrl-C, after its notes, and
    likewise 143 for SIGTERM and 129 for SIGHUP. Any other exception is a bug and keeps its traceback.

    What a command does never depends on its words being read: without a reader (`| head`) or on a full disk it goes on
    in silence. A full disk is told at the end, with exit code 2.

    Args:
        main: The command; its module's docstring opens the --help.
        argv: Program name and arguments; None means `sys.argv`.
        flag_values: The command's flags, grouped in the --help by their `module_name`. Flags of its own, instead of
            absl's global ones, let several commands be imported into one process.
        words: Flags whose values may be given as bare words instead, in this order.

    Raises:
        SystemExit: Always.
    """
    program, *arguments = sys.argv if argv is None else argv
    if sys.argv[:1] == [program]:  # the process is this command, no other program that runs it
        _use_utf8()
        if any("error".startswith(option.partition(":")[0]) for option in sys.warnoptions):
            warnings.simplefilter("ignore")  # TensorFlow and Keras give warnings, of which none is a user's mistake
    name = Path(program).stem
    with lasting_streams() as reason_of_loss, _printable_streams():
        code = _exit_code(main, [program, *arguments], flag_values, words)
        reason = reason_of_loss()
        if reason:
            _complain(name, f"standard output could not be written: {reason}. Everything else was done.")
            code = code or USER_ERROR
    if background_is_busy():  # what is compiled and not needed any more: nobody should wait for it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@contextlib.contextmanager
def _printable_streams() -> Iterator[None]:
    with (
        contextlib.redirect_stdout(cast(TextIO, PrintableStream(sys.stdout))),
        contextlib.redirect_stderr(cast(TextIO, PrintableStream(sys.stderr))),
    ):
        yield


def _exit_code(
    main: Callable[[], int | None],
    argv: Sequence[str],
    flag_values: flags.FlagValues,
    words: Sequence[flags.FlagHolder[str]],
) -> int:
    name, arguments = Path(argv[0]).stem, argv[1:]
    before_separator = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if _HELP_WORDS.intersection(before_separator):
        print(help_text(main, flag_values))
        return 0
    try:
        _parse(flag_values, argv, words)
    except (flags.Error, ValueError) as error:
        hint = hint_for(error, flag_values)
        text = re.sub(r" Did you mean: (.*?) ?\?$", "" if hint else r" Did you mean \1?", _one_line(error).rstrip("."))
        text = text.rstrip(".")
        _complain(name, f"{text}{'' if text.endswith('?') else '.'} {hint}See --help.")
        return USER_ERROR
    begin_command()
    try:
        with signals.as_interrupts():
            keras_settings.choose_backend()
            _settle_names(flag_values)
            return main() or 0
    except KeyboardInterrupt as stop:
        _complain(name, " ".join(["interrupted.", *getattr(stop, "__notes__", [])]))
        return interrupted_exit_code(stop)
    except Exception as error:
        if not _is_users(error):
            raise
        _complain(name, _one_line(error))
        return USER_ERROR


def _use_utf8() -> None:
    """Starts the command again in Python's UTF-8 mode where the locale has another encoding for names of files.

    TensorFlow takes names as UTF-8 whatever the locale: without this, it and Python would mean different files.
    """
    if sys.getfilesystemencoding() == "utf-8" or not sys.executable:
        return
    if sys.stdout is not None:  # the terminal keeps its encoding
        os.environ.setdefault("PYTHONIOENCODING", f"{sys.stdout.encoding}:backslashreplace")
    os.environ["PYTHONUTF8"] = "1"  # for child processes
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def interrupted_exit_code(stop: KeyboardInterrupt) -> int:
    """128 plus the number of the signal: that in the exception's arguments, or Ctrl-C's."""
    return 128 + (stop.args[0] if stop.args else signal.SIGINT)


def help_text(main: Callable[[], int | None], flag_values: flags.FlagValues) -> str:
    """The module's docstring, then the flags under headings, in the order in which they were defined."""
    width = min(max(shutil.get_terminal_size().columns, 60), 120)
    lines = [_called_here(inspect.cleandoc(sys.modules[main.__module__].__doc__ or ""))]
    for heading, group in flag_values.flags_by_module_dict().items():
        if heading.split(".")[0] in ("absl", "tensorflow"):
            continue
        is_file = heading == "__main__" or heading.endswith(".py") or heading == main.__module__
        lines += ["", "Flags:" if is_file else f"{heading}:"]
        for flag in group:
            lines += _flag_help(flag, width)
    return "\n".join(lines)


def _called_here(text: str) -> str:
    """A docstring in which commands are called as they can be here."""
    return re.sub(rf"\b{PROGRAM} (?=[a-z])", f"{command()} ", text)


@contextlib.contextmanager
def quiet_startup() -> Iterator[None]:
    """As `quiet_start`, for a command: signals are kept back, and Keras gets the settings that commands run with."""
    keras_settings.check_xla_flags()
    with quiet_start(), signals.kept_back():
        with keras_settings.without_optional_packages():
            yield
        if "tensorflow" in sys.modules:
            keras_settings.set_defaults()


def _parse(flag_values: flags.FlagValues, argv: Sequence[str], words: Sequence[flags.FlagHolder[str]]) -> None:
    for name in flag_values:  # what an earlier command of this process was given
        flag_values[name].unparse()
    positional = flag_values(argv)[1:]
    free = [word for word in words if not flag_values[word.name].present]
    for word, value in zip(free, positional, strict=False):
        flag_values[word.name].parse(value)
    positional = positional[len(free) :]
    if positional:
        raise UserError(f"flags are written --name=value. Received: {positional[0]!r}, which belongs to no flag.")


def _settle_names(flag_values: flags.FlagValues) -> None:
    """Writes out ~, which shells leave in --flag=~/path, and gives paths the form of Unicode that they have on disk.

    Raises:
        ValueError: For a name in bytes of another encoding than UTF-8, after which no file of a run could be named.
    """
    for flag in (flag_values[name] for name in flag_values if flag_values[name].present):
        if isinstance(flag.value, str):
            flag.value = _settled(flag.name, flag.value)
        elif isinstance(flag.value, list):
            flag.value = [_settled(flag.name, text) if isinstance(text, str) else text for text in flag.value]


def _settled(name: str, text: str) -> str:
    if not can_be_written(text):
        raise UserError(f"--{name} must be written in UTF-8; rename the file or folder. Received: {text!r}.")
    return spelt_on_disk(os.path.expanduser(text))


def _flag_help(flag: flags.Flag, width: int) -> list[str]:
    # absl puts the choices of an enum in front, as one long word.
    text = re.sub(r"^<([^>]*)>: ", lambda match: match[1].replace("|", ", ") + ". ", flag.help or "")
    if flag.default not in (None, "", []):
        default = str(flag.default).lower() if flag.boolean else (flag.serialize() or "").partition("=")[2]
        text += f" (default: {default})"
    name = f"  --{'[no]' if flag.boolean else ''}{flag.name}"
    indent = " " * _HELP_COLUMN
    wrapped = textwrap.wrap(text, width - _HELP_COLUMN, break_long_words=False, break_on_hyphens=False) or [""]
    if len(name) >= _HELP_COLUMN:
        return [name, *(indent + line for line in wrapped)]
    return [f"{name:<{_HELP_COLUMN}}{wrapped[0]}", *(indent + line for line in wrapped[1:])]


def _is_users(error: Exception) -> bool:
    """Whether an error is for the user to mend; everything else is a bug, and shows where."""
    if isinstance(error, ImportError):  # with a name, an import statement failed; a missing extra is raised by hand
        return not error.name
    return isinstance(error, (OSError, UserError)) or disk_errno(error) is not None


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return printable(f"{error.strerror}: {error.filename}")
    return printable(" ".join(str(error).split()))


def _complain(name: str, message: str) -> None:
    print(f"{name}: {message}", file=sys.stderr)
