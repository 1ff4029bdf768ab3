"""Starting a run from another run's networks, from an export or from a hub, as far as they fit.

Weights are matched by their path, and paths name levels. So networks of another resolution share what lies below it,
and what does not fit stays as it was made.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from stylegan_tf.errors import UserError
from stylegan_tf.exports.layout import is_export, newest_version, read_metadata
from stylegan_tf.exports.read import read_weights
from stylegan_tf.hub.address import HubAddress, is_hub_address, parse_hub_address
from stylegan_tf.hub.read import load_from_hub
from stylegan_tf.invocation import command
from stylegan_tf.json_files import as_type
from stylegan_tf.names import same_names
from stylegan_tf.runs.checkpoints import VARIABLE_VALUE, readable, tell_passed_over
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.state import TrainState

WeightsByPath = Mapping[str, np.ndarray]
NETWORKS = ("generator", "critic", "generator_ema")
_LONGEST_LIST = 8


@dataclasses.dataclass(frozen=True)
class SourceNetworks:
    """WeightsByPath of another run, of an export or of a hub.

    Attributes:
        name: What to call it.
        weights: Arrays by path, by network ("generator", "critic", "generator_ema"); exports and hubs have no critic.
        label_names: Names of its classes.
        family: "stylegan1" or "stylegan2".
        z_size: Size of its latents.
        mapping_rates: Learning-rate multiplier of the mapping layers, by network.
    """

    name: str
    weights: Mapping[str, WeightsByPath]
    label_names: tuple[str, ...]
    family: str
    z_size: int
    mapping_rates: Mapping[str, float]


def read_networks(path: str | Path) -> SourceNetworks:
    """Reads the newest checkpoint of a run, the newest version of an export, or a network on a hub.

    Args:
        path: A run's directory, an export, one version of an export, or hf://user/name or hf://user/name@revision.

    Raises:
        ValueError: When it is none of these, or cannot be read.
        ImportError: For a hub, without the extra `hub`.
    """
    if is_hub_address(path):
        return _read_hub(parse_hub_address(str(path)))
    path = Path(path)
    try:
        if RunDirectory(path).config_file.exists():
            return _read_run(RunDirectory(path))
        if is_export(path):
            return _read_export(newest_version(path))
    except (OSError, tf.errors.OpError, DecodeError, KeyError, IndexError) as error:
        raise UserError(f"initialize_from must be a sound run or export. Received: {path}: {error}.") from error
    advice = f"; {command('convert')} makes a run of a pickle" if path.is_file() else ""
    raise UserError(
        "initialize_from must be a run's directory (which holds config.json), an export (which holds numbered "
        f"versions), or hf://USER/NAME{advice}. Received: {path}."
    )


def initialize(state: TrainState, source: SourceNetworks, label_names: tuple[str, ...]) -> str:
    """Gives the networks of a state what fits of a source's weights; call it in the strategy's scope.

    Args:
        state: A new run's.
        source: The weights.
        label_names: Names of the classes of the new run.

    Returns:
        What was taken and what was not, as text.

    Raises:
        ValueError: When the families differ, or nothing of the generator fits.
    """
    family = state.config.network.family
    if source.family != family:
        raise UserError(
            f"initialize_from must hold networks of the same family, {family}. Received: {source.name}, which is "
            f"{source.family}; choose another --preset or --family."
        )
    lines = [f"Starts from {source.name}"]
    for name in NETWORKS:
        weights = source.weights.get(name, {})
        if not weights:
            if name == "critic":
                _require_frozen(state, [weight.path for weight in state.critic.weights], source)
            lines.append(f"  {name}: new, as the source has none")
            continue
        taken, left = _fill(state, name, source, label_names)
        if name == "critic":
            _require_frozen(state, left, source)
        kernels = [path for path in taken if "/synthesis/" in path and path.endswith("/kernel")]
        if name == "generator" and not kernels:
            raise UserError(
                "initialize_from must hold a generator that shares weights with the new one: the same feature maps "
                f"and size of w; --preset=SOURCE/config.json has the source's form. Received: {source.name}, of which "
                "nothing fits."
            )
        unused = sorted(path for path in weights.keys() - set(taken) - set(left) if "seed_generator" not in path)
        lines.append(f"  {name}: {len(taken)} of {len(taken) + len(left)} arrays taken")
        listed = [("new", left), ("only in the source", unused)] if name != "generator_ema" else []
        lines += [f"    {text}: {_shortened(paths)}" for text, paths in listed if paths]  # the average's are the same
        if name == "generator" and any(path.startswith("generator/mapping/dense_") for path in unused):
            hint = "--preset=SOURCE/config.json has the source's form"
            lines.append(f"    a shorter mapping network makes other w; {hint}")
    return "\n".join(lines)


def _require_frozen(state: TrainState, left: Collection[str], source: SourceNetworks) -> None:
    """Raises UserError when weights of the critic that should stay as they are, are among those without a source."""
    frozen = [weight.path for weight in state.critic.non_trainable_weights]
    missing = [path for path in frozen if path in left] if state.config.optimizer.freeze_critic else []
    if missing:
        raise UserError(
            "freeze_critic keeps what the source's critic has learned, so that its first resolutions must be those of "
            f"the new one; choose another source, or fewer. Received: {source.name}, without {_shortened(missing)}."
        )


def _fill(
    state: TrainState, name: str, source: SourceNetworks, label_names: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """Assigns what fits to a network; returns the paths that were taken and those that were not."""
    network, weights = getattr(state, name), source.weights[name]
    rate = _mapping_rates(dataclasses.asdict(state.config.network))[name]
    taken, left = [], []
    same_labels = same_names(source.label_names, label_names)
    for variable in network.weights:
        path, array = variable.path, weights.get(variable.path)
        if "seed_generator" in path:
            continue
        if array is not None and "/mapping/dense_" in path:  # stored divided by the multiplier that it is used with
            array = array * np.float32(source.mapping_rates[name] / rate)
        if path == "generator/mapping/dense_0/kernel" and array is not None and not same_labels:
            array = _latent_rows(array, variable.shape, source.z_size) if network.z_size == source.z_size else None
        if array is None or array.shape != tuple(variable.shape) or (not same_labels and _belongs_to_labels(path)):
            left.append(path)
        else:
            variable.assign(array)
            taken.append(path)
    return taken, left


def _mapping_rates(network: Mapping[str, Any]) -> dict[str, float]:
    """Of a configuration's networks, which may be an old one."""
    critic, generator = (network.get(f"{prefix}mapping_learning_rate_multiplier", 0.01) for prefix in ("critic_", ""))
    return {"generator": generator, "critic": critic, "generator_ema": generator}


def _belongs_to_labels(path: str) -> bool:
    return "/label_" in path or path.startswith(("critic/mapping/", "critic/score/"))


def _latent_rows(kernel: np.ndarray, shape: tuple[int, ...], z_size: int) -> np.ndarray:
    """The first mapping layer for other labels: the rows of z, so scaled that z counts as before; labels count nothing.

    Equalized weights are divided by the root of their number of rows when they are used.
    """
    rows = np.zeros((shape[0], kernel.shape[1]), kernel.dtype)
    rows[:z_size] = kernel[:z_size] * math.sqrt(shape[0] / kernel.shape[0])
    return rows


def _shortened(paths: list[str]) -> str:
    """Layers rather than their weights, unless these are in no layer; and not too many of them."""
    parts = [path.split("/")[1:] for path in paths]
    layers = list(dict.fromkeys("/".join(part if part[:-1] in ([], ["mapping"]) else part[:-1][:2]) for part in parts))
    more = f" and {len(layers) - _LONGEST_LIST} more" if len(layers) > _LONGEST_LIST else ""
    return ", ".join(layers[:_LONGEST_LIST]) + more


def _read_run(directory: RunDirectory) -> SourceNetworks:
    found = directory.newest_checkpoint()
    if found is None:
        raise UserError(f"initialize_from must be a run with a checkpoint. Received: {directory.path}, without one.")
    tell_passed_over(found)
    weights: dict[str, dict[str, np.ndarray]] = {name: {} for name in NETWORKS}
    with readable(found.prefix) as prefix:
        reader = tf.train.load_checkpoint(prefix)
        for key in reader.get_variable_to_shape_map():
            network, _, rest = key.partition("/")
            if network in weights and rest.endswith(VARIABLE_VALUE):
                path = rest.removesuffix(VARIABLE_VALUE).replace(".S", "/")
                weights[network][path] = reader.get_tensor(key)
        kimg = int(reader.get_tensor(f"images_seen{VARIABLE_VALUE}")) / 1000
    name = f"{directory.path} at {kimg:g} kimg"
    network = directory.read_config().network
    rates = _mapping_rates(dataclasses.asdict(network))
    return SourceNetworks(name, weights, directory.read_dataset().label_names, network.family, network.z_size, rates)


def _read_hub(address: HubAddress) -> SourceNetworks:
    found = load_from_hub(address)
    weights = {weight.path: weight.numpy() for weight in found.generator.network.weights}
    network = found.config.network
    rates = _mapping_rates(dataclasses.asdict(network))
    generator = {"generator": weights, "generator_ema": weights}
    return SourceNetworks(str(address), generator, found.dataset.label_names, network.family, network.z_size, rates)


def _read_export(version: Path) -> SourceNetworks:
    weights = read_weights(version)
    try:
        metadata = read_metadata(version)
        network = as_type((metadata.config or {}).get("network"), dict[str, Any], "config.network")
        # older exports know one family only
        family = as_type(network.get("family", "stylegan1"), str, "config.network.family")
    except (OSError, ValueError) as error:
        raise UserError(
            f"initialize_from must be an export that export.py wrote. Received: {version} ({error})."
        ) from error
    generator = {"generator": weights, "generator_ema": weights}
    return SourceNetworks(
        f"{version}, an export", generator, metadata.label_names or (), family, metadata.z_size, _mapping_rates(network)
    )
