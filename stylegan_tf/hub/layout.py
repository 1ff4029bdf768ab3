"""What lies in a repository of ours, and what its config.json says.

config.json         what the network is, its settings, and how far it was trained
model.safetensors   the averaged generator, with published names and layout
README.md           the model card
samples.png         images of it
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.resolutions import parse_size
from stylegan_tf.errors import UserError, require
from stylegan_tf.json_files import MAX_BYTES, as_record, read_json
from stylegan_tf.names import can_be_written
from stylegan_tf.printing import printable
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.load import LoadedRun
from stylegan_tf.version import __version__

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, SAMPLES_FILE = "config.json", "model.safetensors", "README.md", "samples.png"
# What is read again, with the most bytes of each: no published network has a tenth of that.
READ_FILES = {CONFIG_FILE: MAX_BYTES, WEIGHTS_FILE: 4 * 2**30}
LIBRARY = "stylegan-tf"
FORMAT = 1

# Settings that say where things lay on the machine of the training, or how it ran there, stay there.
_SECTIONS = ("network", "schedule", "loss", "augment", "optimizer")
_DATA_FIELDS = ("base_size", "resolution", "channels", "crop", "background", "use_labels", "mirror", "random_crop")
_RUN_FIELDS = ("seed", "truncation_psi", "truncation_cutoff")


@dataclasses.dataclass(frozen=True)
class HubModel:
    """What config.json says.

    Attributes:
        library_name, library_version, format: What wrote it: `LIBRARY`, and the version of this layout.
        model_type: The family of the networks.
        image_size: Such as "64x96", height first, of the last level.
        channels: Of the images.
        label_names: Of the classes; empty without.
        dataset, dataset_count: Name and number of the images that it was trained on.
        images_seen: The clock.
        level, fade_in: Where the generator's growth is.
        settings: Of the training, by section and name.
    """

    library_name: str
    library_version: str
    format: int
    model_type: str
    image_size: str
    channels: int
    label_names: tuple[str, ...]
    dataset: str
    dataset_count: int
    images_seen: int
    level: int
    fade_in: float
    settings: dict[str, dict[str, Any]]

    def __post_init__(self) -> None:
        require(self.library_name == LIBRARY, f"library_name must be {LIBRARY}", repr(self.library_name))
        newer = f"format must be at most {FORMAT}; it takes a newer version of this package"
        require(1 <= self.format <= FORMAT, newer, self.format)
        require(self.level >= 0, "level must be 0 or more", self.level)
        require(0.0 <= self.fade_in <= 1.0, "fade_in must lie between 0 and 1", self.fade_in)
        require(self.images_seen >= 0 and self.dataset_count >= 0, "counts must be 0 or more", self.images_seen)

    @property
    def config(self) -> TrainConfig:
        """The settings; those that were not published are the defaults. Raises UserError for values out of bounds."""
        config = TrainConfig.from_json(json.dumps(self.settings)).replace({"data": "", "run_dir": ""})
        config.check_fields()
        config.family.check(config.network)
        require(config.network.family == self.model_type, "model_type must be the family", self.model_type)
        require(abs(config.run.truncation_psi) < 1e3, "truncation_psi must be a number", config.run.truncation_psi)
        return config

    @property
    def dataset_info(self) -> DatasetInfo:
        """What it was trained on."""
        size = parse_size(self.image_size, "image_size")
        return DatasetInfo(self.dataset, self.dataset_count, size, self.channels, "", self.label_names)


def describe_for_hub(trained: LoadedRun) -> dict[str, Any]:
    """What config.json will say of a network, as plain values; no path of this machine is among them."""
    config, dataset, generator = trained.config, trained.dataset, trained.generator
    settings = json.loads(config.to_json())
    published = {section: settings[section] for section in _SECTIONS}
    published["data"] = {name: settings["data"][name] for name in _DATA_FIELDS}
    published["run"] = {name: settings["run"][name] for name in _RUN_FIELDS}
    height, width = dataset.size
    model = HubModel(
        library_name=LIBRARY,
        library_version=__version__,
        format=FORMAT,
        model_type=config.network.family,
        image_size=f"{height}x{width}",
        channels=dataset.channels,
        label_names=dataset.label_names,
        dataset=dataset_name(dataset),
        dataset_count=dataset.count,
        images_seen=trained.images_seen,
        level=generator.level,
        fade_in=1.0 if generator.fade_in is None else float(generator.fade_in),
        settings=published,
    )
    return dataclasses.asdict(model)


def dataset_name(dataset: DatasetInfo) -> str:
    """The name of a set without the folders that it lay in; empty where it cannot be written."""
    name = printable(Path(dataset.name).name)
    return name if can_be_written(name) else ""


def require_ours(file: Path, where: object) -> None:
    """Raises UserError unless a config.json is one of ours, be it of a newer version."""
    try:
        found = read_json(file)
        ours = isinstance(found, dict) and found.get("library_name") == LIBRARY
    except ValueError:
        ours = False
    require(ours, f"{where} must be new, or hold a network that `push` wrote", f"one with another {CONFIG_FILE}")


def read_model(file: Path, where: object) -> HubModel:
    """Reads config.json.

    Args:
        file: Of the cache.
        where: What to call its repository.

    Raises:
        UserError: When it is something else.
    """
    try:
        return as_record(HubModel, read_json(file), others=True)
    except ValueError as error:
        raise UserError(
            f"{where} must hold a network that `push` wrote. Received: {CONFIG_FILE}, in which {error}"
        ) from error
