"""Writes a network with published names as safetensors, a format of named arrays that other frameworks read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stylegan_tf.files import written_whole
from stylegan_tf.invocation import install
from stylegan_tf.networks.bases import BaseCritic
from stylegan_tf.networks.generator import Generator
from stylegan_tf.pretrained.published_names import family_of, published_arrays, published_module


def write_safetensors(network: Generator | BaseCritic, path: str | Path, about: Mapping[str, str] | None = None) -> int:
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
            f"safetensors files need safetensors, which is not installed. Install it with: {install('safetensors')}"
        ) from error
    arrays = published_arrays(network)
    metadata = {**(about or {}), **published_module(family_of(network)).published_metadata(network)}
    with written_whole(path) as beside:
        beside.write_bytes(save(arrays, metadata))
    return len(arrays)
