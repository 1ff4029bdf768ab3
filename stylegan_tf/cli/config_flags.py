"""Command-line flags made from the fields of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from absl import flags

from stylegan_tf.configuration.config import TrainConfig, all_fields
from stylegan_tf.configuration.kimg_tables import KimgTable, parse_table
from stylegan_tf.configuration.presets import DEFAULT_PRESET, FORMER_NAMES, PRESETS, preset
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.errors import UserError

# Headings of --help, in its order.
SECTIONS = {
    "data": "Data",
    "network": "Networks",
    "schedule": "Schedule",
    "loss": "Loss",
    "augment": "Augmentation",
    "optimizer": "Optimizer and averages",
    "run": "Run",
}


class _TableParser(flags.ArgumentParser):
    syntactic_help = "a number, or numbers by resolution such as 4:128,32:64"

    def __init__(self, may_be_empty: bool, may_be_over_kimg: bool) -> None:
        self.may_be_empty, self.may_be_over_kimg = may_be_empty, may_be_over_kimg
        if may_be_over_kimg:
            self.syntactic_help += ", or over kimg from 0 on such as 0:0.005,100:0.0005"

    def parse(self, argument: Any) -> ResolutionTable | KimgTable | None:
        if argument is None or isinstance(argument, (ResolutionTable, KimgTable)):
            return argument
        if self.may_be_empty and not argument.strip():
            return None
        return parse_table(argument) if self.may_be_over_kimg else ResolutionTable.parse(argument)

    def flag_type(self) -> str:
        return "table by resolution"


class _NumberParser(flags.ArgumentParser):
    """A number, or nothing where a field may be empty."""

    words = "a number"
    number: type[flags.ArgumentParser] = flags.FloatParser

    def __init__(self, may_be_empty: bool, may_be_over_kimg: bool = False) -> None:
        self.may_be_empty, self.may_be_over_kimg = may_be_empty, may_be_over_kimg
        kinds = [self.words] + ["a table over kimg such as 0:10,100:1"] * may_be_over_kimg + ["empty"] * may_be_empty
        self.syntactic_help = ", or ".join(kinds)

    def parse(self, argument: Any) -> float | KimgTable | None:
        if self.may_be_empty and (argument is None or not str(argument).strip()):
            return None
        if self.may_be_over_kimg and (isinstance(argument, KimgTable) or ":" in str(argument)):
            return argument if isinstance(argument, KimgTable) else KimgTable.parse(argument)
        try:
            return cast(float, self.number().parse(argument))
        except ValueError:
            raise UserError(f"it must be {self.syntactic_help}. Received: {argument!r}.") from None

    def flag_type(self) -> str:
        return "number"


class _WholeNumberParser(_NumberParser):
    """A whole number, or nothing where a field may be empty."""

    words = "a whole number"
    number = flags.IntegerParser


class _Serializer(flags.ArgumentSerializer):
    def serialize(self, value: Any) -> str:
        return str(value)


def define_config_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines --preset and one flag a field. An omitted flag leaves what the preset says."""
    listed = "; ".join(
        [
            *(f"{name}: {entry.summary}" for name, entry in PRESETS.items()),
            *(f"{name}: {new} by its former name" for name, new in FORMER_NAMES.items()),
        ]
    )
    flags.DEFINE_string(
        "preset",
        DEFAULT_PRESET,
        f"the settings to start from: a name, or a run's config.json. {listed}",
        flag_values,
        module_name="Preset",
    )
    for section, field in all_fields():
        published, default = _written(field.default), _written(PRESETS[DEFAULT_PRESET].config.get(field.name))
        values = f"published: {published}" + (f"; {DEFAULT_PRESET}: {default}" if default != published else "")
        condition = field.metadata["applies_to"]
        text = _help(field, f"{f'with {condition.words}; ' if condition else ''}{values}")
        heading = SECTIONS[section]
        if str(field.type) == "bool":
            flags.DEFINE_bool(field.name, None, text, flag_values, module_name=heading)  # alone knows --noNAME
        else:
            parser = _parser(str(field.type))
            flags.DEFINE(parser, field.name, None, text, flag_values, _Serializer(), heading)


def _help(field: Any, note: str) -> str:
    """A field's help text, with what its choices are where they are explained."""
    choices = field.metadata["choices"]
    listed = "; ".join(f"{name}: {what}" for name, what in choices.items()) if isinstance(choices, dict) else ""
    return f"{listed or field.metadata['help']} ({note})"


def _parser(kind: str) -> flags.ArgumentParser:
    over_kimg = "KimgTable" in kind
    if "ResolutionTable" in kind:
        return _TableParser(may_be_empty="None" in kind, may_be_over_kimg=over_kimg)
    if kind.startswith("int"):
        return _WholeNumberParser(may_be_empty="None" in kind)
    if kind.startswith("float"):
        return _NumberParser(may_be_empty="None" in kind, may_be_over_kimg=over_kimg)
    return flags.ArgumentParser()


def config_from_flags(values: flags.FlagValues = flags.FLAGS) -> TrainConfig:
    """The preset with the given flags applied, validated. Raises ValueError for impossible values."""
    given = {field.name: values[field.name].value for _, field in all_fields() if values[field.name].present}
    config = _read_preset(values.preset).replace(given)
    if not config.run.run_dir:
        config = config.replace({"run_dir": f"runs/{values.preset}"})
    config.validate()
    config.check_applies(given.keys())
    return config


def _read_preset(name: str) -> TrainConfig:
    """A preset by its name, or by the file of a run's configuration, which then is what goes on or is copied."""
    if not name.endswith(".json"):
        return preset(name)
    file = Path(name)
    try:
        config = TrainConfig.from_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"preset must be a name, or a run's config.json. Received: preset={name}: {error}") from error
    return config.replace({"run_dir": str(file.parent)})


def _written(value: Any) -> str:
    return "none" if value in (None, "") else str(value).lower() if isinstance(value, bool) else str(value)
