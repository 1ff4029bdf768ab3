"""What a run is going to do, told before it does it."""

from __future__ import annotations

import dataclasses
import math
import sys
import textwrap
import types
from collections.abc import Mapping, Sequence

from stylegan_tf.configuration.config import all_fields
from stylegan_tf.configuration.kimg_tables import KimgTable
from stylegan_tf.configuration.resolve import ResolvedAugment, ResolvedConfig
from stylegan_tf.configuration.schedule import Period, Schedule
from stylegan_tf.data.sources.listing import others_text
from stylegan_tf.printing import printable
from stylegan_tf.progress import counted
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.phases import Phase
from stylegan_tf.training.state import TrainState

_MOST_NAMES = 6
_XLA = {"off": "off", "on": "on", "auto": "where it is faster"}
_INDENT = 11  # of what a line is about
_START_INDENT = 4  # of the list of weights that are new
_NARROWEST = 40  # columns; below, lines stay whole


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run is going to do; its text has whole lines.

    Attributes:
        facts: What each line is about, and what it says.
        header: Of the table of periods.
        rows: Of the table.
        place: Where the run is written.
        start: What was taken from other networks, as lines; empty for none.
    """

    facts: tuple[tuple[str, str], ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    place: str
    start: str = ""

    def __str__(self) -> str:
        return self.fitted(sys.maxsize)

    def fitted(self, width: int) -> str:
        """The text in lines of at most so many columns, broken between words, with the rest below the beginning.

        Paths and other long words stay whole. Of a table that is too wide, the words of a header are stacked.
        """
        facts = [f"{about:<{_INDENT}}{text}" for about, text in (*self.facts, ("Writes to", self.place))]
        *above, place = [_wrapped(line, width, _INDENT) for line in facts]
        start = [_wrapped(line, width, 2 * _START_INDENT) for line in self.start.splitlines()]
        return "\n".join([*above, "", *self._table(width), "", place, *start])

    def _table(self, width: int) -> list[str]:
        table = _aligned([self.header, *self.rows])
        if len(table[0]) <= width:
            return table
        words = [cell.split() for cell in self.header]
        most = max(map(len, words))
        stacked = zip(*([""] * (most - len(cell)) + cell for cell in words), strict=True)
        return _aligned([*stacked, *self.rows])


def make_plan(
    state: TrainState,
    schedule: Schedule,
    dataset: DatasetInfo,
    directory: RunDirectory,
    devices: str,
    jit: str,
    other_files: Mapping[str, int] = types.MappingProxyType({}),
    notes: Sequence[str] = (),
    memory: str = "",
    replicas: int = 0,
    start: str = "",
) -> Plan:
    """The plan: devices, data and what should be known of it, parameters, memory, schedule, places."""
    height, width = dataset.size
    kinds = {1: "grey", 3: "RGB", 4: "RGBA"}
    classes = counted(dataset.num_classes, "class", "classes")
    labels = f", {classes}: {_names(dataset.label_names)}" if dataset.num_classes else ""
    images = f"{dataset.count:,} images, {height}x{width} {kinds[dataset.channels]}"
    facts = [
        ("Devices", f"{devices}, {state.dtype_policy}, XLA {_XLA[jit]}"),
        ("Data", f"{printable(dataset.name)}: {images}{labels}"),
        *([("Left out", printable(others_text(other_files)))] if other_files else []),
        *(("Note", printable(note)) for note in notes),
        ("Networks", state.config.family.describe(state.config.network)),
        ("Loss", f"{_loss(state)}, until {schedule.total_images / 1000:g} kimg"),
        ("Step", ", ".join(_phase(phase) for phase in state.phases)),
        *([("Augment", _augmentation(state, schedule))] if state.config.augment.augment != "off" else []),
        *_frozen(state),
        *_rates_by_part(state),
        *_over_kimg(state.config),
        *([("Averages", _averages(state))] if state.config.optimizer.power_averages else []),
        *_carried_over(state, replicas),
        *([("Memory", memory)] if memory else []),
    ]
    rates = ["learning rate", *(["critic's rate"] if schedule.rates_differ else [])]
    header = ("period", "resolution", "from kimg", "kimg", "batch", *rates, "generator", "critic")
    rows = tuple(_period_row(state, schedule, period) for period in schedule.reached())
    return Plan(tuple(facts), header, rows, printable(str(directory.path)), start)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join([*map(printable, names[:_MOST_NAMES]), *(["..."] if len(names) > _MOST_NAMES else [])])


def _loss(state: TrainState) -> str:
    loss = state.config.loss
    penalty = f"R1 {_number(loss.r1_gamma)}"
    if loss.loss == "wgan-gp":
        penalty = f"gradient penalty {_number(loss.gradient_penalty_weight)}"
    elif loss.r2_gamma:
        penalty += f", R2 {_number(loss.r2_gamma)}"
    path_length = f", path length {loss.path_length_weight:g}" if loss.path_length_weight > 0 else ""
    labels = f", classes {loss.label_loss_weight:g}" if state.critic.classifies else ""
    return f"{loss.loss}, {penalty}{path_length}{labels}"


def _number(value: float | KimgTable) -> str:
    return f"{value.values()[0]:g} to {value.values()[-1]:g}" if isinstance(value, KimgTable) else f"{value:g}"


def _phase(phase: Phase) -> str:
    return phase.name if phase.interval == 1 else f"{phase.name} every {phase.interval} steps"


def _augmentation(state: TrainState, schedule: Schedule) -> str:
    augment = state.config.augment
    if augment.augment == "diffaugment":
        return f"DiffAugment: {augment.diffaugment_transforms}"
    if augment.augment == "fixed":
        return f"{augment.augment_transforms}, fixed at {_number(augment.augment_p)}"
    return (
        f"{augment.augment_transforms}, adaptive from {float(state.augment_p.numpy()):.3g}, "
        f"target {augment.augment_target:g}, at most 1 in {augment.augment_kimg:g} kimg"
        f"{_beginning(augment, schedule)}"
    )


def _beginning(augment: ResolvedAugment, schedule: Schedule) -> str:
    """When the strength is first adjusted, unless that is at once."""
    begin = schedule.faded_in(augment.augment_from)
    if begin >= schedule.total_images:
        return f"; not adjusted, as the run ends before {augment.augment_from} is faded in"
    size = "x".join(map(str, schedule.at(math.floor(begin) + 1).period.size))
    return f"; adjusted from {begin / 1000:g} kimg on, once {size} is faded in" if begin else ""


def _frozen(state: TrainState) -> list[tuple[str, str]]:
    """What of the critic stays as it is."""
    count, critic = state.config.optimizer.freeze_critic, state.critic
    if not count:
        return []
    sizes = ["x".join(map(str, critic.size(critic.num_levels - 1 - index))) for index in range(count)]
    numbers = sum(math.prod(weight.shape) for weight in critic.non_trainable_weights)
    return [("Frozen", f"{_listed(sizes)} of the critic, {numbers:,} of its weights, which the table leaves out")]


def _rates_by_part(state: TrainState) -> list[tuple[str, str]]:
    """Which weights learn faster or slower than the table says."""
    rates = state.config.schedule.rates_by_part
    weights = [*state.generator.trainable_variables, *state.critic.trainable_variables]
    numbers: dict[float, int] = {}
    for weight in weights:
        factor = rates.of(weight.path)
        numbers[factor] = numbers.get(factor, 0) + math.prod(weight.shape)
    told = [f"{factor:g} times for {count:,} weights" for factor, count in sorted(numbers.items()) if factor != 1]
    return [("Rates", f"{state.config.schedule.learning_rate_parts}: {_listed(told)}")] if told else []


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _averages(state: TrainState) -> str:
    settings = state.config.optimizer
    half_life, lengths = settings.ema_half_life_kimg, settings.power_averages.split(",")
    return f"half-life {_number(half_life)} kimg; power functions, sigma_rel {', '.join(lengths)}"


def _over_kimg(config: ResolvedConfig) -> list[tuple[str, str]]:
    """Settings that change over the run, each as it is written."""
    tables = [(field.name, config.get(field.name)) for _, field in all_fields()]
    told = [f"{name} {value}" for name, value in tables if isinstance(value, KimgTable)]
    if config.schedule.critic_learning_rate == config.schedule.learning_rate:
        told = [text for text in told if not text.startswith("critic_learning_rate ")]
    return [("Over kimg", "; ".join(told))] if told else []


def _carried_over(state: TrainState, replicas: int) -> list[tuple[str, str]]:
    """What stays of other devices."""
    config = state.config
    if replicas in (0, config.batch_devices):
        return []
    began = f"{config.batch_devices} device{'' if config.batch_devices == 1 else 's'}"
    pieces = ", added up from pieces as large as they had" if replicas < config.batch_devices else ""
    flags = "--batch_size and --max_batch_per_device change it"
    return [("Batches", f"as chosen for {began} when the run began{pieces}; losses and averages with them ({flags})")]


def _period_row(state: TrainState, schedule: Schedule, period: Period) -> tuple[str, ...]:
    end, last_rates = schedule.ends_at(period), schedule.rates_at_end(period)
    counts = [
        sum(math.prod(weight.shape) for weight in network.active_weights(period.level))
        for network in (state.generator, state.critic)
    ]
    return (
        "fade in" if period.fading else "train",
        f"{period.size[0]}x{period.size[1]}",
        f"{period.start / 1000:g}",
        f"{(end - period.start) / 1000:g}",
        f"{period.batch_size}",
        _from_to(period.learning_rate, last_rates[0]),
        *([_from_to(period.critic_learning_rate, last_rates[1])] if schedule.rates_differ else []),
        *(f"{count:,}" for count in counts),
    )


def _from_to(first: float, last: float) -> str:
    return f"{first:.4g}" if first == last else f"{first:.4g} - {last:.4g}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _wrapped(line: str, width: int, indent: int) -> str:
    """Lines of which those after the first are indented; whole where too little would be left beside that."""
    if width < _NARROWEST:
        return line
    return textwrap.fill(line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
