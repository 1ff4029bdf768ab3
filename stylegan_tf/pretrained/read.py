"""Opens a pickle of published networks, of whichever code."""

from __future__ import annotations

import os
from typing import IO

from stylegan_tf.errors import UserError
from stylegan_tf.pickles.arrays import NUMPY_NAMES, PickledArray
from stylegan_tf.pickles.machine import load_pickle, mapped
from stylegan_tf.pickles.tensors import MAGIC_NUMBER
from stylegan_tf.pretrained.published_file import PublishedFile
from stylegan_tf.pretrained.pytorch_file import PYTORCH_NAMES, read_pytorch_file
from stylegan_tf.pretrained.tensorflow_file import TENSORFLOW_NAMES, read_tensorflow_file

_PICKLE_STOP = b"."
_PICKLE_START = b"\x80"  # of all pickles but the oldest form, which none of the codes wrote
_OTHER_FORMATS = {
    b"pk": "a zip archive, such as torch.save and numpy.savez write",
    b"<": "a web page",
    b"\x1f\x8b": "a gzip archive",
    b"\x89hdf": "an HDF5 file",
    b"\x93numpy": "a NumPy array",
    b"version https:": "a Git LFS pointer",
    b"\x89png": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"gif8": "a picture",
}
_ALLOWED = {**NUMPY_NAMES, **TENSORFLOW_NAMES, **PYTORCH_NAMES}


def read_published_file(path: str | os.PathLike[str], *, skip_critic: bool = False) -> PublishedFile:
    """Reads the networks of a pickle, as data: nothing in it is imported, called or compiled.

    Args:
        path: A pickle of ProGAN, StyleGAN, StyleGAN2 or StyleGAN2-ADA for TensorFlow, of StyleGAN2-ADA for PyTorch, or
            of a StyleGAN2 network of StyleGAN3's code.
        skip_critic: Leave a critic unread.

    Raises:
        ValueError: For anything else; for a name that such files do not refer to; for damage.
        OSError: When the file cannot be read.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe may have no end
            raise UserError(f"received {'a directory' if os.path.isdir(path) else 'a pipe or a device'}.")
        with mapped(path) as file:
            refuse_other_formats(file)
            unpickled = load_pickle(file, _ALLOWED)
        found = read_tensorflow_file(unpickled, skip_critic=skip_critic) or read_pytorch_file(
            unpickled, skip_critic=skip_critic
        )
    except ValueError as error:
        raise UserError(f"{os.fspath(path)} must be a sound pickle of published networks: {error}") from None
    if found is None:
        raise UserError(
            f"{os.fspath(path)} must hold published networks: (G, D, Gs) of the TensorFlow codes, or G, D and G_ema of "
            f"the PyTorch ones. Received: {_what(unpickled)}."
        )
    return found


def refuse_other_formats(file: IO[bytes]) -> None:
    """Raises ValueError, which says what a file is, when its first bytes show that it is no pickle."""
    start = file.read(16)
    file.seek(0)
    if not start.startswith(_PICKLE_START):
        text = start.lstrip().lower()
        unknown = "a file that does not begin as pickles do" if start else "an empty file"
        meaning = next((meaning for known, meaning in _OTHER_FORMATS.items() if text.startswith(known)), unknown)
        raise UserError(f"received {meaning}.")


def refuse_a_part(file: IO[bytes]) -> None:
    """Raises ValueError when a pickle does not end as they do, for a download whose length nobody told."""
    file.seek(-1, os.SEEK_END)
    if file.read() != _PICKLE_STOP:
        raise UserError("received one that is cut short, or continues after its end.")


def _what(unpickled: object) -> str:
    if unpickled == MAGIC_NUMBER:
        return "a checkpoint of torch.save"
    if isinstance(unpickled, PickledArray):
        return "an array"
    return f"a pickle of type {type(unpickled).__name__}"
