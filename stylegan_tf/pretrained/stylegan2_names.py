"""From the variable names of the published StyleGAN2-ADA networks (the PyTorch ones) to ours.

The published arrays are channels first and dense matrices are [out, in]; ours are channels last and [in, out].
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from stylegan_tf.networks.generator import Generator
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.stylegan2.critic import StyleGAN2Critic
from stylegan_tf.pretrained.array_shapes import Arrays, Structure, array_shape, count_of, image_settings, sides_of
from stylegan_tf.pretrained.filling import SAME, Array, Entry, Layout, transposed
from stylegan_tf.pretrained.published_file import PublishedNetwork, require_field

_CONV_KERNEL = transposed(2, 3, 1, 0)
_DENSE_KERNEL = transposed(1, 0)
_NOISE_IMAGE = Layout(
    lambda array: array[None, :, :, None] if array.ndim == 2 else array, lambda array: array[0, :, :, 0]
)
_CONSTANT = Layout(lambda array: np.transpose(array, (1, 2, 0))[None], lambda array: np.transpose(array[0], (2, 0, 1)))


def _conv(prefix: str, layer: Any) -> dict[str, Entry]:
    entries: dict[str, Entry] = {f"{prefix}.weight": (layer.kernel, _CONV_KERNEL)}
    return {**entries, f"{prefix}.bias": (layer.bias, SAME)} if layer.use_bias else entries


def _dense(prefix: str, layer: Any) -> dict[str, Entry]:
    return {f"{prefix}.weight": (layer.kernel, _DENSE_KERNEL), f"{prefix}.bias": (layer.bias, SAME)}


def _mapping(mapping: MappingNetwork) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    if mapping.num_classes and mapping.label_input == "normalized":
        entries = _dense("mapping.embed", mapping.label_dense)
    elif mapping.num_classes:  # which no PyTorch code has: a name of ours
        entries["mapping.label_concat.weight"] = (mapping.label_embedding, SAME)
    for index, layer in enumerate(mapping.dense):
        entries |= _dense(f"mapping.fc{index}", layer)
    return entries


def _modulated(prefix: str, conv: Any, bias: Any) -> dict[str, Entry]:
    return {
        f"{prefix}.weight": (conv.kernel, _CONV_KERNEL),
        f"{prefix}.bias": (bias, SAME),
        **_dense(f"{prefix}.affine", conv.affine),
    }


def generator_bridge(generator: Generator) -> tuple[dict[str, Entry], dict[str, Array]]:
    """The published variables of a generator, and its filters."""
    entries = generator_entries(generator)
    return entries, filter_constants(entries, generator.synthesis.options["resample_filter"])


def critic_bridge(critic: StyleGAN2Critic) -> tuple[dict[str, Entry], dict[str, Array]]:
    """The published variables of a critic, and its filters."""
    entries = critic_entries(critic)
    return entries, filter_constants(entries, critic.options["resample_filter"])


def unpublished(generator: Generator) -> list[Any]:
    """Nothing: all variables are published."""
    return []


def generator_entries(generator: Generator) -> dict[str, Entry]:
    """The published generator's variable names, each with our variable and its layout."""
    synthesis: Any = generator.synthesis
    entries: dict[str, Entry] = {
        "mapping.w_avg": (generator.w_average, SAME),
        **_mapping(generator.mapping),
        f"synthesis.b{synthesis.base_size[0]}.const": (synthesis.constant.constant, _CONSTANT),
    }
    for level, block in enumerate(synthesis.blocks):
        prefix = f"synthesis.b{synthesis.size(level)[0]}"
        for name, layer in zip(("conv0", "conv1") if level else ("conv1",), block, strict=True):
            entries |= _modulated(f"{prefix}.{name}", layer.conv, layer.bias)
            if layer.noise is not None:
                entries[f"{prefix}.{name}.noise_strength"] = (layer.noise.strength, SAME)
                entries[f"{prefix}.{name}.noise_const"] = (layer.noise.fixed_noise, _NOISE_IMAGE)
        if synthesis.skips and level:
            entries |= _conv(f"{prefix}.skip", synthesis.skips[level - synthesis.num_levels])
    for level, to_rgb in enumerate(synthesis.to_rgb, start=synthesis.num_levels - len(synthesis.to_rgb)):
        entries |= _modulated(f"synthesis.b{synthesis.size(level)[0]}.torgb", to_rgb, to_rgb.bias)
    return entries


def critic_entries(critic: StyleGAN2Critic) -> dict[str, Entry]:
    """The published discriminator's variable names, likewise."""
    height, width = critic.base_size

    def features_last(array: Array) -> Array:
        array = array.reshape(array.shape[0], -1, height, width)
        return np.transpose(array, (2, 3, 1, 0)).reshape(-1, array.shape[0])

    def features_first(array: Array) -> Array:
        outputs = array.shape[1]
        array = array.reshape(height, width, -1, outputs)
        return np.transpose(array, (3, 2, 0, 1)).reshape(outputs, -1)

    entries: dict[str, Entry] = {
        **_conv(f"b{height}.conv", critic.conv),
        **_dense(f"b{height}.fc", critic.dense),
        **_dense(f"b{height}.out", critic.score),
        **({} if critic.mapping is None else _mapping(critic.mapping)),
    }
    entries[f"b{height}.fc.weight"] = (critic.dense.kernel, Layout(features_last, features_first))
    for level, block in enumerate(critic.blocks):
        prefix = f"b{height << level}"
        for name, conv in zip(("conv0", "conv1"), block, strict=False):
            entries |= _conv(f"{prefix}.{name}", conv)
        if critic.skips and level:
            entries |= _conv(f"{prefix}.skip", critic.skips[level - critic.num_levels])
    for level, from_rgb in enumerate(critic.from_rgb, start=critic.num_levels - len(critic.from_rgb)):
        entries |= _conv(f"b{height << level}.fromrgb", from_rgb)
    return entries


def filter_constants(entries: dict[str, Entry], taps: tuple[float, ...]) -> dict[str, Array]:
    """The published names of the resampling filter, which every convolution but those to RGB and every block carry.

    The critic's smallest resolution is no block.

    Args:
        entries: Of `generator_entries` or `critic_entries`.
        taps: The network's own filter along one axis.

    Returns:
        By name, float32 [k, k].
    """
    kernel = np.outer(taps, taps).astype(np.float32) / np.float32(np.sum(taps) ** 2)
    layers = {
        name.removesuffix(".weight")
        for name in entries
        if re.search(r"b\d+\.(conv0|conv1|conv|skip|fromrgb)\.weight$", name)
    }
    blocks = {layer.rpartition(".")[0] for layer in layers if layer.endswith((".conv0", ".conv1"))}
    return {f"{prefix}.resample_filter": kernel for prefix in layers | blocks}


def published_metadata(network: Generator | StyleGAN2Critic) -> dict[str, str]:
    """What the PyTorch code's class is made with, unless that code has no such networks.

    It has none that grow, none that repeat edges, and none with labels as the first StyleGAN2 had them.
    """
    if isinstance(network, Generator):
        mapping = network.mapping
        synthesis: Any = network.synthesis
        published = not synthesis.grows and synthesis.options["padding"] == "zeros"
        known = published and (not mapping.num_classes or mapping.label_input == "normalized")
        return _pytorch_metadata(_generator_arguments(network) if known else {})
    known = not network.grows and not (network.num_classes and network.options["scores_by_class"])
    return _pytorch_metadata(_critic_arguments(network) if known else {})


def _pytorch_metadata(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {
        "format": "pt",
        "names": "StyleGAN2-ADA, PyTorch",
        **({"arguments": json.dumps(arguments)} if arguments else {}),
    }


def _shape_arguments(options: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "channel_base": 2 * options["feature_maps_base"],
        "channel_max": options["feature_maps_max"],
        "num_fp16_res": 0,
        "conv_clamp": options["clamp"],
    }


def _generator_arguments(generator: Generator) -> dict[str, Any]:
    mapping: Any = generator.mapping
    synthesis: Any = generator.synthesis
    return {
        "z_dim": generator.z_size,
        "c_dim": mapping.num_classes,
        "w_dim": mapping.output_size,
        "img_resolution": synthesis.size(synthesis.num_levels - 1)[0],
        "img_channels": synthesis.channels,
        "mapping_kwargs": {
            "num_layers": mapping.num_layers,
            "lr_multiplier": mapping.learning_rate_multiplier,
            **({"layer_features": mapping.hidden_size} if mapping.hidden_size else {}),
        },
        "synthesis_kwargs": {
            **_shape_arguments(synthesis.options, synthesis.architecture),
            "resample_filter": list(synthesis.options["resample_filter"]),
            "use_noise": synthesis.has_noise,
        },
    }


def _critic_arguments(critic: StyleGAN2Critic) -> dict[str, Any]:
    options = critic.options
    return {
        "c_dim": critic.num_classes,
        "img_resolution": critic.base_size[0] << (critic.num_levels - 1),
        "img_channels": critic.channels,
        **_shape_arguments(options, critic.architecture),
        "block_kwargs": {"resample_filter": list(options["resample_filter"])},
        "mapping_kwargs": {
            "num_layers": options["mapping_layers"],
            "lr_multiplier": options["mapping_learning_rate_multiplier"],
        },
        "epilogue_kwargs": {
            "mbstd_group_size": options["minibatch_stddev_group"],
            # Without channels that code leaves the statistic out, whatever the group.
            "mbstd_num_channels": 0 if critic.minibatch_stddev is None else options["minibatch_stddev_features"],
        },
    }


def generator_structure(network: PublishedNetwork) -> Structure:
    """What a generator's arrays are of."""
    arrays = network.arrays
    sides = sides_of(arrays, r"synthesis\.b(\d{1,5})\.")
    maps = {n: array_shape(arrays, f"synthesis.b{side}.conv1.weight", 4)[0] for n, side in enumerate(sides)}
    layers = count_of(arrays, r"mapping\.fc\d+\.weight")
    width, inputs = array_shape(arrays, "mapping.fc0.weight", 2)
    w_size = array_shape(arrays, f"mapping.fc{layers - 1}.weight", 2)[0]
    classes, labels = 0, {}
    if "mapping.embed.weight" in arrays:
        embedded, classes = array_shape(arrays, "mapping.embed.weight", 2)
        inputs, labels = inputs - embedded, {"label_design": "stylegan2-ada"}
    elif "mapping.label_concat.weight" in arrays:
        classes, embedded = array_shape(arrays, "mapping.label_concat.weight", 2)
        inputs, labels = inputs - embedded, {"label_design": "stylegan2"}
    require_field(inputs > 0, "array mapping.fc0.weight", "of more columns than labels are embedded in", inputs)
    architecture = _architecture(arrays, r"synthesis\.b\d+\.skip\.weight", r"synthesis\.b\d+\.torgb\.weight")
    return {
        **image_settings(sides, array_shape(arrays, f"synthesis.b{sides[-1]}.torgb.weight", 4)[0]),
        "num_classes": classes,
        "z_size": inputs,
        "w_size": w_size,
        "mapping_layers": layers,
        "mapping_width": width if width != w_size and layers > 1 else 0,
        "noise": any(name.endswith(".noise_const") for name in arrays),
        "generator_architecture": network.settings.get("generator_architecture", architecture),
        **labels,
    }, maps


def critic_structure(network: PublishedNetwork) -> Structure:
    """What a critic's arrays are of."""
    arrays = network.arrays
    sides = sides_of(arrays, r"b(\d{1,5})\.")
    maps = {0: array_shape(arrays, f"b{sides[0]}.conv.weight", 4)[0]}
    maps |= {n: array_shape(arrays, f"b{side}.conv0.weight", 4)[1] for n, side in enumerate(sides) if n}
    channels = array_shape(arrays, f"b{sides[-1]}.fromrgb.weight", 4)[1]
    if "mapping.embed.weight" in arrays:
        classes = array_shape(arrays, "mapping.embed.weight", 2)[1]
        labels = {"label_design": "stylegan2-ada", "critic_mapping_layers": count_of(arrays, r"mapping\.fc\d+\.weight")}
    else:
        outputs = array_shape(arrays, f"b{sides[0]}.out.weight", 2)[0]
        classes = outputs if outputs > 1 else min(network.num_classes, 1)
        labels = {"label_design": "stylegan2"} if classes else {}
    architecture = _architecture(arrays, r"b\d+\.skip\.weight", r"b\d+\.fromrgb\.weight")
    return {
        **image_settings(sides, channels),
        "num_classes": classes,
        "critic_architecture": network.settings.get("critic_architecture", architecture),
        **labels,
    }, maps


def _architecture(arrays: Arrays, skip: str, rgb: str) -> str:
    if count_of(arrays, skip):
        return "resnet"
    return "skip" if count_of(arrays, rgb) > 1 else "orig"
