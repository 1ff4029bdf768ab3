"""What is wrong with a training's settings and can be told at once: TensorFlow takes seconds to be imported."""

from __future__ import annotations

from pathlib import Path

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.data.loading import find_source
from stylegan_tf.data.sources.arrays import BUILT_IN
from stylegan_tf.errors import require
from stylegan_tf.metrics.protocols import parse_protocols
from stylegan_tf.runs.directory import RunDirectory


def check_data(data: str) -> None:
    """Raises UserError for a path where nothing is; what is there is looked at later."""
    if data != BUILT_IN and ":" not in data and not Path(data).exists():
        find_source(data)


def check_run(run_dir: str) -> None:
    """Raises UserError for a directory that holds no run."""
    RunDirectory(run_dir).read_config()


def check_early(config: TrainConfig) -> None:
    """Raises what training would raise later, as far as it needs neither networks nor a look at every picture.

    Raises:
        UserError: For data that are not there, protocols that are not known, and batches that do not divide over the
            number of devices that is asked for.
    """
    parse_protocols(config.run.metrics.split(","))
    check_data(config.data.data)
    devices, batch_size = config.run.num_devices, config.schedule.batch_size
    if devices and batch_size is not None:
        for batch in batch_size.values():
            require(
                batch % devices == 0,
                f"batch_size must be a multiple of the number of devices, {devices}; choose another --batch_size",
                int(batch),
            )
