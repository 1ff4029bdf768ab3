"""The configuration of a training run: all sections of settings, checked, written and read as one.

Command-line flags are made from the fields of the sections.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Mapping
from typing import Any, Self

from stylegan_tf.configuration.families import FAMILIES, Family
from stylegan_tf.configuration.kimg_tables import KimgTable
from stylegan_tf.configuration.model_sections import AugmentConfig, LossConfig, NetworkConfig
from stylegan_tf.configuration.options import Condition, check_field, from_plain, to_plain
from stylegan_tf.configuration.resolutions import ResolutionTable, count_levels, parse_size
from stylegan_tf.configuration.sections import (
    MOST_AVERAGES,
    DataConfig,
    OptimizerConfig,
    RunConfig,
    ScheduleConfig,
    parse_profile_steps,
)
from stylegan_tf.errors import UserError, require
from stylegan_tf.json_files import as_type, parse_json

# Of the file: what became of open settings, see `configuration.resolve`.
RESOLVED_SECTION = "resolved"


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The whole configuration. Field names are unique over the sections, so that each is one flag."""

    data: DataConfig = DataConfig()
    network: NetworkConfig = NetworkConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    run: RunConfig = RunConfig()

    def replace(self, values: Mapping[str, Any]) -> Self:
        """A copy with some fields, named without their section, set to other values; a number fills a whole table.

        Raises:
            ValueError: For an unknown name.
        """
        sections: dict[str, dict[str, Any]] = {}
        fields = {field.name: (section, field) for section, field in all_fields()}
        for name, value in values.items():
            if name not in fields:
                raise UserError(f"configuration fields are {', '.join(sorted(fields))}. Received: {name!r}.")
            section, field = fields[name]
            if "ResolutionTable" in str(field.type) and isinstance(value, (int, float)):
                value = ResolutionTable(((0, float(value)),))
            sections.setdefault(section, {})[name] = value
        changed = {name: dataclasses.replace(getattr(self, name), **new) for name, new in sections.items()}
        return dataclasses.replace(self, **changed)

    def to_json(self) -> str:
        """All fields by section; tables in their written form."""
        plain = {
            section.name: {
                field.name: to_plain(getattr(getattr(self, section.name), field.name))
                for field in dataclasses.fields(getattr(self, section.name))
            }
            for section in dataclasses.fields(self)
        }
        return json.dumps(plain, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> TrainConfig:
        """Reads what `to_json` wrote. Raises ValueError when it is something else."""
        try:
            sections = as_type(parse_json(text), dict[str, dict[str, Any]], "it")
            sections.pop(RESOLVED_SECTION, None)
            values = {name: value for section in sections.values() for name, value in section.items()}
            fields = {field.name: field for _, field in all_fields()}
            known = {name: from_plain(fields[name], value) for name, value in values.items() if name in fields}
        except ValueError as error:
            raise UserError(f"expected the JSON of a training configuration, but {error}.") from error
        return cls().replace({**values, **known})

    def differences(self, other: TrainConfig) -> dict[str, tuple[Any, Any]]:
        """Fields that differ and that a resumed run may not change, each with both values."""
        found = {}
        for section, field in all_fields():
            ours, theirs = (getattr(getattr(config, section), field.name) for config in (self, other))
            if ours != theirs and not field.metadata["may_change"]:
                found[field.name] = (ours, theirs)
        return found

    def validate(self) -> None:
        """Raises ValueError for values that no run could have, naming the field, what came and what is allowed."""
        base_height, base_width = self.base_size
        require(bool(self.data.data), "data must be given, as in --data=PICTURES", "none")
        require(
            self.data.channels in (0, 1, 3, 4),
            "channels must be 1 (grey), 3 (RGB), 4 (RGBA) or 0 (those of the data)",
            self.data.channels,
        )
        require(0 <= self.data.random_crop < 1, "random_crop must be 0 or more, and below 1", self.data.random_crop)
        require(min(base_height, base_width) >= 1, "base_size must be positive", self.data.base_size)
        if self.data.resolution:
            self.num_levels_for(parse_size(self.data.resolution, "resolution"))
        self.check_fields()
        strength = self.augment.augment_p
        require(
            self.augment.augment != "adaptive" or not isinstance(strength, KimgTable),
            "augment_p may be a table over kimg with augment=fixed; an adaptive strength moves by itself",
            strength,
        )
        require(
            self.augment.augment != "fixed" or isinstance(strength, KimgTable) or strength > 0,
            "augment_p must be above 0 with augment=fixed, such as --augment_p=0.2",
            self.augment.augment_p,
        )
        for name in ("adam_beta1", "adam_beta2"):
            value = self.get(name)
            decays = value.values() if isinstance(value, KimgTable) else [value]
            require(all(0 <= decay < 1 for decay in decays), f"{name} must be 0 or more, and below 1", value)
        batch = self.schedule.batch_size
        if isinstance(batch, KimgTable):
            require(batch.in_steps, "batch_size must change in steps, such as 0:4,50:8:step", batch)
        require(self.schedule.total_kimg <= 1e9, "total_kimg must be at most 1e9", self.schedule.total_kimg)
        require(self.run.seed < 2**31, "seed must be below 2^31", self.run.seed)
        if self.run.profile_steps:
            parse_profile_steps(self.run.profile_steps)
        _ = self.schedule.rates_by_part  # raises for what is none
        lengths = self.optimizer.average_lengths
        require(
            len(lengths) == len(set(lengths)) <= MOST_AVERAGES,
            f"power_averages must be at most {MOST_AVERAGES} lengths, each another",
            self.optimizer.power_averages,
        )
        self.family.check(self.network)
        require(math.isfinite(self.run.truncation_psi), "truncation_psi must be a number", self.run.truncation_psi)

    def check_fields(self) -> None:
        """Raises ValueError when a field's value is not one of its choices, or lies outside its bounds."""
        for section, field in all_fields():
            check_field(field, getattr(getattr(self, section), field.name))

    def without_meaning(self) -> dict[str, Condition]:
        """Fields that mean nothing beside the others, with what they would need."""
        conditions = {field.name: field.metadata["applies_to"] for _, field in all_fields()}
        return {name: needed for name, needed in conditions.items() if needed is not None and not needed.holds(self)}

    def check_applies(self, names: Collection[str]) -> None:
        """Raises UserError for a setting, of these, that means nothing beside the others: it would be ignored."""
        for name, needed in self.without_meaning().items():
            require(
                name not in names,
                f"{name} applies only to {needed.words}; choose that, or leave it out",
                f"{name}={to_plain(self.get(name))}",
            )

    def get(self, name: str) -> Any:
        """The value of a field, whatever its section."""
        return next(getattr(getattr(self, section), name) for section, field in all_fields() if field.name == name)

    @property
    def base_size(self) -> tuple[int, int]:
        """Height and width of level 0."""
        return parse_size(self.data.base_size, "base_size")

    @property
    def family(self) -> Family:
        """What the networks are of."""
        return FAMILIES[self.network.family]

    @property
    def grows(self) -> bool:
        """Whether training begins at a small resolution."""
        return self.family.grows(self.network)

    @property
    def channels(self) -> int:
        """Channels of the images; 3 while they are left to the data."""
        return self.data.channels or 3

    def num_levels_for(self, size: tuple[int, int]) -> int:
        """Number of levels that lead from the base size to `size`. Raises ValueError when none does."""
        return count_levels(size, self.base_size)


def all_fields() -> list[tuple[str, dataclasses.Field[Any]]]:
    """Every field with the name of its section, in order."""
    return [
        (section.name, field)
        for section in dataclasses.fields(TrainConfig)
        for field in dataclasses.fields(section.default)  # type: ignore[arg-type]
    ]
