"""Published networks become a run: its configuration, its state with their weights, and its directory."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.presets import preset
from stylegan_tf.configuration.resolutions import level_size
from stylegan_tf.configuration.resolve import resolve
from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.errors import UserError
from stylegan_tf.files import DiskError, is_new_or_empty, write_text, written_folder
from stylegan_tf.pretrained.published_file import PROGAN_PRESET, STYLEGAN1_PRESET, STYLEGAN2_PRESET, PublishedFile
from stylegan_tf.pretrained.published_names import load_published_critic, load_published_generator
from stylegan_tf.pretrained.structure import published_structure
from stylegan_tf.runs.checkpoints import CheckpointFolder
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.state import TrainState

# What these presets have, whose settings a converted network goes on with, and a published file need not: StyleGAN was
# published with this loss; no augmentation unless the file says so.
_TRAINING: dict[str, dict[str, Any]] = {
    PROGAN_PRESET: {},
    STYLEGAN1_PRESET: {"loss": "logistic", "r1_gamma": 10.0},
    STYLEGAN2_PRESET: {"augment": "off"},
}


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What a published file becomes.

    Attributes:
        config, dataset: Of the run.
        num_levels: Number of resolutions.
        images_seen: Its clock: 0 for networks that are fully grown, else where the schedule has their level of detail.
    """

    config: TrainConfig
    dataset: DatasetInfo
    num_levels: int
    images_seen: int


def plan_conversion(file: PublishedFile, run_dir: str | Path) -> Conversion:
    """Works out the run that a published file becomes. Nothing is built or written.

    Args:
        file: As read.
        run_dir: Where the run will be.

    Raises:
        ValueError: When its networks are none that a configuration can describe.
    """
    structure, num_classes = published_structure(file)
    values = {**_TRAINING[file.preset], **structure, **file.settings}
    height = int(structure["resolution"])
    values |= {
        "data": "",  # the name of a file on another machine is not what to train on
        "run_dir": str(run_dir),
        "use_labels": num_classes > 0,
        "dtype_policy": "auto",
    }
    config = preset(file.preset)
    if file.lod:  # the schedule has to come by the level that the networks are at
        values["start_resolution"] = min(config.schedule.start_resolution, height >> math.ceil(file.lod))
    else:
        values["start_resolution"] = height
    config = config.replace(values)
    config.replace({"data": "any"}).validate()
    num_levels = config.num_levels_for((height, height))
    names = tuple(str(number) for number in range(num_classes))
    data = Path(file.data).name if file.data else ""
    dataset = DatasetInfo(data, file.num_images, (height, height), config.channels, "", names)
    return Conversion(config, dataset, num_levels, _images_seen(config, num_levels, file.lod))


def _images_seen(config: TrainConfig, num_levels: int, lod: float) -> int:
    """Where the schedule has a level of detail, which counts halvings from the last level; fractions are faded in."""
    level, share = num_levels - 1 - math.floor(lod), 1.0 - (lod - math.floor(lod))
    resolved = resolve(config, level_size(config.base_size, num_levels - 1), 1)
    for period in Schedule.from_config(resolved, num_levels).periods:
        if period.level == level and period.fading == (share < 1.0):
            return round(period.start + (period.length * share if period.fading else 0.0))
    raise UserError(
        f"the published generator must be at a level of detail that it grew to, 0 to {num_levels - 1}. "
        f"Received: lod={lod:g}."
    )


def convert(file: PublishedFile, conversion: Conversion) -> dict[str, int]:
    """Builds the networks, fills them, and writes the run's directory, whole or not at all.

    A file without one of the generators lends the other to both; one without a critic gets a new one.

    Args:
        file: As read.
        conversion: Of `plan_conversion`.

    Returns:
        How many arrays of the file each of its networks took: all of them but its level of detail.

    Raises:
        ValueError: Naming arrays that found no variable and variables that found no array; when the directory is not
            new or empty.
        OSError: When it cannot be written.
    """
    config = conversion.config
    target = Path(config.run.run_dir).resolve()  # what a link leads to is made, the link stays
    if not is_new_or_empty(target):
        raise _occupied(target)
    resolved = resolve(config, conversion.dataset.size, 1)
    state = TrainState(resolved, conversion.num_levels, conversion.dataset.num_classes, "float32")
    networks = file.networks
    load_published_generator(state.generator, networks.get("generator", file.generator).arrays)
    load_published_generator(state.generator_ema, file.generator.arrays)
    if "critic" in networks:
        load_published_critic(state.critic, networks["critic"].arrays)
    state.augment_p.assign(file.augment_p)
    schedule = Schedule.from_config(resolved, conversion.num_levels)
    state.set_clock(conversion.images_seen, schedule.at(conversion.images_seen))
    try:
        with written_folder(target) as beside:
            directory = RunDirectory(beside)
            write_text(directory.config_file, config.to_json())
            write_text(directory.dataset_file, json.dumps(dataclasses.asdict(conversion.dataset), indent=2) + "\n")
            checkpoints = CheckpointFolder(directory.checkpoints)
            checkpoints.save(state.checkpoint_without_optimizers, conversion.images_seen, keep=1)
    except OSError as error:
        if not isinstance(error, DiskError) and target.is_dir() and any(target.iterdir()):
            raise _occupied(target) from None  # by now: another conversion was faster
        raise
    return {role: sum(name.split("/")[-1] != "lod" for name in network.arrays) for role, network in networks.items()}


def _occupied(target: Path) -> UserError:
    return UserError(f"output_dir must be new or empty. Received: {target}, which exists.")


def count_numbers(file: PublishedFile) -> dict[str, int]:
    """How many numbers each network of a file has."""
    return {
        role: sum(int(np.size(array)) for array in network.arrays.values()) for role, network in file.networks.items()
    }
