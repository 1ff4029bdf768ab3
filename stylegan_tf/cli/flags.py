"""How commands declare their flags, and the flags that several of them have, each with one help text and one check.

A command has flags of its own, an absl `FlagValues`, and none of absl's global ones: so its --help shows no others, and
several commands can be imported into one process.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from stylegan_tf.configuration.config import TrainConfig, all_fields
from stylegan_tf.configuration.sections import LARGEST_PSI
from stylegan_tf.errors import require
from stylegan_tf.runs.averages import EMA
from stylegan_tf.video import check_video


@dataclasses.dataclass(frozen=True)
class FlagGroup:
    """Declares flags of one command under one heading of its --help, in the order of the calls.

    Each method takes the flag's name, its default and its help text, and returns absl's holder of the value.

    Attributes:
        values: All flags of the command.
        heading: The heading; the default stands for "Flags".
    """

    values: flags.FlagValues
    heading: str = "__main__"

    def text(self, name: str, default: str, help_text: str) -> flags.FlagHolder[str]:
        """A string."""
        return self._define(flags.DEFINE_string, name, default, help_text)

    def words(self, name: str, default: Sequence[str], help_text: str) -> flags.FlagHolder[list[str]]:
        """Strings joined by commas."""
        return self._define(flags.DEFINE_list, name, list(default), help_text)

    def choice(self, name: str, default: str, help_text: str, choices: Sequence[str]) -> flags.FlagHolder[str]:
        """One of the choices."""
        return self._define(flags.DEFINE_enum, name, default, help_text, enum_values=list(choices))

    def switch(self, name: str, default: bool, help_text: str) -> flags.FlagHolder[bool]:
        """--name or --noname."""
        return self._define(flags.DEFINE_bool, name, default, help_text)

    def whole(
        self, name: str, default: int | None, help_text: str, *, least: int | None = None, most: int | None = None
    ) -> flags.FlagHolder[Any]:
        """A whole number within bounds; None is for one that is not given."""
        return self._define(flags.DEFINE_integer, name, default, help_text, lower_bound=least, upper_bound=most)

    def number(self, name: str, default: float | None, help_text: str) -> flags.FlagHolder[Any]:
        """A number; None is for one that is not given."""
        return self._define(flags.DEFINE_float, name, default, help_text)

    def _define(self, define: Any, name: str, default: Any, help_text: str, **options: Any) -> flags.FlagHolder[Any]:
        return define(
            name=name, default=default, help=help_text, flag_values=self.values, module_name=self.heading, **options
        )


def run_flags(
    group: FlagGroup, *, several: bool = False, hub: bool = False
) -> tuple[flags.FlagHolder[str], flags.FlagHolder[str]]:
    """--run_dir and --checkpoint: which networks of which run.

    Args:
        group: Where they are declared.
        several: Whether the command takes several checkpoints.
        hub: Whether it takes networks of a hub as well.
    """
    kept = "all that are kept, or one by its kimg" if several else "or one that is kept, by its kimg"
    return (
        group.text("run_dir", "", f"directory of a training run{', or a network on a hub, hf://USER/NAME' * hub}"),
        group.text(
            "checkpoint",
            "newest",
            f"checkpoint of the run: newest, best (by the first metric that training measured), {kept}",
        ),
    )


def average_flag(group: FlagGroup, *, several: bool = False) -> flags.FlagHolder[str]:
    """--average: which average of a run's generator; `several` for a command that takes several."""
    more = "; several joined by commas, or all that the run stores" if several else ""
    return group.text(
        "average",
        EMA,
        f"average of the generator: {EMA} has a half-life; a sigma_rel such as 0.1 is the length of one by a power "
        f"function, for runs with --power_averages{more}",
    )


def seeds_flag(group: FlagGroup, default: str, meaning: str) -> flags.FlagHolder[str]:
    """--seeds, of which the command makes what `meaning` says."""
    return group.text("seeds", default, f"such as 0-63 or 1,5,9-12; {meaning}")


def psi_flag(group: FlagGroup, of: str = "") -> flags.FlagHolder[float | None]:
    """--truncation_psi; `of` says what it truncates, where that is not images only. `check_psi` has its bounds."""
    bounds = f"from -{LARGEST_PSI:g} to {LARGEST_PSI:g}"
    meaning = "1 for full variety, towards 0 for the average image; empty: the run's own setting"
    return group.number("truncation_psi", None, f"{of and f'of {of}, '}{bounds}: {meaning}")


def cache_flag(group: FlagGroup, what: str) -> flags.FlagHolder[str]:
    """--cache_dir: where `what` lies."""
    return group.text("cache_dir", "", f"where {what}; empty: stylegan_tf in the user's cache directory")


def training_flag(
    group: FlagGroup, name: str, choices: Sequence[str] = (), *, least: int | None = None, note: str = ""
) -> flags.FlagHolder[Any]:
    """A flag with the name, the default and the help text of train.py's.

    Args:
        group: Where it is declared.
        name: Of a field of the configuration: a string, a whole number or a switch.
        choices: The words it may be, where not any.
        least: The smallest number it may be.
        note: What else is to be said of it here.
    """
    help_text = next(field.metadata["help"] for _, field in all_fields() if field.name == name) + note
    default = TrainConfig().get(name)
    if isinstance(default, bool):
        return group.switch(name, default, help_text)
    if isinstance(default, int):
        return group.whole(name, default, help_text, least=least)
    return group.choice(name, default, help_text, choices) if choices else group.text(name, default, help_text)


def require_given(flag: flags.FlagHolder[str], meaning: str) -> None:
    """Raises UserError unless a flag is given, saying what it must be."""
    require(bool(flag.value), f"--{flag.name} must be given: {meaning}", "nothing")


def require_run(run_dir: flags.FlagHolder[str]) -> None:
    """Raises UserError unless --run_dir is given."""
    require_given(run_dir, "the directory of a training run")


def require_one(choices: Sequence[flags.FlagHolder[str]], others: str) -> flags.FlagHolder[str]:
    """The only one of some flags that is given.

    Args:
        choices: The flags.
        others: Flags that may be given instead, such as "--list".

    Raises:
        UserError: When none or several are given.
    """
    given = [flag for flag in choices if flag.value]
    *names, last = [f"--{flag.name}" for flag in choices]
    require(
        len(given) == 1,
        f"give one of {', '.join(names)} and {last} (or {others})",
        ", ".join(f"--{flag.name}={flag.value}" for flag in given) or "none",
    )
    return given[0]


def check_psi(name: str, psi: float | None) -> None:
    """Raises UserError for a truncation that is too strong; None is one that is not given."""
    require(
        psi is None or -LARGEST_PSI <= psi <= LARGEST_PSI,
        f"--{name} must lie between -{LARGEST_PSI:g} and {LARGEST_PSI:g}",
        psi,
    )


PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
ANIMATION_ENDINGS = (".gif", ".webp", ".mp4")


def check_picture_file(name: str, file: Path, endings: Sequence[str] = PICTURE_ENDINGS, condition: str = "") -> None:
    """Raises UserError unless a flag names a file of one of some kinds.

    Args:
        name: Of the flag.
        file: Its value.
        endings: What the file's name may end in.
        condition: When it must, such as " for --figure=grid".
    """
    sound = file.suffix.lower() in endings and not file.is_dir()
    *others, last = endings
    words = f"{', '.join(others)} or {last}" if others else last
    require(sound, f"--{name} must be a file that ends in {words}{condition}", file)
    if file.suffix.lower() == ".mp4":
        check_video()
