"""The pickles of StyleGAN2-ADA for PyTorch, and of the StyleGAN2 networks of StyleGAN3's code: a dictionary of modules.

A module is written as its source code, its class's name and its `__dict__`. Only the last is looked at.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from stylegan_tf.pickles.machine import Builder, build_dictionary, build_list
from stylegan_tf.pickles.tensors import TENSOR_NAMES, as_tensor
from stylegan_tf.pretrained.published_file import (
    STYLEGAN2_PRESET,
    PublishedFile,
    PublishedNetwork,
    as_num_classes,
    as_number,
    as_text_table,
    checked_arrays,
    read_each,
    require_array_count,
    require_at_most,
    require_field,
    wanted_networks,
)

_NETWORKS = {"G": "generator", "D": "critic", "G_ema": "generator_ema"}
_DEEPEST_MODULE, _MOST_MODULES = 8, 1000
_MOST_IMAGES = 1 << 40  # that a file may say it was trained on
_MAPPING_LAYER = r"mapping\.fc\d+\."
_LINEAR_LAYERS = ("affine", "embed", "out", "skip", "torgb")

# Members of a transformation's group in the augmentation pipeline, as its arguments name them.
_AUGMENTATIONS = {
    "blit": ("xflip", "rotate90", "xint"),
    "geometry": ("scale", "rotate", "aniso", "xfrac"),
    "color": ("brightness", "contrast", "lumaflip", "hue", "saturation"),
    "filter": ("imgfilter",),
    "noise": ("noise",),
    "cutout": ("cutout",),
}


class PickledModule:
    """A module, by the table that its code pickles it with: its state is among it."""

    def __init__(self, table: Any) -> None:
        table = as_text_table(table, "a module")
        self.state: dict[str, Any] = table.get("state")
        require_field(isinstance(self.state, dict), "the state of a module", "a dictionary", self.state)


PYTORCH_NAMES: dict[tuple[str, str], Any] = {
    **TENSOR_NAMES,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): Builder(PickledModule),
    ("dnnlib.util", "EasyDict"): Builder(build_dictionary),
    ("builtins", "set"): Builder(build_list),
    ("__builtin__", "set"): Builder(build_list),
    # Attributes of modules in other people's versions of the code.
    ("torch", "device"): Builder(lambda *words: words),
    ("torch", "Size"): Builder(build_list),
    **{("torch", name): np.dtype(name) for name in ("float16", "float32", "float64")},
}


def read_pytorch_file(unpickled: Any, *, skip_critic: bool = False) -> PublishedFile | None:
    """What was unpickled, when it is networks of the PyTorch code: G, D and G_ema, or one generator.

    Args:
        unpickled: Of `load_pickle`, with `PYTORCH_NAMES` and NumPy's.
        skip_critic: Leave a critic unread.

    Returns:
        None for anything else.

    Raises:
        ValueError: For networks of a kind that is not known, or damaged ones.
    """
    if isinstance(unpickled, PickledModule):
        unpickled = {"G_ema": unpickled}
    if not isinstance(unpickled, dict) or not any(isinstance(unpickled.get(key), PickledModule) for key in _NETWORKS):
        return None
    modules = {role: unpickled.get(key) for key, role in _NETWORKS.items()}
    networks = read_each(wanted_networks(modules, skip_critic=skip_critic), _read_network)
    data = unpickled.get("training_set_kwargs")
    data = {} if data is None else as_text_table(data, "training_set_kwargs")
    settings, augment_p = _augmentation(unpickled.get("augment_pipe"))
    if isinstance(data.get("xflip"), bool):
        settings["mirror"] = data["xflip"]
    path, count = data.get("path"), data.get("max_size")
    return PublishedFile(
        "StyleGAN2 with PyTorch (StyleGAN2-ADA's or StyleGAN3's code)",
        STYLEGAN2_PRESET,
        networks,
        settings,
        augment_p,
        data=path if isinstance(path, str) and path.isprintable() and len(path) < 1000 else "",
        num_images=count if isinstance(count, int) and 0 < count < _MOST_IMAGES else 0,
    )


def _modules(module: PickledModule, path: str = "", depth: int = 0) -> Iterator[tuple[str, PickledModule]]:
    """A module and those in it, each with its path, such as "synthesis.b8.conv0."."""
    require_at_most(_DEEPEST_MODULE, depth + 1, "modules", " levels deep")
    yield path, module
    for name, child in as_text_table(module.state.get("_modules", {}), "the modules of a module").items():
        if child is not None:
            require_field(isinstance(child, PickledModule), f"module {path}{name}", "a module", child)
            yield from _modules(child, f"{path}{name}.", depth + 1)


def _all_modules(module: PickledModule) -> dict[str, PickledModule]:
    found = list(itertools.islice(_modules(module), _MOST_MODULES + 1))  # one can be in many places, which can, too
    require_at_most(_MOST_MODULES, len(found), "modules")
    return dict(found)


def _read_arrays(modules: Mapping[str, PickledModule]) -> dict[str, np.ndarray]:
    arrays = {}
    for path, module in modules.items():
        for kind in ("_parameters", "_buffers"):
            for name, value in as_text_table(module.state.get(kind, {}), kind).items():
                if value is not None:
                    tensor = as_tensor(value)
                    if tensor is None:
                        require_field(False, f"{path}{name}", "a tensor", value)
                    else:
                        arrays[f"{path}{name}"] = tensor.read()
                        require_array_count(len(arrays))
    return checked_arrays(arrays)


def _attribute(modules: Mapping[str, PickledModule], path: str, name: str, default: Any) -> Any:
    return modules[path].state.get(name, default) if path in modules else default


def _read_network(role: str, module: Any) -> PublishedNetwork:
    require_field(isinstance(module, PickledModule), f"the {role}", "a network", module)
    return _read_critic(module) if role == "critic" else _read_generator(module)


def _read_generator(module: PickledModule) -> PublishedNetwork:
    modules = _all_modules(module)
    require_field(
        "synthesis.input." not in modules,
        "the generator",
        "one of StyleGAN2's; StyleGAN3's alias-free networks cannot be read",
        described="an alias-free one",
    )
    settings = _shared_settings(modules)
    settings |= _mapping_settings(modules, "mapping_learning_rate_multiplier")
    decay = _attribute(modules, "mapping.", "w_avg_beta", None)
    settings["w_average_decay"] = as_number(decay, "w_avg_beta", if_none=1.0)
    return PublishedNetwork(_read_arrays(modules), settings, as_num_classes(module.state, "c_dim"))


def _read_critic(module: PickledModule) -> PublishedNetwork:
    modules = _all_modules(module)
    settings = _shared_settings(modules)
    statistic = next((path for path in modules if path.endswith("mbstd.")), None)
    group: int | None = 0
    features = 1
    if statistic is not None:
        size = modules[statistic].state.get("group_size", 4)
        group = None if size is None else int(as_number(size, "mbstd's group_size"))
        # With a group of one this code has a constant feature map, which our critic leaves out.
        require_field(group is None or group > 1, "mbstd's group_size", "2 or more, or None", size)
        features = int(as_number(modules[statistic].state.get("num_channels", 1), "mbstd's num_channels"))
    settings |= {"minibatch_stddev_group": group, "minibatch_stddev_features": features}
    settings |= _mapping_settings(modules, "critic_mapping_learning_rate_multiplier")
    return PublishedNetwork(_read_arrays(modules), settings, as_num_classes(module.state, "c_dim"))


def _mapping_settings(modules: Mapping[str, PickledModule], field: str) -> dict[str, Any]:
    """The learning-rate multiplier of a mapping network, by the name of our field; nothing when it has no layers."""
    layers = [module for path, module in modules.items() if re.fullmatch(_MAPPING_LAYER, path)]
    rates = {as_number(layer.state.get("bias_gain"), "the mapping network's lr_multiplier") for layer in layers}
    _require_one(rates, "lr_multiplier", "the same in all mapping layers")
    return {field: rates.pop()} if rates else {}


def _require_one(numbers: set[float], name: str, expected: str) -> None:
    require_field(len(numbers) <= 1, name, expected, described=", ".join(f"{number:g}" for number in sorted(numbers)))


def _shared_settings(modules: Mapping[str, PickledModule]) -> dict[str, Any]:
    """Clamp and resampling filter, which all layers must agree on."""
    clamps: set[float] = set()
    filters: set[tuple[float, ...] | None] = set()
    for path, module in modules.items():
        state = module.state
        if "conv_clamp" in state and not path.endswith(".skip."):  # skips never have one
            clamps.add(as_number(state["conv_clamp"], f"{path}conv_clamp", if_none=0.0))
        filters.add(_taps(module, path))
        _check_layer(path, state)
    filters.discard(None)
    _require_one(clamps, "conv_clamp", "the same in all layers")
    require_field(
        len(filters) <= 1, "resample_filter", "the same in all layers", described=f"{len(filters)} different ones"
    )
    return {**({"clamp": clamps.pop()} if clamps else {}), **({"resample_filter": filters.pop()} if filters else {})}


def _check_layer(path: str, state: Mapping[str, Any]) -> None:
    """Refuses what would make another function of a layer's arrays."""
    linear = path.removesuffix(".").rpartition(".")[2] in _LINEAR_LAYERS
    buffers = as_text_table(state.get("_buffers", {}), "_buffers")
    wanted: dict[str, Any] = {"activation": "linear" if linear else "lrelu", "use_noise": "noise_const" in buffers}
    wanted |= {} if re.fullmatch(_MAPPING_LAYER, path) else {"bias_gain": 1}
    for name, value in wanted.items():
        require_field(state.get(name, value) == value, f"{path}{name}", repr(value), state.get(name))
    wanted_gain = 1.0 if linear else math.sqrt(2)
    gain = as_number(state.get("act_gain", wanted_gain), f"{path}act_gain")
    require_field(math.isclose(gain, wanted_gain, rel_tol=1e-6), f"{path}act_gain", f"{wanted_gain:.7g}", gain)


def _taps(module: PickledModule, path: str) -> tuple[float, ...] | None:
    """The filter along one axis, with a smallest tap of 1."""
    buffers = as_text_table(module.state.get("_buffers", {}), "_buffers")
    tensor = as_tensor(buffers.get("resample_filter"))
    if tensor is None:
        return None
    kernel = tensor.read()
    small = kernel.ndim == 2 and 0 < kernel.size <= 32**2
    kernel = kernel.astype(np.float64) if small else kernel
    require_field(
        small and bool(np.all((kernel > 1e-6) & (kernel < 1e6))),
        f"{path}resample_filter",
        "a small square of positive numbers",
        described=f"shape {kernel.shape}",
    )
    taps = kernel.sum(axis=1)
    return tuple(np.round(taps / taps.min(), 4).tolist())


def _augmentation(pipe: Any) -> tuple[dict[str, Any], float]:
    """The groups of transformations that are switched on in a pipeline, as settings, and its strength."""
    if pipe is None:
        return {}, 0.0
    require_field(isinstance(pipe, PickledModule), "augment_pipe", "a module", pipe)
    strength = as_tensor(as_text_table(pipe.state.get("_buffers", {}), "_buffers").get("p"))
    numbers = np.zeros(1) if strength is None else strength.read()
    require_field(numbers.size == 1, "augment_pipe's p", "one number", described=f"{numbers.size} of them")
    p = as_number(float(numbers.item()), "augment_pipe's p")  # the published controller lets it rise above 1
    require_field(p >= 0, "augment_pipe's p", "at least 0", p)
    on = [
        group
        for group, members in _AUGMENTATIONS.items()
        if any(as_number(pipe.state.get(member, 0), member) > 0 for member in members)
    ]
    return {"augment": "adaptive", "augment_transforms": ",".join(on)} if on else {}, p
