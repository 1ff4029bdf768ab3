"""The settings of Keras and TensorFlow that commands run with, whatever the environment and keras.json say."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from stylegan_tf.errors import UserError

# What keras.json may set, and what Keras takes for it; with anything else it cannot even be imported.
_FLOAT_TYPES = ("float16", "float32", "float64")
_DATA_FORMATS = ("channels_last", "channels_first")

# What Keras imports where it is installed, for wrappers and charts of its own that nothing here uses.
_OPTIONAL_PACKAGES = ("matplotlib", "sklearn")

_XLA_VARIABLES = ("TF_XLA_FLAGS", "XLA_FLAGS")
_COMPILE_SOMETHING = "import tensorflow as tf; tf.function(lambda: tf.zeros([]) + 1, jit_compile=True)()"
_TRIED_FOR_S = 60.0


def choose_backend() -> None:
    """Has Keras run on TensorFlow, and without the limits meant for debugging; to be called before it is imported.

    Raises:
        ValueError: For a keras.json with which Keras cannot be imported, and for flags of XLA that it does not know.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["KERAS_NNX_ENABLED"] = "false"
    for name in ("TF_USE_LEGACY_KERAS", "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
        os.environ.pop(name, None)
    if os.environ.get("KERAS_HOME") == "":  # Keras would write into the current directory
        del os.environ["KERAS_HOME"]
    if "keras" not in sys.modules:
        _check_keras_file(_keras_file())


@contextlib.contextmanager
def without_optional_packages() -> Iterator[None]:
    """Hides from Keras, while it is first imported, packages that take a third of a command's start.

    They can be imported afterwards.
    """
    hidden = [name for name in _OPTIONAL_PACKAGES if not {name, "keras"} & set(sys.modules)]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]


def set_defaults() -> None:
    """Gives the imported Keras the numbers and the layout it has by default; keras.json may have set others.

    Raises:
        ValueError: When the program that runs the command has imported Keras with another backend.
    """
    import keras

    from stylegan_tf.keras_defaults import DEFAULTS, set_keras_settings

    if keras.config.backend() != "tensorflow":
        raise UserError(f"Keras must run on TensorFlow here. Received: the backend {keras.config.backend()}.")
    set_keras_settings(*DEFAULTS)
    # Images, features and their statistics are float32 to its rounding; training allows less for itself (--tf32).
    sys.modules["tensorflow"].config.experimental.enable_tensor_float_32_execution(False)


def check_xla_flags() -> None:
    """Tries the environment's flags of XLA, where there are any, in another process, which unknown ones would end.

    A process that takes too long says nothing about them, and the command goes on.

    Raises:
        ValueError: Naming the variable and the flag.
    """
    if "tensorflow" in sys.modules or not any(os.environ.get(name) for name in _XLA_VARIABLES):
        return
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _COMPILE_SOMETHING], env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=_TRIED_FOR_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return
    unknown = re.search(r"Unknown flags? in (\w+): *(.*)", tried.stderr)
    if tried.returncode != 0 and unknown:
        raise UserError(f"{unknown[1]} must hold flags that this TensorFlow knows. Received: {unknown[2].strip()}.")


def _keras_file() -> str:
    """Where Keras looks for its settings."""
    folder = os.environ.get("KERAS_HOME")
    if folder is None:
        home = os.path.expanduser("~")
        folder = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    return os.path.expanduser(os.path.join(folder, "keras.json"))


def _check_keras_file(path: str) -> None:
    if not os.path.exists(path):
        return
    try:
        with open(path) as file:  # in the locale's encoding, as Keras reads it
            settings = json.load(file)
    except ValueError:  # Keras goes on without it
        return
    except OSError as error:
        raise UserError(
            f"Keras' settings must be a file that can be read. Received: {path}: {error.strerror}."
        ) from error
    if not isinstance(settings, dict):
        raise UserError(f"Keras' settings must be a JSON object; repair or delete {path}. Received: {settings!r:.40}.")
    _check_setting(path, settings, "floatx", _FLOAT_TYPES)
    _check_setting(path, settings, "image_data_format", _DATA_FORMATS)
    epsilon = settings.get("epsilon", 0.0)
    if not isinstance(epsilon, float):
        raise UserError(f"epsilon must be a number such as 1e-07 in {path}. Received: epsilon={epsilon!r:.40}.")


def _check_setting(path: str, settings: dict[str, Any], name: str, allowed: tuple[str, ...]) -> None:
    value = settings.get(name, allowed[0])
    if value not in allowed:
        raise UserError(f"{name} must be one of {', '.join(allowed)} in {path}. Received: {name}={value!r:.40}.")
