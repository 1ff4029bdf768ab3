"""A device whose memory is full: what did not fit, and what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from stylegan_tf.config import TrainConfig
from stylegan_tf.files import disk_errno
from stylegan_tf.training.batch_checks import check_batches
from stylegan_tf.training.schedule import Schedule, Stage


class FullMemoryError(ValueError):
    """A step does not fit into a device's memory: settings to mend, not a bug."""


@contextlib.contextmanager
def full_memory_told(stage: Stage, replicas: int) -> Iterator[None]:
    """Turns TensorFlow's pages about a full memory into a line about the step of a stage.

    Raises:
      FullMemoryError: where the block ran out of memory.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if disk_errno(error) is not None:
            raise
        height, width = stage.period.size
        share = stage.batch_size // replicas
        raise FullMemoryError(
            f"a device's memory is full with {share} image{'' if share == 1 else 's'} of {height}x{width} at once, or "
            "with --max_batch_per_device where that is given"
        ) from error


def advice_when_full(
    config: TrainConfig, schedule: Schedule, replicas: int, images_seen: int, checkpoint: str | None
) -> str:
    """What to do, in a sentence or two with flags that can be copied.

    Args:
      config: of the run.
      schedule: its periods.
      replicas: number of devices.
      images_seen: where the run started or was resumed.
      checkpoint: prefix of its newest checkpoint, if there is one.
    """
    largest = max(period.batch_size for period in schedule.reached(images_seen)) // replicas
    limit = min(config.run.max_batch_per_device or largest, largest)
    for smaller in range(limit // 2, 0, -1):
        with contextlib.suppress(ValueError):
            check_batches(config.replace({"max_batch_per_device": smaller}), schedule, replicas, images_seen)
            advice = f"Add --max_batch_per_device={smaller} to the same command: batches are then added up from pieces"
            break
    else:
        advice = "Choose smaller images, fewer feature maps or a smaller batch, or a device with more memory"
    return f"{advice}. {f'It goes on from {checkpoint}' if checkpoint else 'No checkpoint was saved yet'}."
