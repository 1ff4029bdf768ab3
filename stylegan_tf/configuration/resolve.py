"""What a configuration leaves open, decided once: by the final resolution, the devices, and what a run began with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from stylegan_tf.configuration.config import RESOLVED_SECTION, TrainConfig, all_fields
from stylegan_tf.configuration.kimg_tables import KimgTable, last_value
from stylegan_tf.configuration.model_sections import AugmentConfig, LossConfig
from stylegan_tf.configuration.options import check_field, from_plain, to_plain
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.configuration.sections import OptimizerConfig, ScheduleConfig
from stylegan_tf.errors import require
from stylegan_tf.json_files import as_type, parse_json

DEFAULT_AUGMENT_KIMG = 500.0  # Karras et al. 2020 (ADA), section 3.1
TRANSFER_AUGMENT_KIMG = 100.0  # published with its code, for runs that start from other networks


@dataclasses.dataclass(frozen=True)
class ResolvedSchedule(ScheduleConfig):
    """A schedule with batch sizes and both learning rates."""

    batch_size: ResolutionTable | KimgTable = dataclasses.field(kw_only=True)
    critic_learning_rate: ResolutionTable | KimgTable = dataclasses.field(kw_only=True)


@dataclasses.dataclass(frozen=True)
class ResolvedLoss(LossConfig):
    """Losses with the weight of R1."""

    r1_gamma: float | KimgTable = dataclasses.field(kw_only=True)


@dataclasses.dataclass(frozen=True)
class ResolvedAugment(AugmentConfig):
    """Augmentation with its speed and its beginning."""

    augment_kimg: float = dataclasses.field(kw_only=True)
    augment_from: int = dataclasses.field(kw_only=True)


@dataclasses.dataclass(frozen=True)
class ResolvedOptimizer(OptimizerConfig):
    """Optimizer and averages with the half-life."""

    ema_half_life_kimg: float | KimgTable = dataclasses.field(kw_only=True)


@dataclasses.dataclass(frozen=True)
class ResolvedConfig(TrainConfig):
    """A configuration with nothing left open.

    Attributes:
        batch_devices: Number of devices that the batch sizes were chosen for.
        decisions: What the run keeps of what was left open.
    """

    schedule: ResolvedSchedule = dataclasses.field(kw_only=True)
    loss: ResolvedLoss = dataclasses.field(kw_only=True)
    augment: ResolvedAugment = dataclasses.field(kw_only=True)
    optimizer: ResolvedOptimizer = dataclasses.field(kw_only=True)
    batch_devices: int = dataclasses.field(kw_only=True)
    decisions: Decisions = dataclasses.field(kw_only=True)


_SECTIONS: dict[str, type[Any]] = {
    "schedule": ResolvedSchedule,
    "loss": ResolvedLoss,
    "augment": ResolvedAugment,
    "optimizer": ResolvedOptimizer,
}
OPEN_SETTINGS = tuple(name for section in _SECTIONS.values() for name in section.__annotations__)


@dataclasses.dataclass(frozen=True)
class Decisions:
    """What became of the settings that a run left open, as its directory keeps it.

    Attributes:
        num_devices: That the batch sizes were chosen for.
        values: By name, out of `OPEN_SETTINGS`.
    """

    num_devices: int
    values: Mapping[str, Any]

    @classmethod
    def from_json(cls, text: str | bytes) -> Decisions | None:
        """Those in a run's config.json; None in one of a version that did not keep them.

        Raises:
            UserError: For values that no version wrote.
        """
        sections = as_type(parse_json(text), dict[str, dict[str, Any]], "it")
        if RESOLVED_SECTION not in sections:
            return None
        section = dict(sections[RESOLVED_SECTION])
        num_devices = as_type(section.pop("num_devices", None), int, "num_devices")
        require(num_devices > 0, "num_devices must be above 0", num_devices)
        fields = {field.name: field for _, field in all_fields()}
        values = {name: from_plain(fields[name], section[name]) for name in OPEN_SETTINGS if name in section}
        for name, value in values.items():
            require(value is not None, f"{name} must be decided", None)
            check_field(fields[name], value)
        if "augment_from" not in sections.get("augment", {}):  # versions before it adjusted from the start
            values["augment_from"] = 0
        asked = TrainConfig.from_json(text)
        missing = [name for name in OPEN_SETTINGS if asked.get(name) is None and name not in values]
        require(not missing, f"{RESOLVED_SECTION} must say what became of {', '.join(missing)}", "nothing")
        return cls(num_devices, values)


def config_json(asked: TrainConfig, resolved: ResolvedConfig) -> str:
    """A run's config.json: what was asked, and what became of what was left open."""
    decided = resolved.decisions
    section = {"num_devices": decided.num_devices, **{name: to_plain(value) for name, value in decided.values.items()}}
    return json.dumps({**json.loads(asked.to_json()), RESOLVED_SECTION: section}, indent=2) + "\n"


def resolve(
    config: TrainConfig, size: tuple[int, int], num_devices: int, earlier: Decisions | None = None
) -> ResolvedConfig:
    """Decides what a configuration leaves open.

    StyleGAN2's rules are the automatic settings that were published with StyleGAN2-ADA's code (Karras et al. 2020).
    What a run decided when it began stays: on other devices it goes on with its batches, its losses and its averages.
    A batch size that is given holds as long as it is given.

    Args:
        config: As asked.
        size: Height and width of the images at the last resolution.
        num_devices: Number of replicas.
        earlier: What a run that is resumed decided; None for a new one, or one of a version that did not keep it.
    """
    kept = dict(earlier.values) if earlier else {}
    given = {name: value for name in OPEN_SETTINGS if (value := config.get(name)) is not None}
    values = {**kept, **given}
    if "batch_size" not in values:
        values["batch_size"] = config.family.batch_sizes(size, num_devices)
    batch = last_value(values["batch_size"], size)
    values.setdefault("critic_learning_rate", config.schedule.learning_rate)
    values.setdefault("r1_gamma", config.loss.r1_gamma_per_pixel * size[0] * size[1] / batch)
    values.setdefault("ema_half_life_kimg", batch * 10.0 / 32.0)
    transfers = bool(config.run.initialize_from)
    values.setdefault("augment_kimg", TRANSFER_AUGMENT_KIMG if transfers else DEFAULT_AUGMENT_KIMG)
    values.setdefault("augment_from", min(size))
    require(
        values["augment_from"] <= min(size) or "augment_from" in config.without_meaning(),
        f"augment_from must be at most the last resolution, {min(size)}",
        values["augment_from"],
    )
    batch_devices = earlier.num_devices if earlier and "batch_size" in kept.keys() - given else num_devices
    decided = {name: kept.get(name, values[name]) for name in OPEN_SETTINGS if name in kept or name not in given}
    decisions = Decisions(earlier.num_devices if earlier and "batch_size" in kept else num_devices, decided)
    sections = {section.name: getattr(config, section.name) for section in dataclasses.fields(TrainConfig)}
    for name, resolved in _SECTIONS.items():
        asked = {field.name: getattr(sections[name], field.name) for field in dataclasses.fields(resolved)}
        sections[name] = resolved(**{setting: values.get(setting, value) for setting, value in asked.items()})
    return ResolvedConfig(**sections, batch_devices=batch_devices, decisions=decisions)
