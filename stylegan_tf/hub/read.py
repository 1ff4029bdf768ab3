"""Networks read from a hub, and from wherever else networks are read.

What comes from a hub is a stranger's: JSON and safetensors are all that is read, and networks are built only when the
file has exactly the arrays that they need.
"""

from __future__ import annotations

from pathlib import Path

from stylegan_tf.errors import UserError, require
from stylegan_tf.hub.address import HubAddress, is_hub_address, whole_hub_address
from stylegan_tf.hub.fetch import fetch_files
from stylegan_tf.hub.layout import CONFIG_FILE, READ_FILES, WEIGHTS_FILE, HubModel, read_model
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.networks.build import build_generator, outline_generator, shape_of
from stylegan_tf.networks.generator import Generator
from stylegan_tf.pretrained.published_names import check_published_generator, load_published_generator
from stylegan_tf.pretrained.safetensors_file import safetensors_arrays, safetensors_shapes
from stylegan_tf.runs.averages import EMA
from stylegan_tf.runs.load import LoadedRun, load_run


def load_networks(source: str | Path, checkpoint: str = "newest", average: str = EMA) -> LoadedRun:
    """Reads the averaged generator of a run, or of a repository on a hub.

    Args:
        source: The run's directory, or hf://user/name or hf://user/name@revision.
        checkpoint: Of a run; see `RunDirectory.find_checkpoints`.
        average: Of a run; see `runs.load.load_run`.

    Raises:
        UserError: When there is none, or it is not sound.
        ImportError: For a hub, without the extra `hub`.
    """
    if not is_hub_address(source):
        return load_run(source, checkpoint, average)
    return load_from_hub(whole_hub_address(str(source), checkpoint, average))


def load_from_hub(address: HubAddress) -> LoadedRun:
    """Reads the averaged generator of a repository; raises as `load_networks` does."""
    files = fetch_files(address, READ_FILES)
    model = read_model(files[CONFIG_FILE], address)
    try:
        generator = _read_generator(model, files[WEIGHTS_FILE])
    except ValueError as error:
        raise UserError(f"{address} must hold a sound network: {error}") from error
    fade_in = model.fade_in if model.fade_in < 1.0 else None
    at_level = GeneratorAtLevel(generator, model.level, fade_in)
    return LoadedRun(at_level, model.images_seen, model.config, model.dataset_info)


def _read_generator(model: HubModel, weights: Path) -> Generator:
    """The network that config.json describes, with the arrays of a file, which must be its own to the last one."""
    config, dataset = model.config, model.dataset_info
    num_levels = config.num_levels_for(dataset.size)
    require(model.level < num_levels, f"level must lie below {num_levels}", model.level)
    grown = model.level == num_levels - 1 and model.fade_in == 1.0
    where = f"level {model.level}, fade_in {model.fade_in:g}"
    require(grown or config.grows, "level and fade_in must be the last ones of a network that does not grow", where)
    require(config.channels == dataset.channels, f"channels must be {config.channels}", dataset.channels)
    shape = shape_of(config, num_levels, dataset.num_classes)
    check_published_generator(outline_generator(config.network, shape), safetensors_shapes(weights))
    generator = build_generator(config.network, shape)
    load_published_generator(generator, safetensors_arrays(weights))
    return generator
