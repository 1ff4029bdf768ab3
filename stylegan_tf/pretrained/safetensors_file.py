"""Networks with published names as safetensors, named arrays that other frameworks read: written and read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stylegan_tf.errors import UserError
from stylegan_tf.files import written_whole
from stylegan_tf.invocation import install
from stylegan_tf.networks.bases import BaseCritic
from stylegan_tf.networks.generator import Generator
from stylegan_tf.pretrained.published_file import checked_arrays, require_array_count, require_array_name, require_field
from stylegan_tf.pretrained.published_names import family_of, published_arrays, published_module

_LENGTH_BYTES = 8  # of the number that a file begins with: how long its header is


def write_safetensors(network: Generator | BaseCritic, path: str | Path, about: Mapping[str, str] | None = None) -> int:
    """Writes the weights of a network, whole or not at all.

    StyleGAN2's have the names and the layout of its PyTorch code, so that its `load_state_dict` takes them; those of
    StyleGAN and ProGAN are named and laid out as the variables of the TensorFlow code.

    Args:
        network: Built.
        path: Of the file.
        about: Further words for its metadata, which hold "names" (whose they are) and, for StyleGAN2, "arguments"
            (JSON: what the PyTorch code's class is made with) unless that code has no such networks: growing ones,
            those that repeat edges ("padding", which no published code knows), and labels as the first StyleGAN2 had
            them.

    Returns:
        The number of arrays.

    Raises:
        ImportError: When the extra `safetensors` is not installed.
        OSError: When the file cannot be written.
    """
    with _extra():
        from safetensors.numpy import save
    arrays = published_arrays(network)
    metadata = {
        **(about or {}),
        **_padding(network),
        **published_module(family_of(network)).published_metadata(network),
    }
    header, numbers = _with_sorted_metadata(save(arrays, metadata))
    with written_whole(path) as beside, beside.open("wb") as file:
        file.write(header)
        file.write(numbers)
    return len(arrays)


def _padding(network: Generator | BaseCritic) -> dict[str, str]:
    padding = network.synthesis.options["padding"] if isinstance(network, Generator) else "zeros"
    return {"padding": padding} if padding != "zeros" else {}


def _with_sorted_metadata(content: bytes) -> tuple[bytes, memoryview]:
    """Header and numbers of a file, so that the same network is the same bytes: the library mixes metadata."""
    size = int.from_bytes(content[:_LENGTH_BYTES], "little")
    header = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)  # numbers begin at multiples of eight
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text, memoryview(content)[_LENGTH_BYTES + size :]


def safetensors_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """The shapes of a file's arrays by name, which need not be read for that.

    Raises:
        ImportError: When the extra `safetensors` is not installed.
        ValueError: When the file is damaged, or holds names or types that published networks do not have.
        OSError: When it cannot be read.
    """
    with _opened(path) as file:
        names = list(file.keys())
        require_array_count(len(names))
        shapes = {}
        for name in names:
            require_array_name(name)
            array = file.get_slice(name)
            require_field(array.get_dtype() == "F32", f"array {name}", "of float32", array.get_dtype())
            shapes[name] = tuple(array.get_shape())
        return shapes


def safetensors_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """A file's arrays by name; raises as `safetensors_shapes` does, and for numbers that are not finite."""
    with _opened(path) as file:
        names = list(file.keys())
        return checked_arrays({name: file.get_tensor(name) for name in names})


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    with _extra():
        from safetensors import SafetensorError, safe_open
    try:
        with safe_open(path, "np") as file:
            yield file
    except SafetensorError as error:
        raise UserError(f"{path} must be a sound file of safetensors. Received: {error}.") from error


@contextlib.contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"safetensors files need safetensors, which is not installed. Install it with: {install('safetensors')}"
        ) from error
