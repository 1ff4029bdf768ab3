"""StyleGAN2's TensorFlow variables as its PyTorch code names and lays them out, so that one bridge serves both.

Convolutions are [k, k, in, out] in TensorFlow and [out, in, k, k] in PyTorch, dense matrices [in, out] and [out, in].
PyTorch's code sees the kernels of upsampling layers mirrored, and its bias of a style includes the one that
TensorFlow's adds to every style.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from stylegan_tf.errors import UserError
from stylegan_tf.pretrained.filling import Array

Change = Callable[[Array], Array]


def _same(array: Array) -> Array:
    return array


def _conv(array: Array) -> Array:
    return array.transpose(3, 2, 0, 1)


def _mirrored_conv(array: Array) -> Array:
    return array[::-1, ::-1].transpose(3, 2, 0, 1)


def _dense(array: Array) -> Array:
    return array.transpose(1, 0)


def _style_bias(array: Array) -> Array:
    return array + np.float32(1.0)


def _constant(array: Array) -> Array:
    return array.reshape(array.shape[1:])


def _noise_image(array: Array) -> Array:
    return array.reshape(array.shape[2:])


_GENERATOR_LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb", "Skip": "skip"}
_CRITIC_LAYERS = {
    "FromRGB": "fromrgb",
    "Conv0": "conv0",
    "Conv1_down": "conv1",
    "Skip": "skip",
    "Conv": "conv",
    "Dense0": "fc",
}
_RENAMED = {"dlatent_avg": "mapping.w_avg", "G_mapping/LabelConcat/weight": "mapping.label_concat.weight"}
_PARTS: dict[str, tuple[str, Change]] = {
    "weight": ("weight", _conv),
    "mod_weight": ("affine.weight", _dense),
    "mod_bias": ("affine.bias", _style_bias),
    "noise_strength": ("noise_strength", _same),
    "bias": ("bias", _same),
}
# Dense layers outside the resolutions, in the generator's mapping and in the critic; {0} is the smallest resolution.
_DENSE_LAYERS = {
    r"G_mapping/LabelEmbed": "mapping.embed",
    r"G_mapping/Dense(?P<index>\d+)": "mapping.fc{index}",
    r"LabelEmbed": "mapping.embed",
    r"Mapping(?P<index>\d+)": "mapping.fc{index}",
    r"Output": "b{0}.out",
}


def as_pytorch_names(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Renames and lays out the variables of a StyleGAN2 network.

    Args:
        arrays: By TensorFlow's name, those of components under "G_mapping/" and "G_synthesis/". Growing networks, whose
            layers to and from RGB are counted from the largest resolution, are among them.

    Returns:
        By PyTorch's name. Arrays with names that are not known keep them, "lod" among them.

    Raises:
        ValueError: For arrays with another number of dimensions than they should have, or two that get one name.
    """
    sides = [int(match[1]) for name in arrays if (match := re.search(r"(?:^|/)(\d{1,5})x\1/", name))]
    smallest, largest = min(sides, default=4), max(sides, default=4)
    renamed: dict[str, Array] = {}
    for name, array in arrays.items():
        new, change = _renamed(name, array, smallest, largest)
        try:
            changed = change(array)
        except ValueError:
            raise UserError(f"array {name} must have its layer's dimensions. Received: {array.shape}.") from None
        if new in renamed:
            raise UserError(f"the published file must have one array for {new}. Received: a second one, {name}.")
        renamed[new] = changed
    return renamed


def _renamed(name: str, array: Array, smallest: int, largest: int) -> tuple[str, Change]:
    if name in _RENAMED:
        return _RENAMED[name], _same
    for pattern, layer in _DENSE_LAYERS.items():
        if match := re.fullmatch(rf"{pattern}/(?P<part>weight|bias)", name):
            index = match.groupdict().get("index")
            return (
                f"{layer.format(smallest, index=index)}.{match['part']}",
                _dense if match["part"] == "weight" else _same,
            )
    rest = name.removeprefix("G_synthesis/")
    return _renamed_layer(name, rest, "synthesis." if rest != name else "", array, largest)


def _renamed_layer(name: str, rest: str, prefix: str, array: Array, largest: int) -> tuple[str, Change]:
    """Of the layers by resolution; `rest` is the name without its component."""
    layers = _GENERATOR_LAYERS if prefix else _CRITIC_LAYERS
    if prefix and (match := re.fullmatch(r"noise(\d{1,3})", rest)) and array.ndim == 4:
        layer = "conv0" if int(match[1]) % 2 else "conv1"
        return f"{prefix}b{array.shape[2]}.{layer}.noise_const", _noise_image
    if match := re.fullmatch(r"(ToRGB|FromRGB)_lod(\d)/(\w+)", rest):
        side, layer, part = largest >> int(match[2]), match[1], match[3]
    elif match := re.fullmatch(r"(\d{1,5})x\1/(\w+)/(\w+)", rest):
        side, layer, part = int(match[1]), match[2], match[3]
    else:
        return name, _same
    if prefix and (layer, part) == ("Const", "const"):
        return f"{prefix}b{side}.const", _constant
    if layer not in layers or part not in _PARTS:
        return name, _same
    new, change = _PARTS[part]
    if part == "weight":
        change = {"Conv0_up": _mirrored_conv, "Dense0": _dense}.get(layer, _conv)
    return f"{prefix}b{side}.{layers[layer]}.{new}", change
