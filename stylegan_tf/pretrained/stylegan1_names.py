"""From the variable names of the published StyleGAN and progressive growing (TensorFlow's) to ours.

The published arrays are channels first; ours are channels last. See `published_names.PublishedModule`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stylegan_tf.networks.generator import Generator
from stylegan_tf.networks.stylegan1.critic import Critic
from stylegan_tf.pretrained.array_shapes import Structure, array_shape, count_of, image_settings, sides_of
from stylegan_tf.pretrained.filling import SAME, Array, Entry, Layout, transposed
from stylegan_tf.pretrained.published_file import PublishedNetwork, require_field


def generator_bridge(generator: Generator) -> tuple[dict[str, Entry], dict[str, Array]]:
    """The published variables of a generator; there are no constants beside them."""
    return (style_entries if generator.mapping.num_layers else progressive_entries)(generator), {}


def critic_bridge(critic: Critic) -> tuple[dict[str, Entry], dict[str, Array]]:
    """The published variables of a critic, likewise."""
    return critic_entries(critic), {}


def unpublished(generator: Generator) -> list[Any]:
    """Progressive growing publishes no mean of w; for normalised latents it is zero, which ours starts with."""
    return [] if generator.mapping.num_layers else [generator.w_average]


def published_metadata(network: Generator | Critic) -> dict[str, str]:
    """Whose names they are, as safetensors files say it."""
    styled = network.mapping.num_layers if isinstance(network, Generator) else network.options["blur"]
    return {"names": "StyleGAN, TensorFlow" if styled else "ProGAN (2019), TensorFlow"}


_CHANNELS_LAST = transposed(0, 2, 3, 1)


def _resolution_name(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _conv(prefix: str, layer: Any) -> dict[str, Entry]:
    return {f"{prefix}/weight": (layer.kernel, SAME), f"{prefix}/bias": (layer.bias, SAME)}


def style_entries(generator: Generator) -> dict[str, Entry]:
    """StyleGAN's published variable names, each with our variable and its layout."""
    mapping = generator.mapping
    synthesis: Any = generator.synthesis
    entries: dict[str, Entry] = {"dlatent_avg": (generator.w_average, SAME)}
    if mapping.num_classes:
        entries["G_mapping/LabelConcat/weight"] = (mapping.label_embedding, SAME)
    for index, layer in enumerate(mapping.dense):
        entries |= _conv(f"G_mapping/Dense{index}", layer)
    for index, layer in enumerate(synthesis.styled_layers):
        level = index // 2
        resolution = f"G_synthesis/{_resolution_name(synthesis.size(level))}"
        names = ("Const", "Conv") if level == 0 else ("Conv0_up", "Conv1")
        prefix = f"{resolution}/{names[index % 2]}"
        if index == 0:
            entries[f"{prefix}/const"] = (synthesis.input_layer.constant, _CHANNELS_LAST)
            entries[f"{prefix}/bias"] = (synthesis.input_layer.bias, SAME)
        else:
            entries |= _conv(prefix, layer.conv)
        if layer.noise is not None:
            entries[f"{prefix}/Noise/weight"] = (layer.noise.strength, SAME)
            entries[f"G_synthesis/noise{index}"] = (layer.noise.fixed_noise, _CHANNELS_LAST)
        if layer.adain is not None:
            entries |= _conv(f"{prefix}/StyleMod", layer.adain.style)
    for level, layer in enumerate(synthesis.to_rgb):
        entries |= _conv(f"G_synthesis/ToRGB_lod{synthesis.num_levels - 1 - level}", layer)
    return entries


def progressive_entries(generator: Generator) -> dict[str, Entry]:
    """Those of progressive growing, likewise."""
    synthesis: Any = generator.synthesis
    height, width = synthesis.base_size
    base = _resolution_name(synthesis.base_size)

    def features_last(array: Array) -> Array:
        array = array.reshape(array.shape[0], -1, height, width)
        return np.transpose(array, (0, 2, 3, 1)).reshape(array.shape[0], -1)

    def features_first(array: Array) -> Array:
        array = array.reshape(array.shape[0], height, width, -1)
        return np.transpose(array, (0, 3, 1, 2)).reshape(array.shape[0], -1)

    entries: dict[str, Entry] = {
        f"{base}/Dense/weight": (synthesis.input_layer.dense.kernel, Layout(features_last, features_first)),
        f"{base}/Dense/bias": (synthesis.input_layer.bias, SAME),
    }
    for index, layer in enumerate(synthesis.styled_layers[1:], start=1):
        level = index // 2
        conv: Any = layer.conv  # the first layer alone has none
        name = "Conv" if level == 0 else ("Conv0_up" if conv.fused else "Conv0") if index % 2 == 0 else "Conv1"
        entries |= _conv(f"{_resolution_name(synthesis.size(level))}/{name}", conv)
    for level, layer in enumerate(synthesis.to_rgb):
        entries |= _conv(f"ToRGB_lod{synthesis.num_levels - 1 - level}", layer)
    return entries


def critic_entries(critic: Critic) -> dict[str, Entry]:
    """The published critics' variable names, likewise."""
    height, width = critic.base_size
    base = _resolution_name(critic.base_size)

    def features_last(array: Array) -> Array:
        array = array.reshape(-1, height, width, array.shape[1])
        return np.transpose(array, (1, 2, 0, 3)).reshape(-1, array.shape[-1])

    def features_first(array: Array) -> Array:
        array = array.reshape(height, width, -1, array.shape[1])
        return np.transpose(array, (2, 0, 1, 3)).reshape(-1, array.shape[-1])

    entries: dict[str, Entry] = {
        f"{base}/Dense0/weight": (critic.dense.kernel, Layout(features_last, features_first)),
        f"{base}/Dense0/bias": (critic.dense.bias, SAME),
        **_conv(f"{base}/Conv", critic.conv),
        **_conv(f"{base}/Dense1", critic.score),
    }
    for level, layer in enumerate(critic.from_rgb):
        entries |= _conv(f"FromRGB_lod{critic.num_levels - 1 - level}", layer)
        if level:
            resolution = _resolution_name((height << level, width << level))
            conv, conv_down = critic.blocks[level]
            # Progressive growing's separate form has no "_down" in its name.
            down = "Conv1" if conv_down.resample is None else "Conv1_down"
            entries |= _conv(f"{resolution}/Conv0", conv)
            entries |= _conv(f"{resolution}/{down}", conv_down)
    return entries


def generator_structure(network: PublishedNetwork) -> Structure:
    """What a generator's arrays are of."""
    arrays = network.arrays
    style = any(name.startswith("G_synthesis/") for name in arrays)
    prefix = "G_synthesis/" if style else ""
    sides = sides_of(arrays, rf"{prefix}(\d{{1,5}})x\1/")
    base = f"{prefix}{sides[0]}x{sides[0]}"
    maps = {0: array_shape(arrays, f"{base}/Conv/weight", 4)[3]}
    maps |= {n: array_shape(arrays, f"{prefix}{side}x{side}/Conv1/weight", 4)[3] for n, side in enumerate(sides) if n}
    channels = array_shape(arrays, f"{prefix}ToRGB_lod0/weight", 4)[3]
    constant = f"{base}/Const/const" in arrays
    layers = count_of(arrays, r"G_mapping/Dense\d+/weight")
    classes = network.num_classes
    if layers:
        inputs, width = array_shape(arrays, "G_mapping/Dense0/weight", 2)
        w_size = array_shape(arrays, f"G_mapping/Dense{layers - 1}/weight", 2)[1]
        if "G_mapping/LabelConcat/weight" in arrays:
            classes = array_shape(arrays, "G_mapping/LabelConcat/weight", 2)[0]
            inputs //= 2
        z_size = inputs
    else:
        name = f"{base}/Dense/weight"
        z_size = array_shape(arrays, name, 2)[0] - classes
        w_size, width = z_size, 0
        require_field(z_size > 0, f"array {name}", "of more rows than there are labels", z_size + classes)
    return {
        **image_settings(sides, channels),
        "num_classes": classes,
        "z_size": z_size,
        "w_size": w_size,
        "mapping_layers": layers,
        "mapping_width": width if width != w_size and layers > 1 else 0,
        "constant_input": constant,
        "style": any("/StyleMod/" in name for name in arrays),
        "noise": any("/Noise/" in name for name in arrays),
    }, maps


def critic_structure(network: PublishedNetwork) -> Structure:
    """What a critic's arrays are of."""
    arrays = network.arrays
    sides = sides_of(arrays, r"(\d{1,5})x\1/")
    base = f"{sides[0]}x{sides[0]}"
    maps = {-1: array_shape(arrays, f"{base}/Dense0/weight", 2)[1], 0: array_shape(arrays, f"{base}/Conv/weight", 4)[3]}
    maps |= {n: array_shape(arrays, f"{side}x{side}/Conv0/weight", 4)[2] for n, side in enumerate(sides) if n}
    outputs = array_shape(arrays, f"{base}/Dense1/weight", 2)[1]
    classes = network.num_classes or outputs - 1
    classifies = classes > 0 and outputs == classes + 1
    require_field(
        classifies or outputs == max(classes, 1),
        "the critic",
        "one with a score for each class, or with one score and the classes, as ProGAN's",
        described=f"{outputs} outputs for {classes} classes",
    )
    return {
        **image_settings(sides, array_shape(arrays, "FromRGB_lod0/weight", 4)[2]),
        "num_classes": classes,
        "critic_classifies": classifies,
    }, maps
