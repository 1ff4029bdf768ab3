"""The pickles of StyleGAN2-ADA for PyTorch, and of the StyleGAN2 networks of StyleGAN3's code: a dictionary of modules.

A module is written as its source code, its class's name and its `__dict__`. Only the last two are looked at.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from stylegan_tf.pickles.machine import Builder, build_dictionary, build_list
from stylegan_tf.pickles.tensors import TENSOR_NAMES, as_tensor
from stylegan_tf.pretrained.published_file import (
    PublishedFile,
    PublishedNetwork,
    as_number,
    as_text_table,
    checked_arrays,
    require_field,
)

_NETWORKS = {"G": "generator", "D": "critic", "G_ema": "generator_ema"}
_DEEPEST_MODULE, _MOST_MODULES = 8, 1000
_MOST_IMAGES = 1 << 40  # that a file may say it was trained on
_WHOLE_BATCH = 1 << 16  # a larger group than any batch is the whole of it

# Members of a transformation's group in the augmentation pipeline, as its arguments name them.
_AUGMENTATIONS = {
    "blit": ("xflip", "rotate90", "xint"), "geometry": ("scale", "rotate", "aniso", "xfrac"),
    "color": ("brightness", "contrast", "lumaflip", "hue", "saturation"), "filter": ("imgfilter",),
    "noise": ("noise",), "cutout": ("cutout",),
}


class PickledModule:
    """A module, by the table that its code pickles it with: class_name, state and more."""

    def __init__(self, table: Any) -> None:
        table = as_text_table(table, "a module")
        self.class_name = table.get("class_name")
        self.state: dict[str, Any] = table.get("state")
        require_field(isinstance(self.state, dict), "the state of a module", "a dictionary", self.state)


PYTORCH_NAMES: dict[tuple[str, str], Any] = {
    **TENSOR_NAMES,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): Builder(PickledModule),
    ("dnnlib.util", "EasyDict"): Builder(build_dictionary),
    ("builtins", "set"): Builder(build_list),
    ("__builtin__", "set"): Builder(build_list),
}


def read_pytorch_file(unpickled: Any) -> PublishedFile | None:
    """What was unpickled, when it is networks of the PyTorch code: G, D and G_ema, or one generator.

    Args:
      unpickled: of `load_pickle`, with `PYTORCH_NAMES` and NumPy's.

    Returns:
      None for anything else.

    Raises:
      ValueError: for networks of a kind that is not known, or damaged ones.
    """
    if isinstance(unpickled, PickledModule):
        unpickled = {"G_ema": unpickled}
    if not isinstance(unpickled, dict) or not any(isinstance(unpickled.get(key), PickledModule) for key in _NETWORKS):
        return None
    networks = {}
    for key, role in _NETWORKS.items():
        module = unpickled.get(key)
        if module is not None:
            require_field(isinstance(module, PickledModule), key, "a network", module)
            networks[role] = _read_critic(module) if key == "D" else _read_generator(module)
    require_field(bool(networks.keys() - {"critic"}), "the networks", "a generator at least", "a critic alone")
    data = unpickled.get("training_set_kwargs")
    data = {} if data is None else as_text_table(data, "training_set_kwargs")
    settings, augment_p = _augmentation(unpickled.get("augment_pipe"))
    if isinstance(data.get("xflip"), bool):
        settings["mirror"] = data["xflip"]
    path, count = data.get("path"), data.get("max_size")
    return PublishedFile(
        "StyleGAN2 with PyTorch (StyleGAN2-ADA's or StyleGAN3's code)", "stylegan2", networks, settings, augment_p,
        data=path if isinstance(path, str) and path.isprintable() and len(path) < 1000 else "",
        num_images=count if isinstance(count, int) and 0 < count < _MOST_IMAGES else 0,
    )


def _modules(module: PickledModule, path: str = "", depth: int = 0) -> Iterator[tuple[str, PickledModule]]:
    """A module and those in it, each with its path, such as "synthesis.b8.conv0."."""
    require_field(depth < _DEEPEST_MODULE, "modules", f"at most {_DEEPEST_MODULE} levels deep", "more")
    yield path, module
    for name, child in as_text_table(module.state.get("_modules", {}), "the modules of a module").items():
        if child is not None:
            require_field(isinstance(child, PickledModule), f"module {path}{name}", "a module", child)
            yield from _modules(child, f"{path}{name}.", depth + 1)


def _all_modules(module: PickledModule) -> dict[str, PickledModule]:
    found = list(itertools.islice(_modules(module), _MOST_MODULES + 1))  # one can be in many places, which can, too
    require_field(len(found) <= _MOST_MODULES, "modules", f"at most {_MOST_MODULES:,}", "more")
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
    return checked_arrays(arrays)


def _attribute(modules: Mapping[str, PickledModule], path: str, name: str, default: Any) -> Any:
    return modules[path].state.get(name, default) if path in modules else default


def _read_generator(module: PickledModule) -> PublishedNetwork:
    modules = _all_modules(module)
    require_field(
        "synthesis.input." not in modules, "the generator",
        "one of StyleGAN2's; StyleGAN3's alias-free networks cannot be read", "alias-free",
    )
    settings = _shared_settings(modules)
    rate = _attribute(modules, "mapping.fc0.", "bias_gain", 0.01)
    settings["mapping_learning_rate_multiplier"] = as_number(rate, "the mapping network's lr_multiplier")
    decay = _attribute(modules, "mapping.", "w_avg_beta", None)
    settings["w_average_decay"] = 1.0 if decay is None else as_number(decay, "w_avg_beta")
    return PublishedNetwork(_read_arrays(modules), settings, _num_classes(module))


def _read_critic(module: PickledModule) -> PublishedNetwork:
    modules = _all_modules(module)
    settings = _shared_settings(modules)
    statistic = next((path for path in modules if path.endswith("mbstd.")), None)
    group, features = 0, 1
    if statistic is not None:
        group = modules[statistic].state.get("group_size", 4)
        group = _WHOLE_BATCH if group is None else int(as_number(group, "mbstd's group_size"))
        features = int(as_number(modules[statistic].state.get("num_channels", 1), "mbstd's num_channels"))
    settings |= {"minibatch_stddev_group": group, "minibatch_stddev_features": features}
    return PublishedNetwork(_read_arrays(modules), settings, _num_classes(module))


def _num_classes(module: PickledModule) -> int:
    size = module.state.get("c_dim", 0)
    require_field(isinstance(size, int) and 0 <= size < 1 << 20, "c_dim", "a number of classes", size)
    return int(size)


def _shared_settings(modules: Mapping[str, PickledModule]) -> dict[str, Any]:
    """Clamp and resampling filter, which all layers must agree on; activations must be leaky ReLU."""
    clamps: set[float] = set()
    filters: set[tuple[float, ...] | None] = set()
    for path, module in modules.items():
        state = module.state
        if "conv_clamp" in state and not path.endswith(".skip."):  # skips never have one
            clamp = state["conv_clamp"]
            clamps.add(0.0 if clamp is None else as_number(clamp, f"{path}conv_clamp"))
        filters.add(_taps(module, path))
        activation = state.get("activation", "lrelu")
        require_field(activation in ("lrelu", "linear"), f"{path}activation", "lrelu, or linear", activation)
    filters.discard(None)
    require_field(len(clamps) <= 1, "conv_clamp", "the same in all layers", ", ".join(map(str, sorted(clamps))))
    require_field(len(filters) <= 1, "resample_filter", "the same in all layers", f"{len(filters)} different ones")
    return {
        **({"clamp": clamps.pop()} if clamps else {}), **({"resample_filter": filters.pop()} if filters else {}),
    }


def _taps(module: PickledModule, path: str) -> tuple[float, ...] | None:
    """The filter along one axis, with a smallest tap of 1."""
    buffers = as_text_table(module.state.get("_buffers", {}), "_buffers")
    tensor = as_tensor(buffers.get("resample_filter"))
    if tensor is None:
        return None
    kernel = tensor.read().astype(np.float64)
    require_field(
        kernel.ndim == 2 and 0 < kernel.size <= 32**2 and bool(np.all((kernel > 1e-6) & (kernel < 1e6))),
        f"{path}resample_filter", "a small square of positive numbers", f"shape {kernel.shape}",
    )
    taps = kernel.sum(axis=1)
    return tuple(np.round(taps / taps.min(), 4).tolist())


def _augmentation(pipe: Any) -> tuple[dict[str, Any], float]:
    """The groups of transformations that are switched on in a pipeline, as settings, and its strength."""
    if pipe is None:
        return {}, 0.0
    require_field(isinstance(pipe, PickledModule), "augment_pipe", "a module", pipe)
    strength = as_tensor(as_text_table(pipe.state.get("_buffers", {}), "_buffers").get("p"))
    numbers = np.zeros(1) if strength is None else strength.read().reshape(-1).astype(np.float64)
    require_field(numbers.size == 1 and 0 <= numbers[0] <= 1, "augment_pipe's p", "between 0 and 1", "another")
    on = [
        group for group, members in _AUGMENTATIONS.items()
        if any(as_number(pipe.state.get(member, 0), member) > 0 for member in members)
    ]
    return {"augment": "adaptive", "augment_transforms": ",".join(on)} if on else {}, float(numbers[0])
