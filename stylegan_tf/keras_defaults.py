"""Keras' numbers and layout as they are by default: programs and keras.json may set others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

DEFAULTS = ("float32", 1e-7, "channels_last", "float32")


def set_keras_settings(floatx: str, epsilon: float, image_data_format: str, dtype_policy: Any) -> None:
    """Sets what the functions of these names in `keras.config` return."""
    keras.config.set_floatx(floatx)
    keras.config.set_epsilon(epsilon)
    keras.config.set_image_data_format(image_data_format)
    keras.config.set_dtype_policy(dtype_policy)


@contextlib.contextmanager
def keras_defaults() -> Iterator[None]:
    """Keras' defaults while the block runs, then what was set before. A decorator, too.

    For what Keras makes of its settings and takes no argument for: the type of a learning rate, the networks of
    `keras.applications`.
    """
    before = (
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        keras.config.dtype_policy(),
    )
    set_keras_settings(*DEFAULTS)
    try:
        yield
    finally:
        set_keras_settings(*before)
