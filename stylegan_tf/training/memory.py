"""What a step needs of a device's memory: estimated before the run, and what to do where it was too much."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator

import tensorflow as tf

from stylegan_tf.configuration.schedule import Period, Schedule, Stage
from stylegan_tf.errors import UserError
from stylegan_tf.files import disk_errno
from stylegan_tf.training.shares import Shares
from stylegan_tf.training.state import TrainState

# What a phase holds when it holds the most, in sizes of the outputs of both networks' convolutions: with a second order
# of gradients in the main phase, and without. And what else it holds of an image, in sizes of the float32 image.
# Measured on a CPU; docs/training.md, "Memory", says with which error.
OUTPUTS_HELD = {"wgan-gp": 6.5, "other": 2.5}
IMAGES_HELD = 80
# A network's weights as vectors, their gradient and its pieces.
WEIGHT_COPIES = 5
# Python, TensorFlow and what they have loaded, in the machine's memory.
PROGRAM_BYTES = 700 << 20
# Of a card's memory, what its driver and libraries leave.
USABLE = 0.94


class FullMemoryError(UserError):
    """A step does not fit into a device's memory: settings to mend, not a bug."""


@dataclasses.dataclass(frozen=True)
class MemoryPlan:
    """What the step that needs the most is estimated to need.

    Attributes:
        period: Where that is.
        images: That a device takes at once there.
        needed: Bytes.
        total: Of the device; 0 where it is not known.
        on_gpu: Or in the machine's memory.
    """

    period: Period
    images: int
    needed: int
    total: int
    on_gpu: bool

    @property
    def fits(self) -> bool:
        """Whether it seems to fit."""
        return not self.total or self.needed <= (USABLE if self.on_gpu else 1.0) * self.total

    def __str__(self) -> str:
        height, width = self.period.size
        total = f"of {self.total / 2**30:.1f} " if self.total else ""
        return f"about {self.needed / 2**30:.1f} {total}GiB, with {_images(self.images)} of {height}x{width} at once"


def plan_memory(
    state: TrainState, schedule: Schedule, shares: Shares, images_seen: int, total: int, on_gpu: bool
) -> MemoryPlan:
    """Estimates what the step of a run needs that needs the most.

    Args:
        state: Networks, and the type that they compute in.
        schedule: The run's periods.
        shares: Of the batches; logical devices of a CPU share its memory.
        images_seen: Where the run starts or was resumed.
        total: Bytes of the device's memory, or 0.
        on_gpu: Whether devices have memories of their own.
    """
    plans = []
    for period in schedule.reached(images_seen):
        share = max(period.batch_size // shares.replicas, 1)
        images = math.ceil(share / math.ceil(share / shares.images_at_once(period.batch_size)))
        needed = memory_needed(state, period.level, images)
        if not on_gpu:
            needed = PROGRAM_BYTES + shares.replicas * needed
        plans.append(MemoryPlan(period, images, needed, total, on_gpu))
    return max(plans, key=lambda plan: plan.needed)


def memory_needed(state: TrainState, level: int, images: int) -> int:
    """About how many bytes a device has in use while a step holds the most.

    Args:
        state: Networks, and the type that they compute in.
        level: The active level.
        images: That a device takes at once.
    """
    generator, critic = (
        4 * sum(math.prod(weight.shape) for weight in network.trainable_weights)
        for network in (state.generator, state.critic)
    )
    averages = 1 + len(state.power_averages.vectors)
    frozen = 4 * sum(math.prod(weight.shape) for weight in state.critic.non_trainable_weights)
    kept = 3 * (generator + critic) + averages * generator + frozen  # each that learns with Adam's two averages
    passing = WEIGHT_COPIES * max(generator, critic)
    synthesis = state.generator.synthesis
    outputs = sum(
        2 * math.prod(synthesis.size(reached)) * network.feature_maps(reached)
        for reached in range(level + 1)
        for network in (synthesis, state.critic)
    )
    held = OUTPUTS_HELD.get(state.config.loss.loss, OUTPUTS_HELD["other"])
    image = 4 * math.prod(synthesis.size(level)) * state.config.channels
    output_bytes = (2 if state.dtype_policy.startswith("mixed") else 4) * outputs
    return kept + passing + round(images * (held * output_bytes + IMAGES_HELD * image))


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


@contextlib.contextmanager
def full_memory_told(stage: Stage, images: int) -> Iterator[None]:
    """Turns TensorFlow's pages about a full memory into a line about the step of a stage, of so many images at once.

    Raises:
        FullMemoryError: Where the block ran out of memory.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if disk_errno(error) is not None:
            raise
        height, width = stage.period.size
        raise FullMemoryError(
            f"a device's memory is full with {_images(images)} of {height}x{width} at once"
        ) from error


def warning_before(plan: MemoryPlan, state: TrainState, schedule: Schedule, shares: Shares, images_seen: int) -> str:
    """A warning of a run that will probably not fit, with the flag that helps; empty where it seems to fit.

    Args:
        plan: Of the run.
        state: Networks, and the type that they compute in.
        schedule: The run's periods.
        shares: Of its batches.
        images_seen: Where the run starts or was resumed.
    """
    if plan.fits:
        return ""
    for pieces in _smaller_pieces(shares, schedule, images_seen):
        smaller = dataclasses.replace(shares, most=pieces)
        if plan_memory(state, schedule, smaller, images_seen, plan.total, plan.on_gpu).fits:
            return f"WARNING: a step will probably not fit into the memory: it needs {plan}. {_add(pieces)}."
    return f"WARNING: a step will probably not fit into the memory: it needs {plan}. {_CHOOSE_SMALLER}."


def advice_when_full(schedule: Schedule, shares: Shares, images_seen: int, checkpoint: str | None) -> str:
    """What to do, in a sentence or two with flags that can be copied.

    Args:
        schedule: The run's periods.
        shares: Of its batches.
        images_seen: Where the run started or was resumed.
        checkpoint: Prefix of its newest checkpoint, if there is one.
    """
    pieces = next(_smaller_pieces(shares, schedule, images_seen), 0)
    advice = _add(pieces) if pieces else _CHOOSE_SMALLER
    return f"{advice}. {f'It continues from {checkpoint}' if checkpoint else 'No checkpoint was saved yet'}."


_CHOOSE_SMALLER = "Choose smaller images, fewer feature maps or a smaller batch, or a device with more memory"


def _add(pieces: int) -> str:
    return f"Add --max_batch_per_device={pieces} to the same command: batches are then added up from pieces"


def _smaller_pieces(shares: Shares, schedule: Schedule, images_seen: int) -> Iterator[int]:
    """Smaller limits of what a device takes at once, the largest first, with which batches can be shared out."""
    batch = max(period.batch_size for period in schedule.reached(images_seen))
    largest, limit = batch // shares.replicas, shares.images_at_once(batch)
    sizes = {math.ceil(largest / pieces) for pieces in range(1, largest + 1)}
    for smaller in sorted((size for size in sizes if size <= limit // 2), reverse=True):
        with contextlib.suppress(ValueError):
            dataclasses.replace(shares, most=smaller).check(schedule, images_seen)
            yield smaller
