"""Opens a pickle of published networks, of whichever code."""

from __future__ import annotations

import os

from stylegan_tf.pickles.arrays import NUMPY_NAMES
from stylegan_tf.pickles.machine import load_pickle, mapped
from stylegan_tf.pretrained.published_file import PublishedFile
from stylegan_tf.pretrained.pytorch_file import PYTORCH_NAMES, read_pytorch_file
from stylegan_tf.pretrained.tensorflow_file import TENSORFLOW_NAMES, read_tensorflow_file

_ALLOWED = {**NUMPY_NAMES, **TENSORFLOW_NAMES, **PYTORCH_NAMES}


def read_published_file(path: str | os.PathLike[str]) -> PublishedFile:
    """Reads the networks of a pickle, as data: nothing in it is imported, called or compiled.

    Args:
      path: a pickle of ProGAN, StyleGAN, StyleGAN2 or StyleGAN2-ADA for TensorFlow, of StyleGAN2-ADA for PyTorch, or
        of a StyleGAN2 network of StyleGAN3's code.

    Raises:
      ValueError: for anything else; for a name that such files do not refer to; for damage.
      OSError: when the file cannot be read.
    """
    try:
        with mapped(path) as file:
            unpickled = load_pickle(file, _ALLOWED)
        found = read_tensorflow_file(unpickled) or read_pytorch_file(unpickled)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} must be a sound pickle of published networks. {error}") from None
    if found is None:
        raise ValueError(
            f"{os.fspath(path)} must hold published networks: (G, D, Gs) of the TensorFlow codes, or G, D and G_ema of "
            f"the PyTorch ones. Received: a {type(unpickled).__name__}."
        )
    return found
