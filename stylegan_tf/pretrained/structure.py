"""What networks the arrays of a published file are of: sizes, resolutions, feature maps, architectures.

Shapes cannot lie, so they decide; what a file says beside them is only asked for what no shape shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from stylegan_tf.configuration.resolutions import MAX_LEVELS
from stylegan_tf.networks.sizes import feature_maps_at
from stylegan_tf.pretrained.published_file import PublishedFile, PublishedNetwork, advice_for, require_field

Arrays = Mapping[str, np.ndarray]

_LARGEST_SIDE = 2048
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
    values: dict[str, Any] = {"family": file.family}
    all_maps: dict[str, dict[int, int]] = {}
    for role, network in sorted(file.networks.items(), key=lambda item: item[0] == "critic"):  # the critic last
        name = "critic" if role == "critic" else "generator"
        read = {
            ("generator", True): _stylegan2_generator,
            ("critic", True): _stylegan2_critic,
            ("generator", False): _growing_generator,
            ("critic", False): _growing_critic,
        }[name, file.family == "stylegan2"]
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


def _shape(arrays: Arrays, name: str, dimensions: int) -> tuple[int, ...]:
    require_field(name in arrays, f"array {name}", "there", described="none")
    shape = arrays[name].shape
    fits = len(shape) == dimensions and min(shape) > 0
    require_field(fits, f"array {name}", f"{dimensions}-dimensional", described=str(shape))
    return shape


def _sides(arrays: Arrays, pattern: str) -> list[int]:
    """The resolutions in the names of arrays: each twice the one before."""
    sides = sorted({int(match[1]) for name in arrays if (match := re.match(pattern, name))})
    doubled = bool(sides) and len(sides) <= MAX_LEVELS and sides == [sides[0] << n for n in range(len(sides))]
    require_field(
        doubled and sides[-1] <= _LARGEST_SIDE,
        "resolutions",
        f"at most {MAX_LEVELS}, each twice the one before, and not above {_LARGEST_SIDE}",
        described=str(sides),
    )
    return sides


def _count(names: Iterable[str], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in names)


def _images(sides: list[int], channels: int) -> dict[str, Any]:
    require_field(channels in (1, 3, 4), "image channels", "1, 3 or 4", channels)
    return {"base_size": str(sides[0]), "resolution": str(sides[-1]), "channels": channels}


def _growing_generator(network: PublishedNetwork) -> tuple[dict[str, Any], dict[int, int]]:
    arrays = network.arrays
    style = any(name.startswith("G_synthesis/") for name in arrays)
    prefix = "G_synthesis/" if style else ""
    sides = _sides(arrays, rf"{prefix}(\d{{1,5}})x\1/")
    base = f"{prefix}{sides[0]}x{sides[0]}"
    maps = {0: _shape(arrays, f"{base}/Conv/weight", 4)[3]}
    maps |= {n: _shape(arrays, f"{prefix}{side}x{side}/Conv1/weight", 4)[3] for n, side in enumerate(sides) if n}
    channels = _shape(arrays, f"{prefix}ToRGB_lod0/weight", 4)[3]
    constant = f"{base}/Const/const" in arrays
    layers = _count(arrays, r"G_mapping/Dense\d+/weight")
    classes = network.num_classes
    if layers:
        inputs, width = _shape(arrays, "G_mapping/Dense0/weight", 2)
        w_size = _shape(arrays, f"G_mapping/Dense{layers - 1}/weight", 2)[1]
        if "G_mapping/LabelConcat/weight" in arrays:
            classes = _shape(arrays, "G_mapping/LabelConcat/weight", 2)[0]
            inputs //= 2
        z_size = inputs
    else:
        name = f"{base}/Dense/weight"
        z_size = _shape(arrays, name, 2)[0] - classes
        w_size, width = z_size, 0
        require_field(z_size > 0, f"array {name}", "of more rows than there are labels", z_size + classes)
    return {
        **_images(sides, channels),
        "num_classes": classes,
        "z_size": z_size,
        "w_size": w_size,
        "mapping_layers": layers,
        "mapping_width": width if width != w_size and layers > 1 else 0,
        "constant_input": constant,
        "style": any("/StyleMod/" in name for name in arrays),
        "noise": any("/Noise/" in name for name in arrays),
    }, maps


def _growing_critic(network: PublishedNetwork) -> tuple[dict[str, Any], dict[int, int]]:
    arrays = network.arrays
    sides = _sides(arrays, r"(\d{1,5})x\1/")
    base = f"{sides[0]}x{sides[0]}"
    maps = {-1: _shape(arrays, f"{base}/Dense0/weight", 2)[1], 0: _shape(arrays, f"{base}/Conv/weight", 4)[3]}
    maps |= {n: _shape(arrays, f"{side}x{side}/Conv0/weight", 4)[2] for n, side in enumerate(sides) if n}
    outputs = _shape(arrays, f"{base}/Dense1/weight", 2)[1]
    classes = network.num_classes or outputs - 1
    classifies = classes > 0 and outputs == classes + 1
    require_field(
        classifies or outputs == max(classes, 1),
        "the critic",
        "one with a score for each class, or with one score and the classes, as ProGAN's",
        described=f"{outputs} outputs for {classes} classes",
    )
    return {
        **_images(sides, _shape(arrays, "FromRGB_lod0/weight", 4)[2]),
        "num_classes": classes,
        "critic_classifies": classifies,
    }, maps


def _stylegan2_generator(network: PublishedNetwork) -> tuple[dict[str, Any], dict[int, int]]:
    arrays = network.arrays
    sides = _sides(arrays, r"synthesis\.b(\d{1,5})\.")
    maps = {n: _shape(arrays, f"synthesis.b{side}.conv1.weight", 4)[0] for n, side in enumerate(sides)}
    layers = _count(arrays, r"mapping\.fc\d+\.weight")
    width, inputs = _shape(arrays, "mapping.fc0.weight", 2)
    w_size = _shape(arrays, f"mapping.fc{layers - 1}.weight", 2)[0]
    classes, labels = 0, {}
    if "mapping.embed.weight" in arrays:
        embedded, classes = _shape(arrays, "mapping.embed.weight", 2)
        inputs, labels = inputs - embedded, {"label_design": "stylegan2-ada"}
    elif "mapping.label_concat.weight" in arrays:
        classes, embedded = _shape(arrays, "mapping.label_concat.weight", 2)
        inputs, labels = inputs - embedded, {"label_design": "stylegan2"}
    require_field(inputs > 0, "array mapping.fc0.weight", "of more columns than labels are embedded in", inputs)
    architecture = _architecture(arrays, r"synthesis\.b\d+\.skip\.weight", r"synthesis\.b\d+\.torgb\.weight")
    return {
        **_images(sides, _shape(arrays, f"synthesis.b{sides[-1]}.torgb.weight", 4)[0]),
        "num_classes": classes,
        "z_size": inputs,
        "w_size": w_size,
        "mapping_layers": layers,
        "mapping_width": width if width != w_size and layers > 1 else 0,
        "noise": any(name.endswith(".noise_const") for name in arrays),
        "generator_architecture": network.settings.get("generator_architecture", architecture),
        **labels,
    }, maps


def _stylegan2_critic(network: PublishedNetwork) -> tuple[dict[str, Any], dict[int, int]]:
    arrays = network.arrays
    sides = _sides(arrays, r"b(\d{1,5})\.")
    maps = {0: _shape(arrays, f"b{sides[0]}.conv.weight", 4)[0]}
    maps |= {n: _shape(arrays, f"b{side}.conv0.weight", 4)[1] for n, side in enumerate(sides) if n}
    channels = _shape(arrays, f"b{sides[-1]}.fromrgb.weight", 4)[1]
    if "mapping.embed.weight" in arrays:
        classes = _shape(arrays, "mapping.embed.weight", 2)[1]
        labels = {"label_design": "stylegan2-ada", "critic_mapping_layers": _count(arrays, r"mapping\.fc\d+\.weight")}
    else:
        outputs = _shape(arrays, f"b{sides[0]}.out.weight", 2)[0]
        classes = outputs if outputs > 1 else min(network.num_classes, 1)
        labels = {"label_design": "stylegan2"} if classes else {}
    architecture = _architecture(arrays, r"b\d+\.skip\.weight", r"b\d+\.fromrgb\.weight")
    return {
        **_images(sides, channels),
        "num_classes": classes,
        "critic_architecture": network.settings.get("critic_architecture", architecture),
        **labels,
    }, maps


def _architecture(arrays: Arrays, skip: str, rgb: str) -> str:
    if _count(arrays, skip):
        return "resnet"
    return "skip" if _count(arrays, rgb) > 1 else "orig"
