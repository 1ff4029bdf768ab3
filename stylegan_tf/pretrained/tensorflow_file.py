"""The pickles of ProGAN, StyleGAN, StyleGAN2 and StyleGAN2-ADA for TensorFlow: (G, D, Gs), each a network's state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from stylegan_tf.pickles.arrays import PickledArray
from stylegan_tf.pickles.machine import Builder, build_dictionary
from stylegan_tf.pretrained.published_file import (
    PROGAN_PRESET,
    ROLES,
    STYLEGAN1_PRESET,
    STYLEGAN2_PRESET,
    PublishedFile,
    PublishedNetwork,
    as_num_classes,
    as_number,
    as_text_table,
    checked_arrays,
    read_each,
    require_array_count,
    require_array_name,
    require_at_most,
    require_field,
    wanted_networks,
)
from stylegan_tf.pretrained.tensorflow_names import as_pytorch_names

_DEEPEST_COMPONENT, _MOST_COMPONENTS = 3, 8

# Arguments whose other values would make other functions of the same variables, with the one value that is known.
_NECESSARY: dict[str, Any] = {
    "fmap_decay": 1.0,
    "use_wscale": True,
    "use_leakyrelu": True,
    "nonlinearity": "lrelu",
    "mapping_nonlinearity": "lrelu",
    "normalize_latents": True,
    "tanh_at_end": False,
    "pixelnorm_epsilon": 1e-8,
    "dtype": "float32",
}
# Arguments that are fields of ours, whatever their value.
_GENERATOR_FIELDS = {
    "mapping_lrmul": "mapping_learning_rate_multiplier",
    "dlatent_avg_beta": "w_average_decay",
    "style_mixing_prob": "style_mixing_probability",
    "truncation_psi": "truncation_psi",
    "truncation_cutoff": "truncation_cutoff",
}
_CRITIC_FIELDS = {
    "mapping_lrmul": "critic_mapping_learning_rate_multiplier",
    "mbstd_group_size": "minibatch_stddev_group",
    "mbstd_num_features": "minibatch_stddev_features",
}
_NONE_MEANS = {"dlatent_avg_beta": 1.0, "style_mixing_prob": 0.0, "truncation_psi": 1.0, "truncation_cutoff": 0.0}
_WHOLE = ("truncation_cutoff", "minibatch_stddev_group", "minibatch_stddev_features")


class PickledNetwork:
    """A network of the published TensorFlow code; all of it is its state.

    Args:
        year: Of the code, which tells how kernels lie.
    """

    def __init__(self, year: int) -> None:
        self.year = year
        self.state: dict[str, Any] = {}

    def set_state(self, state: Any) -> None:
        """Takes version, static_kwargs, components, variables and more; source code is among it and left alone."""
        self.state = as_text_table(state, "the state of a network")


TENSORFLOW_NAMES: dict[tuple[str, str], Any] = {
    ("tfutil", "Network"): Builder(lambda: PickledNetwork(2018)),
    ("dnnlib.tflib.network", "Network"): Builder(lambda: PickledNetwork(2019)),
    **{(module, "EasyDict"): Builder(build_dictionary) for module in ("config", "dnnlib", "dnnlib.util")},
}


def read_tensorflow_file(unpickled: Any, *, skip_critic: bool = False) -> PublishedFile | None:
    """What was unpickled, when it is networks of the TensorFlow code: three of them, or one averaged generator.

    Args:
        unpickled: Of `load_pickle`, with `TENSORFLOW_NAMES` and NumPy's.
        skip_critic: Leave a critic unread.

    Returns:
        None for anything else.

    Raises:
        ValueError: For networks of a kind that is not known, or damaged ones.
    """
    if isinstance(unpickled, PickledNetwork):
        unpickled = (None, None, unpickled)
    if not isinstance(unpickled, (tuple, list)) or len(unpickled) != 3:
        return None
    named = wanted_networks(dict(zip(ROLES, unpickled, strict=True)), skip_critic=skip_critic)
    if not all(isinstance(network, PickledNetwork) for network in named.values()):
        return None
    states = read_each(named, _read_checked)
    _, first = states.get("generator_ema") or states["generator"]
    preset = _preset(first)
    networks = read_each(states, lambda role, state: _network(preset, role, *state))
    if preset == STYLEGAN2_PRESET:
        embeds = any("LabelEmbed" in name or name.startswith("Mapping") for _, a in states.values() for name in a)
        code = "StyleGAN2-ADA, TensorFlow" if embeds or _has_argument(states, "conv_clamp") else "StyleGAN2, TensorFlow"
    else:
        year = next(iter(named.values())).year
        code = f"ProGAN ({year}), TensorFlow" if preset == PROGAN_PRESET else "StyleGAN (2019), TensorFlow"
    return PublishedFile(code, preset, networks, lod=_level_of_detail(first))


def _level_of_detail(arrays: Mapping[str, np.ndarray]) -> float:
    """Halvings from the largest resolution at which a growing generator was saved."""
    grows = any(re.search(r"(^|/)ToRGB_lod", name) for name in arrays)
    lods = [array.reshape(-1) for name, array in sorted(arrays.items()) if name.split("/")[-1] == "lod" and array.size]
    # The network's own variable, without a component's name before it, sorts behind those of components.
    return max(float(lods[-1][0]), 0.0) if grows and lods else 0.0


def _has_argument(states: Mapping[str, tuple[dict[str, Any], Any]], name: str) -> bool:
    return any(name in arguments for arguments, _ in states.values())


def _read_checked(role: str, network: PickledNetwork) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    arguments, arrays = _read_network(network, role)
    return arguments, checked_arrays(arrays)


def _read_network(network: PickledNetwork, role: str, depth: int = 0) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Arguments and arrays, as they are in the file, of a network with its components.

    Variables of components get the prefix G_<component>/.
    """
    state = network.state
    require_at_most(_DEEPEST_COMPONENT, depth + 1, "components", " levels deep")
    arguments = as_text_table(state.get("static_kwargs", {}), "static_kwargs")
    arrays: dict[str, np.ndarray] = {}
    variables = state.get("variables", [])
    require_field(isinstance(variables, (list, tuple)), "variables", "a list", variables)
    require_array_count(len(variables))
    for pair in variables:
        named = isinstance(pair, (list, tuple)) and len(pair) == 2
        require_field(named, f"a variable of the {role}", "a name and an array", pair)
        require_array_name(pair[0])
        require_field(pair[0] not in arrays, "variables", "of different names", described=f"{pair[0]} twice")
        number = isinstance(pair[1], PickledArray)
        arrays[pair[0]] = pair[1].read() if number else np.asarray(as_number(pair[1], f"variable {pair[0]}"))
    components = as_text_table(state.get("components", {}), "components")
    require_at_most(_MOST_COMPONENTS, len(components), "components")
    for name, component in components.items():
        require_field(isinstance(component, PickledNetwork), f"component {name}", "a network", component)
        inner_arguments, inner = _read_network(component, f"{role}'s {name}", depth + 1)
        arguments = {**inner_arguments, **arguments}
        arrays |= {f"G_{name}/{path}": array for path, array in inner.items()}
        require_array_count(len(arrays))
    if network.year == 2018:  # keeps the kernels of transposed convolutions as [k, k, out, in], and no other
        arrays = {
            name: np.swapaxes(array, 2, 3) if name.endswith("/Conv0_up/weight") and np.ndim(array) == 4 else array
            for name, array in arrays.items()
        }
    return arguments, arrays


def _preset(arrays: Mapping[str, Any]) -> str:
    """Whose networks they are. Variables say more than the name of the function that made them."""
    if any(name.endswith("/mod_weight") for name in arrays):
        return STYLEGAN2_PRESET
    if "dlatent_avg" in arrays or any(name.startswith("G_mapping/") for name in arrays):
        return STYLEGAN1_PRESET
    progan = "4x4/Dense/weight" in arrays
    require_field(progan, "the generator", "ProGAN's, StyleGAN's or StyleGAN2's", described="another")
    return PROGAN_PRESET


def _settings(role: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in _NECESSARY.items():
        require_field(arguments.get(name, value) == value, name, repr(value), arguments.get(name))
    settings: dict[str, Any] = {}
    for name, field in (_CRITIC_FIELDS if role == "critic" else _GENERATOR_FIELDS).items():
        if name in arguments:
            value = as_number(arguments[name], name, if_none=_NONE_MEANS.get(name))
            settings[field] = int(value) if field in _WHOLE else value
    return settings


def _network(preset: str, role: str, arguments: dict[str, Any], arrays: dict[str, np.ndarray]) -> PublishedNetwork:
    if preset == STYLEGAN2_PRESET:
        return _stylegan2_network(role, arguments, arrays)
    return _growing_network(preset, role, arguments, arrays)


def _growing_network(
    preset: str, role: str, arguments: dict[str, Any], arrays: dict[str, np.ndarray]
) -> PublishedNetwork:
    settings = _settings(role, arguments)
    if preset == PROGAN_PRESET:
        fused = any(re.search(r"/Conv(0_up|1_down)/", name) for name in arrays)
        settings["fused_from"] = 1 if fused else 0
        settings["normalization"] = "pixel" if arguments.get("use_pixelnorm", True) else "none"
        settings["blur"] = False
    else:
        settings["fused_from"] = _fused_from(arguments.get("fused_scale", "auto"))
        settings["blur"] = _blurs(arguments.get("blur_filter", [1, 2, 1]))
        norms = arguments.get("use_pixel_norm", False), arguments.get("use_instance_norm", True)
        names = {(False, True): "instance", (True, False): "pixel", (False, False): "none"}
        known = all(isinstance(norm, bool) for norm in norms) and norms in names
        require_field(known, "the normalisation", "one of instance, pixel and none", described="both")
        settings["normalization"] = names[norms]
    return PublishedNetwork(arrays, settings, as_num_classes(arguments, "label_size"))


def _fused_from(fused_scale: Any) -> int:
    """From which size up the fused form is taken; 0 for never, as the configuration has it."""
    known = fused_scale in ("auto", True, False) if isinstance(fused_scale, (str, bool)) else False
    require_field(known, "fused_scale", "'auto', True or False", fused_scale)
    return 128 if fused_scale == "auto" else int(fused_scale)


def _blurs(taps: Any) -> bool:
    listed = list(taps) if isinstance(taps, tuple) else taps
    require_field(listed in ([1, 2, 1], None, [], [1]), "blur_filter", "[1, 2, 1] or None", taps)
    return listed == [1, 2, 1]


def _stylegan2_network(role: str, arguments: dict[str, Any], arrays: dict[str, np.ndarray]) -> PublishedNetwork:
    settings = _settings(role, arguments)
    settings["clamp"] = as_number(arguments.get("conv_clamp"), "conv_clamp", if_none=0.0)
    if role == "critic" and any(name.startswith("Mapping") for name in arrays):
        require_field("mapping_lrmul" in arguments, "mapping_lrmul of the critic", "there", described="none")
    taps = arguments.get("resample_kernel", [1, 3, 3, 1])
    numbers = isinstance(taps, (list, tuple)) and 0 < len(taps) <= 32
    require_field(numbers, "resample_kernel", "a short list of numbers", taps)
    settings["resample_filter"] = tuple(as_number(tap, "resample_kernel") for tap in taps)
    if any(re.match(r"(G_synthesis/)?(To|From)RGB_lod", name) for name in arrays):
        settings["critic_architecture" if role == "critic" else "generator_architecture"] = "growing"
    return PublishedNetwork(as_pytorch_names(arrays), settings, as_num_classes(arguments, "label_size"))
