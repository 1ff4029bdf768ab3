"""What networks the arrays of a published file are of: sizes, resolutions, feature maps, architectures.

Shapes cannot lie, so they decide; what a file says beside them is only asked for what no shape shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stylegan_tf.networks.sizes import feature_maps_at
from stylegan_tf.pretrained.array_shapes import Arrays
from stylegan_tf.pretrained.published_file import PublishedFile, advice_for, require_field
from stylegan_tf.pretrained.published_names import published_module

_MOST_MAPPING_LAYERS = 100
_MOST_CLASSES = 100_000


def published_structure(file: PublishedFile) -> tuple[dict[str, Any], int]:
    """The networks' configuration.

    Args:
        file: As read.

    Returns:
        Values by the names of our configuration's fields, resolution and channels among them; and the number of
        classes.

    Raises:
        ValueError: When the arrays are not of networks that one configuration can describe, naming what differs.
    """
    module = published_module(file.family)
    values: dict[str, Any] = {"family": file.family}
    all_maps: dict[str, dict[int, int]] = {}
    for role, network in sorted(file.networks.items(), key=lambda item: item[0] == "critic"):  # the critic last
        read = module.critic_structure if role == "critic" else module.generator_structure
        with advice_for(role):
            found, all_maps[role] = read(network)
            _join(values, {**network.settings, **found}, role)
    num_classes = values.pop("num_classes", 0)
    require_field(num_classes <= _MOST_CLASSES, "labels", f"at most {_MOST_CLASSES} classes", num_classes)
    values |= _feature_maps({role: by_level for role, by_level in all_maps.items() if role != "critic"})
    with advice_for("critic"):
        values |= _feature_maps(all_maps)
    for role, network in file.networks.items():
        with advice_for(role):
            _check_size(role, network.arrays, values, all_maps[role])
    if "resample_filter" in values:
        values["resample_filter"] = ",".join(f"{tap:g}" for tap in values["resample_filter"])
    if values.get("clamp") is not None:
        values["clamp_always"] = values["clamp"] > 0
    return values, num_classes


def _join(values: dict[str, Any], found: Mapping[str, Any], role: str) -> None:
    """One configuration serves all networks of a file."""
    for name, value in found.items():
        require_field(
            values.get(name, value) == value,
            f"{name} of the {role}",
            f"that of the other networks, {values.get(name)}",
            value,
        )
        values[name] = value


def _feature_maps(all_maps: Mapping[str, Mapping[int, int]]) -> dict[str, int]:
    """Base and maximum that give the feature maps of all levels of all networks."""
    numbers = [(level, maps) for by_level in all_maps.values() for level, maps in by_level.items()]
    most = max(maps for _, maps in numbers)
    levels = max(level for level, _ in numbers)
    for base in sorted({maps << (level + 1) for level, maps in numbers if maps < most} | {most << (levels + 1)}):
        if all(feature_maps_at(level, base, most) == maps for level, maps in numbers):
            return {"feature_maps_base": base, "feature_maps_max": most}
    listed = "; ".join(
        f"{role} {', '.join(str(maps) for _, maps in sorted(by_level.items()))}" for role, by_level in all_maps.items()
    )
    require_field(
        False, "feature maps by level", "min(base / 2^(level + 1), maximum) in all networks", described=listed
    )
    return {}


def _check_size(role: str, arrays: Arrays, values: Mapping[str, Any], maps: Mapping[int, int]) -> None:
    """Refuses arrays that are too few for the networks that they ask for, before these take their memory."""
    by_level = [maps[level] for level in sorted(maps) if level >= 0]
    critic = role == "critic"
    layers = values.get("critic_mapping_layers", 0) if critic else values["mapping_layers"]
    width = by_level[0] if critic else values["mapping_width"] or values["w_size"]
    require_field(layers <= _MOST_MAPPING_LAYERS, "mapping layers", f"at most {_MOST_MAPPING_LAYERS}", layers)
    needed = max(layers - 2, 0) * width**2 + sum(9 * number**2 for number in by_level[1:-1])
    needed += sum(9 * below * number for below, number in zip([by_level[0], *by_level], by_level, strict=False))
    if not critic and values.get("style", True):
        needed += values["w_size"] * sum(by_level)
    found = sum(array.size for array in arrays.values())
    require_field(
        found >= needed, f"the {role}", f"complete: networks of these sizes have at least {needed:,} numbers", found
    )
