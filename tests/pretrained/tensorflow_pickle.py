"""Writes pickles as the published TensorFlow codes do, of whatever arrays."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


class Network:
    """Stands for a network of that code: only its name and its state are written."""

    def __init__(
        self,
        name: str,
        function: str,
        arguments: dict[str, Any],
        variables: dict[str, np.ndarray],
        components: dict[str, Network] | None = None,
        version: int = 4,
    ) -> None:
        self._state = {
            "version": version,
            "name": name,
            "static_kwargs": arguments,
            "components": components or {},
            "build_module_src": "raise SystemExit('never run')",
            "build_func_name": function,
            "variables": list(variables.items()),
        }

    def __getstate__(self) -> dict[str, Any]:
        return self._state


class _Pickler(pickle._Pickler):  # the one in C would look the published module up
    dispatch = pickle._Pickler.dispatch.copy()

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is Network:
            self.save("dnnlib.tflib.network")
            self.save("Network")
            self.write(pickle.STACK_GLOBAL)
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    dispatch[type] = save_global


def pickled(networks: Any) -> bytes:
    """The bytes of a file that holds them."""
    file = io.BytesIO()
    _Pickler(file, protocol=4).dump(networks)
    return file.getvalue()


def generator_variables(arrays: Arrays) -> tuple[Arrays, Arrays, Arrays]:
    """PyTorch's arrays of StyleGAN2 by TensorFlow's name and layout: own variables, mapping's, synthesis'."""
    mapping, synthesis = {}, {}
    layers = {"conv0": "Conv0_up", "conv1": "Conv1", "torgb": "ToRGB", "skip": "Skip"}
    for name, array in arrays.items():
        if name.endswith("resample_filter") or name == "mapping.w_avg":
            continue
        part, *path = name.split(".")
        if path[0] == "label_concat":
            mapping["LabelConcat/weight"] = array
            continue
        if part == "mapping":
            layer = "LabelEmbed" if path[0] == "embed" else path[0].replace("fc", "Dense")
            mapping[f"{layer}/{path[1]}"] = array.T
            continue
        side = int(path[0][1:])
        if path[1] == "const":
            synthesis[f"{side}x{side}/Const/const"] = array[np.newaxis]
            continue
        layer = "Conv" if side == 4 and path[1] == "conv1" else layers[path[1]]
        prefix, what = f"{side}x{side}/{layer}", ".".join(path[2:])
        if what == "noise_const":
            index = 2 * int(np.log2(side)) - (5 if path[1] == "conv0" else 4)
            synthesis[f"noise{index}"] = array[np.newaxis, np.newaxis]
        elif what == "weight":
            kernel = np.transpose(array, (2, 3, 1, 0))
            synthesis[f"{prefix}/weight"] = kernel[::-1, ::-1] if path[1] == "conv0" else kernel
        elif what == "affine.weight":
            synthesis[f"{prefix}/mod_weight"] = array.T
        elif what == "affine.bias":
            synthesis[f"{prefix}/mod_bias"] = array - 1
        else:
            synthesis[f"{prefix}/{what}"] = array
    return {"lod": np.float32(0), "dlatent_avg": arrays["mapping.w_avg"]}, mapping, synthesis


def critic_variables(arrays: Arrays) -> Arrays:
    """The same of a critic."""
    variables = {"lod": np.float32(0)}
    layers = {
        "fromrgb": "FromRGB",
        "conv0": "Conv0",
        "conv1": "Conv1_down",
        "skip": "Skip",
        "conv": "Conv",
        "fc": "Dense0",
    }
    for name, array in arrays.items():
        if name.endswith("resample_filter"):
            continue
        first, layer, *rest = name.split(".")
        what = rest[-1] if rest else layer
        array = np.transpose(array, (2, 3, 1, 0)) if array.ndim == 4 else array.T
        if first == "mapping":
            variables[f"{'LabelEmbed' if layer == 'embed' else layer.replace('fc', 'Mapping')}/{what}"] = array
        elif layer == "out":
            variables[f"Output/{what}"] = array
        else:
            side = int(first[1:])
            variables[f"{side}x{side}/{layers[layer]}/{what}"] = array
    return variables


def stylegan2_pickle(
    generator: Arrays, critic: Arrays | None, arguments: dict[str, Any], of_critic: dict[str, Any] | None = None
) -> bytes:
    """The bytes of a file (G, D, Gs) of PyTorch's arrays; G and Gs are the same, and without a critic D is None."""
    own, mapping, synthesis = generator_variables(generator)
    components = {
        "synthesis": Network("G_synthesis", "G_synthesis_stylegan2", arguments, synthesis),
        "mapping": Network("G_mapping", "G_mapping", arguments, mapping),
    }
    all_of_critic = {**arguments, **(of_critic or {})}
    d = None if critic is None else Network("D", "D_stylegan2", all_of_critic, critic_variables(critic))
    g, gs = (Network(name, "G_main", arguments, own, components) for name in ("G", "Gs"))
    return pickled((g, d, gs))
