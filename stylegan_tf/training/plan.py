"""What a run is going to do, told before it does it."""

from __future__ import annotations

import math

from stylegan_tf.training.run_directory import DatasetInfo, RunDirectory
from stylegan_tf.training.schedule import Phase, Schedule
from stylegan_tf.training.state import TrainState


def describe_plan(
    state: TrainState, schedule: Schedule, dataset: DatasetInfo, directory: RunDirectory, devices: str, jit: bool
) -> str:
    """The plan as text: devices, data, parameters, schedule, places."""
    height, width = dataset.size
    kinds = {1: "grey", 3: "RGB", 4: "RGBA"}
    labels = f", {dataset.num_classes} classes" if dataset.num_classes else ""
    lines = [
        f"Devices    {devices}, {state.dtype_policy}, XLA {'on' if jit else 'off'}",
        f"Data       {dataset.name}: {dataset.count:,} images, {height}x{width} {kinds[dataset.channels]}{labels}",
        f"Loss       {state.config.loss.loss}, until {schedule.total_images / 1000:g} kimg",
        "",
        *_table(
            ["phase", "resolution", "from kimg", "kimg", "batch", "learning rate", "generator", "critic"],
            [_phase_row(state, schedule, phase) for phase in schedule.phases if phase.start < schedule.total_images],
        ),
        "",
        f"Writes to  {directory.path}",
    ]
    return "\n".join(lines)


def _phase_row(state: TrainState, schedule: Schedule, phase: Phase) -> list[str]:
    end = min(phase.start + phase.length, schedule.total_images)
    counts = [
        sum(math.prod(weight.shape) for weight in network.active_weights(phase.level))
        for network in (state.generator, state.critic)
    ]
    return [
        "fade in" if phase.fading else "train",
        f"{phase.size[0]}x{phase.size[1]}",
        f"{phase.start / 1000:g}",
        f"{(end - phase.start) / 1000:g}",
        f"{phase.batch_size}",
        f"{phase.learning_rate:g}",
        *(f"{count:,}" for count in counts),
    ]


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
