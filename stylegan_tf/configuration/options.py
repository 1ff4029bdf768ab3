"""How a setting is declared, checked, read from JSON and written to it, and beside which others it means anything."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Collection
from typing import Any

from stylegan_tf.configuration.kimg_tables import KimgTable, parse_table
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.errors import require
from stylegan_tf.json_files import as_type

_FIELD_TYPES = {
    "str": str, "int": int, "float": float, "bool": bool, "int | None": int | None, "float | None": float | None,
}  # fmt: skip


# What `--family` may be, and what that is. `families.register` fills it: records know sections, and not the reverse.
FAMILY_SUMMARIES: dict[str, str] = {}


@dataclasses.dataclass(frozen=True)
class Condition:
    """Beside which other settings one means anything.

    Attributes:
        words: Such as "family=stylegan1".
        holds: Of a whole configuration.
    """

    words: str
    holds: Callable[[Any], bool]


def of_family(name: str) -> Condition:
    """Beside networks of this family."""
    return Condition(f"family={name}", lambda config: config.network.family == name)


def with_labels(condition: Condition) -> Condition:
    """Beside labels, where another condition holds."""
    return Condition(
        f"{condition.words} with use_labels", lambda config: condition.holds(config) and config.data.use_labels
    )


OF_STYLEGAN1, OF_STYLEGAN2 = of_family("stylegan1"), of_family("stylegan2")
OF_STYLEGAN1_LABELS, OF_STYLEGAN2_LABELS = with_labels(OF_STYLEGAN1), with_labels(OF_STYLEGAN2)
GROWING = Condition("networks that grow", lambda config: config.grows)
WASSERSTEIN_LOSSES = ("wgan-gp", "wasserstein")
WASSERSTEIN = Condition(
    f"loss={' or '.join(WASSERSTEIN_LOSSES)}", lambda config: config.loss.loss in WASSERSTEIN_LOSSES
)
WGAN_GP = Condition("loss=wgan-gp", lambda config: config.loss.loss == "wgan-gp")
R1_LOSSES = Condition("losses other than wgan-gp", lambda config: config.loss.loss != "wgan-gp")
OPEN_R1 = Condition(
    f"{R1_LOSSES.words}, with r1_gamma left open",
    lambda config: R1_LOSSES.holds(config) and config.loss.r1_gamma is None,
)
CLASSIFYING = Condition(
    "critic_classifies with use_labels", lambda config: config.network.critic_classifies and config.data.use_labels
)
PATH_LENGTHS = Condition("path_length_weight above 0", lambda config: config.loss.path_length_weight > 0)
AUGMENTED = Condition("augment=adaptive or fixed", lambda config: config.augment.has_strength)
DIFFAUGMENT = Condition("augment=diffaugment", lambda config: config.augment.augment == "diffaugment")
MEASURED = Condition("runs with --metrics", lambda config: bool(config.run.metrics))
ADAPTIVE = Condition("augment=adaptive", lambda config: config.augment.augment == "adaptive")
ADAPTIVE_GROWING = Condition(
    "augment=adaptive of networks that grow", lambda config: ADAPTIVE.holds(config) and config.grows
)


def option(
    default: Any,
    help_text: str,
    *,
    may_change: bool = False,
    choices: Collection[str] = (),
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
    whole: bool = False,
    applies_to: Condition | None = None,
) -> Any:
    """A field with its help text and the values it may have.

    Args:
        default: The published StyleGAN's value; tables by resolution in their written form.
        help_text: What it is.
        may_change: Whether a resumed run may differ in it.
        choices: The words it may be.
        above, least, most: Bounds of its number, or of each number of its table.
        whole: Whether all numbers of its table are whole.
        applies_to: Beside which other settings it means anything; None for all.
    """
    if isinstance(default, str) and re.fullmatch(r"\d+:[\d.e:,-]+", default):
        default = ResolutionTable.parse(default)
    metadata = {
        "help": help_text,
        "may_change": may_change,
        "choices": choices,
        "above": above,
        "least": least,
        "most": most,
        "whole": whole,
        "applies_to": applies_to,
    }
    return dataclasses.field(default=default, metadata=metadata)


def check_field(field: dataclasses.Field[Any], value: Any) -> None:
    """Raises ValueError when a field's value is not one of its choices, or lies outside its bounds."""
    name, rules = field.name, field.metadata
    if rules["choices"]:
        require(value in rules["choices"], f"{name} must be one of {', '.join(rules['choices'])}", value)
    numbers = value.values() if isinstance(value, (ResolutionTable, KimgTable)) else [value]
    numbers = [number for number in numbers if isinstance(number, (int, float))]
    above, least, most = rules["above"], rules["least"], rules["most"]
    if math.isfinite(above):
        bounds = f"be above {above:g}" + (f" and at most {most:g}" if math.isfinite(most) else "")
    else:
        bounds = f"lie between {least:g} and {most:g}" if math.isfinite(most) else f"be {least:g} or more"
    if math.isfinite(above) or math.isfinite(least):
        sound = all(math.isfinite(n) and above < n and least <= n <= most for n in numbers)
        require(sound, f"{name} must {bounds}", value)
    require(not rules["whole"] or all(n == int(n) for n in numbers), f"{name} must be whole numbers", value)


def from_plain(field: dataclasses.Field[Any], value: Any) -> Any:
    """A field's value from its written form. Raises ValueError for one of another type or out of bounds."""
    kinds = str(field.type).split(" | ")
    if "ResolutionTable" in kinds:
        if value is None and "None" in kinds:
            return None
        require(type(value) in (str, int, float), f"{field.name} must be a table by resolution", type(value).__name__)
        return parse_table(str(value)) if "KimgTable" in kinds else ResolutionTable.parse(str(value))
    if "KimgTable" in kinds and isinstance(value, str) and ":" in value:
        return KimgTable.parse(value)
    return as_type(value, _FIELD_TYPES[" | ".join(kind for kind in kinds if kind != "KimgTable")], field.name)


def to_plain(value: Any) -> Any:
    """A field's value as JSON has it."""
    return str(value) if isinstance(value, (ResolutionTable, KimgTable)) else value
