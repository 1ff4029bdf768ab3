"""Networks read back from a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.resolve import resolve
from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.errors import UserError, require
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.networks.build import build_generator, by_path, shape_of
from stylegan_tf.runs.averages import EMA, fill_with_average, mixing_sources, one_average, read_average
from stylegan_tf.runs.checkpoints import VARIABLE_VALUE, readable
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory


@dataclasses.dataclass(frozen=True)
class LoadedRun:
    """The averaged generator of a checkpoint, and what is known of it.

    Attributes:
        generator: In float32, at the level that training had reached.
        images_seen: The clock of the checkpoint.
        config, dataset: The run's.
        average: Which average it is, see `averages.one_average`.
        average_note: How that came about, where it is to be told.
    """

    generator: GeneratorAtLevel
    images_seen: int
    config: TrainConfig
    dataset: DatasetInfo
    average: str = EMA
    average_note: str = ""

    @property
    def moment(self) -> str:
        """Which state it is, such as "400 kimg, average 0.1"."""
        average = "" if self.average == EMA else f", average {self.average}"
        return f"{self.images_seen / 1000:g} kimg{average}"


def load_run(run_dir: str | Path, checkpoint: str = "newest", average: str = EMA) -> LoadedRun:
    """Reads the averaged generator of a run.

    Args:
        run_dir: The run's directory.
        checkpoint: See `RunDirectory.find_checkpoints`.
        average: "ema", or sigma_rel of an average by a power function; one that no checkpoint holds is mixed.

    Raises:
        ValueError: When the directory is no run's, or has no such checkpoint or average.
    """
    directory = RunDirectory(run_dir)
    config, dataset = directory.read_config(), directory.read_dataset()
    if checkpoint == "all":
        raise UserError("checkpoint must be one: newest, best, or kimg. Received: checkpoint=all.")
    name = one_average(average, config)
    sources = mixing_sources([name], config, directory)
    return read_run(directory.find_checkpoints(checkpoint)[-1], config, dataset, name, sources)


def read_run(
    prefix: str, config: TrainConfig, dataset: DatasetInfo, average: str = EMA, sources: Sequence[str] = ()
) -> LoadedRun:
    """Reads the averaged generator of one checkpoint of a run with this configuration and data.

    Args:
        prefix: The checkpoint.
        config, dataset: The run's.
        average: One of `averages.one_average`.
        sources: See `averages.mixing_sources`.
    """
    num_levels = config.num_levels_for(dataset.size)
    generator = build_generator(config.network, shape_of(config, num_levels, dataset.num_classes))
    seen = restore_network(prefix, "generator_ema", generator)
    level, fade_in = _read_level(prefix) or _level_by_schedule(config, dataset, seen)
    require(0 <= level < num_levels, f"the level of a checkpoint must lie below {num_levels}", f"{level} in {prefix}")
    note = ""
    if average != EMA:
        found = read_average(average, prefix, sources)
        fill_with_average(generator, found)
        note = found.description
    at_level = GeneratorAtLevel(generator, level, fade_in if fade_in < 1.0 else None)
    return LoadedRun(at_level, seen, config, dataset, average, note)


def _read_level(prefix: str) -> tuple[int, float] | None:
    """Level and fade-in that a checkpoint keeps; None for one of an earlier version."""
    with readable(prefix) as path:
        reader = tf.train.load_checkpoint(path)
        if not reader.has_tensor(f"level{VARIABLE_VALUE}"):
            return None
        return int(reader.get_tensor(f"level{VARIABLE_VALUE}")), float(reader.get_tensor(f"fade_in{VARIABLE_VALUE}"))


def _level_by_schedule(config: TrainConfig, dataset: DatasetInfo, images_seen: int) -> tuple[int, float]:
    """Level and fade-in where the schedule was."""
    num_levels = config.num_levels_for(dataset.size)
    stage = Schedule.from_config(resolve(config, dataset.size, 1), num_levels).at(images_seen)
    return stage.level, stage.fade_in


def restore_network(prefix: str, name: str, network: keras.Model) -> int:
    """Gives a built network the weights of a checkpoint's "generator", "generator_ema" or "critic".

    Returns:
        The images seen.
    """
    images_seen = tf.Variable(0, dtype=tf.int64, trainable=False)
    checkpoint = tf.train.Checkpoint(**{name: by_path(network.weights)}, images_seen=images_seen)
    with readable(prefix) as path:
        checkpoint.restore(path).assert_existing_objects_matched().expect_partial()
    return int(images_seen.numpy())
