"""What is wrong with a training's settings and can be told at once: TensorFlow takes seconds to be imported."""

from __future__ import annotations

from pathlib import Path

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.data.loading import find_source
from stylegan_tf.data.sources.arrays import BUILT_IN
from stylegan_tf.errors import UserError, did_you_mean, require
from stylegan_tf.hub.address import is_hub_address, parse_hub_address, whole_hub_address
from stylegan_tf.invocation import command
from stylegan_tf.metrics.protocols import parse_protocols
from stylegan_tf.pretrained.catalogue import PUBLISHED_NETWORKS, is_published
from stylegan_tf.runs.averages import EMA, average_names, one_average
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.shares import require_multiple


def check_data(data: str) -> None:
    """Raises UserError for a path where nothing is; what is there is looked at later."""
    if data != BUILT_IN and ":" not in data and not Path(data).exists():
        find_source(data)


def check_run(run_dir: str) -> None:
    """Raises UserError for a directory that holds no run."""
    require(not is_hub_address(run_dir), "--run_dir must be the directory of a run on this machine", run_dir)
    RunDirectory(run_dir).read_config()


def check_networks(source: str, checkpoint: str, average: str = EMA, *, several: bool = False) -> None:
    """Raises UserError for a directory that holds no run, and for what is no address of a network on a hub.

    Args:
        source: The directory or address.
        checkpoint, average: Which of a run's; a hub has one.
        several: Whether the command takes several averages.
    """
    if not is_hub_address(source):
        check_run(source)
        (average_names if several else one_average)(average, RunDirectory(source).read_config())
        return
    whole_hub_address(source, checkpoint, average)


def check_source(given: str) -> None:
    """Raises UserError for what is neither there, nor the name of a published network, nor an address on a hub."""
    if is_hub_address(given):
        parse_hub_address(given)
        return
    if Path(given).exists() or is_published(given):
        return
    meant = did_you_mean(given, [entry.name for entry in PUBLISHED_NETWORKS])
    raise UserError(
        "initialize_from must be a run's directory, an export, hf://USER/NAME, or a name of "
        f"{command('convert --list')}. Received: {given}, which is none of them.{meant}"
    )


def check_early(config: TrainConfig) -> None:
    """Raises what training would raise later, as far as it needs neither networks nor a look at every picture.

    Raises:
        UserError: For data and networks that are not there, protocols that are not known, what is no address on a hub,
            and a batch of a new run that does not divide over the number of devices that is asked for.
    """
    parse_protocols(config.run.metrics.split(","))
    check_data(config.data.data)
    if config.run.initialize_from and not RunDirectory(config.run.run_dir).begun():
        check_source(config.run.initialize_from)
    devices, batch_size = config.run.num_devices, config.schedule.batch_size
    if devices and batch_size is not None and not RunDirectory(config.run.run_dir).config_file.exists():
        batches = {int(batch) for batch in batch_size.values()}
        if len(batches) == 1:  # else a run may end before it comes to one that does not divide
            require_multiple(batches.pop(), devices)
