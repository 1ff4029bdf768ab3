"""From the variable names of the published StyleGAN2-ADA networks (the PyTorch ones) to ours.

The published arrays are channels first and dense matrices are [out, in]; ours are channels last and [in, out].
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from stylegan_tf.networks.generator import Generator
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.stylegan2.critic import StyleGAN2Critic
from stylegan_tf.pretrained.filling import SAME, Array, Entry, Layout, transposed

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
