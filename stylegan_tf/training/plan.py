"""What a run is going to do, told before it does it."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence

from stylegan_tf.configuration.resolve import ResolvedAugment
from stylegan_tf.configuration.schedule import Period, Schedule
from stylegan_tf.data.sources.listing import others_text
from stylegan_tf.printing import printable
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.phases import Phase
from stylegan_tf.training.state import TrainState

_MOST_NAMES = 6
_XLA = {"off": "off", "on": "on", "auto": "where it is faster"}


def describe_plan(
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
) -> str:
    """The plan as text: devices, data and what should be known of it, parameters, memory, schedule, places."""
    height, width = dataset.size
    kinds = {1: "grey", 3: "RGB", 4: "RGBA"}
    labels = f", {dataset.num_classes} classes: {_names(dataset.label_names)}" if dataset.num_classes else ""
    lines = [
        f"Devices    {devices}, {state.dtype_policy}, XLA {_XLA[jit]}",
        f"Data       {printable(dataset.name)}: {dataset.count:,} images, {height}x{width} "
        f"{kinds[dataset.channels]}{labels}",
        *([f"Left out   {printable(others_text(other_files))}"] if other_files else []),
        *(f"Note       {printable(note)}" for note in notes),
        f"Networks   {state.config.family.describe(state.config.network)}",
        f"Loss       {_loss(state)}, until {schedule.total_images / 1000:g} kimg",
        f"Step       {', '.join(_phase(phase) for phase in state.phases)}",
        *([f"Augment    {_augmentation(state, schedule)}"] if state.config.augment.augment != "off" else []),
        *_frozen(state),
        *_carried_over(state, replicas),
        *([f"Memory     {memory}"] if memory else []),
        "",
        *_table(
            [
                "period",
                "resolution",
                "from kimg",
                "kimg",
                "batch",
                "learning rate",
                *(["critic's rate"] if schedule.rates_differ else []),
                "generator",
                "critic",
            ],
            [_period_row(state, schedule, period) for period in schedule.reached()],
        ),
        "",
        f"Writes to  {printable(str(directory.path))}",
    ]
    return "\n".join(lines)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join([*map(printable, names[:_MOST_NAMES]), *(["..."] if len(names) > _MOST_NAMES else [])])


def _loss(state: TrainState) -> str:
    loss = state.config.loss
    penalty = f"R1 {loss.r1_gamma:g}"
    if loss.loss == "wgan-gp":
        penalty = f"gradient penalty {loss.gradient_penalty_weight:g}"
    path_length = f", path length {loss.path_length_weight:g}" if loss.path_length_weight > 0 else ""
    labels = f", classes {loss.label_loss_weight:g}" if state.critic.classifies else ""
    return f"{loss.loss}, {penalty}{path_length}{labels}"


def _phase(phase: Phase) -> str:
    return phase.name if phase.interval == 1 else f"{phase.name} every {phase.interval} steps"


def _augmentation(state: TrainState, schedule: Schedule) -> str:
    augment = state.config.augment
    if augment.augment == "diffaugment":
        return f"DiffAugment: {augment.diffaugment_transforms}"
    if augment.augment == "fixed":
        return f"{augment.augment_transforms}, fixed at {augment.augment_p:g}"
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


def _frozen(state: TrainState) -> list[str]:
    """What of the critic stays as it is."""
    count, critic = state.config.optimizer.freeze_critic, state.critic
    if not count:
        return []
    sizes = ["x".join(map(str, critic.size(critic.num_levels - 1 - index))) for index in range(count)]
    numbers = sum(math.prod(weight.shape) for weight in critic.non_trainable_weights)
    return [f"Frozen     {_listed(sizes)} of the critic, {numbers:,} of its weights, which the table leaves out"]


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _carried_over(state: TrainState, replicas: int) -> list[str]:
    """What stays of other devices."""
    config = state.config
    if replicas in (0, config.batch_devices):
        return []
    began = f"{config.batch_devices} device{'' if config.batch_devices == 1 else 's'}"
    pieces = ", added up from pieces as large as they had" if replicas < config.batch_devices else ""
    return [
        f"Batches    as chosen for {began} when the run began{pieces}; losses and averages with "
        "them (--batch_size and --max_batch_per_device change it)"
    ]


def _period_row(state: TrainState, schedule: Schedule, period: Period) -> list[str]:
    end = min(period.start + period.length, schedule.total_images)
    counts = [
        sum(math.prod(weight.shape) for weight in network.active_weights(period.level))
        for network in (state.generator, state.critic)
    ]
    return [
        "fade in" if period.fading else "train",
        f"{period.size[0]}x{period.size[1]}",
        f"{period.start / 1000:g}",
        f"{(end - period.start) / 1000:g}",
        f"{period.batch_size}",
        f"{period.learning_rate:g}",
        *([f"{period.critic_learning_rate:g}"] if schedule.rates_differ else []),
        *(f"{count:,}" for count in counts),
    ]


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
