"""Writes a network with published names as safetensors, a format of named arrays that other frameworks read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stylegan_tf.files import written_whole
from stylegan_tf.networks.generator import Generator
from stylegan_tf.networks.stylegan1.critic import Critic
from stylegan_tf.networks.stylegan2.critic import StyleGAN2Critic
from stylegan_tf.networks.stylegan2.synthesis import StyleGAN2SynthesisNetwork
from stylegan_tf.pretrained.published_names import published_arrays


def write_safetensors(
    network: Generator | Critic | StyleGAN2Critic, path: str | Path, about: Mapping[str, str] | None = None
) -> int:
    """Writes the weights of a network, whole or not at all.

    StyleGAN2's have the names and the layout of its PyTorch code, so that its `load_state_dict` takes them; those of
    StyleGAN and ProGAN are named and laid out as the variables of the TensorFlow code.

    Args:
        network: Built.
        path: Of the file.
        about: Further words for its metadata, which hold "names" (whose they are) and, for StyleGAN2, "arguments"
            (JSON: what the PyTorch code's class is made with) unless that code has no such networks: growing ones, and
            labels as the first StyleGAN2 had them.

    Returns:
        The number of arrays.

    Raises:
        ImportError: When the extra `safetensors` is not installed.
        OSError: When the file cannot be written.
    """
    try:
        from safetensors.numpy import save
    except ImportError as error:
        raise ImportError(
            "safetensors files need safetensors, which is not installed. Install it with: pip install "
            '"stylegan_tf[safetensors]"'
        ) from error
    arrays = published_arrays(network)
    metadata = {**(about or {}), **_metadata(network)}
    with written_whole(path) as beside:
        beside.write_bytes(save(arrays, metadata))
    return len(arrays)


def _metadata(network: Generator | Critic | StyleGAN2Critic) -> dict[str, str]:
    if isinstance(network, Generator):
        synthesis: Any = network.synthesis
        if isinstance(synthesis, StyleGAN2SynthesisNetwork):
            mapping = network.mapping
            known = not synthesis.grows and (not mapping.num_classes or mapping.label_input == "normalized")
            return _pytorch_metadata(_generator_arguments(network, synthesis) if known else {})
        return {"names": "StyleGAN, TensorFlow" if network.mapping.num_layers else "ProGAN (2019), TensorFlow"}
    if isinstance(network, StyleGAN2Critic):
        known = not network.grows and not (network.num_classes and network.options["scores_by_class"])
        return _pytorch_metadata(_critic_arguments(network) if known else {})
    return {"names": "StyleGAN, TensorFlow" if network.options["blur"] else "ProGAN (2019), TensorFlow"}


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


def _generator_arguments(generator: Generator, synthesis: StyleGAN2SynthesisNetwork) -> dict[str, Any]:
    mapping = generator.mapping
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
