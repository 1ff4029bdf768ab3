"""StyleGAN for TensorFlow 2 and Keras 3.

Example:
    >>> import stylegan_tf
    >>> images = stylegan_tf.load_generator("runs/tiny-stylegan1").images(range(16), psi=0.7)
    >>> images.shape
    (16, 32, 32, 3)
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from stylegan_tf.version import __version__

if TYPE_CHECKING:
    from stylegan_tf.trained import LoadedGenerator, load_generator

__all__ = ["LoadedGenerator", "__version__", "load_generator"]


def __getattr__(name: str) -> Any:
    """What needs TensorFlow is imported when it is asked for: commands start without."""
    if name not in ("LoadedGenerator", "load_generator"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from stylegan_tf.quiet import quiet_start

    with contextlib.nullcontext() if "tensorflow" in sys.modules else quiet_start():
        from stylegan_tf import trained

    globals()[name] = getattr(trained, name)
    return globals()[name]
