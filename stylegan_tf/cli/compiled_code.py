"""Code that XLA has compiled for a card, kept between starts: the second takes seconds where the first took minutes."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import sys
from pathlib import Path

from stylegan_tf.data.loading import cache_folder
from stylegan_tf.files import text_or_empty

# Flags that TensorFlow does not know end the process, so they are given only to versions that were seen to know them.
_KNOWN_TO = ("2.21.",)
_PERSISTENT, _AUTOTUNING = "--tf_xla_persistent_cache_directory", "--xla_gpu_per_fusion_autotune_cache_dir"


def keep_compiled_code(cache_dir: str, *, on_cpu: bool = False, system: Path = Path("/")) -> None:
    """Names folders of the cache to TensorFlow and XLA, each flag unless the environment has it already.

    To be called before TensorFlow is imported. Without a card, or with another TensorFlow, nothing is done.

    Args:
        cache_dir: As the flag; empty for the user's cache directory.
        on_cpu: Also where there is no card.
        system: The root of the file system.
    """
    version = _tensorflow_version()
    machine = _cards(system) or (_processor(system) if on_cpu else "")
    if "tensorflow" in sys.modules or not machine or not version.startswith(_KNOWN_TO):
        return
    try:
        cache = cache_folder(cache_dir)
    except ValueError:  # there is no place for one
        return
    folder = cache / "xla" / _name(f"tensorflow {version}") / _name(machine)
    for variable, flag, place in (
        ("TF_XLA_FLAGS", _PERSISTENT, folder / "code"),
        ("XLA_FLAGS", _AUTOTUNING, folder / "autotuning"),
    ):
        flags = os.environ.get(variable, "")
        if flag in flags or re.search(r"\s", str(place)):  # flags end at a space
            continue
        with contextlib.suppress(OSError):  # a cache that cannot be written is none
            place.mkdir(parents=True, exist_ok=True)
            os.environ[variable] = f"{flags} {flag}={place}".strip()
            if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "2":  # TensorFlow calls every entry that it reads an error
                os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def _tensorflow_version() -> str:
    for package in ("tensorflow", "tensorflow-cpu"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)
    return ""


def _cards(system: Path) -> str:
    """Models of NVIDIA's cards and their driver's version; empty without any."""
    driver = system / "proc" / "driver" / "nvidia"
    models = sorted(
        {
            match[1]
            for file in driver.glob("gpus/*/information")
            for match in [re.search(r"^Model:\s*(.+?)\s*$", text_or_empty(file), re.MULTILINE)]
            if match
        }
    )
    version = re.search(r"Kernel Module\D*([\d.]+)", text_or_empty(driver / "version"))
    return " ".join([*models, version[1] if version else ""]).strip() if models else ""


def _processor(system: Path) -> str:
    match = re.search(r"^model name\s*:\s*(.+?)\s*$", text_or_empty(system / "proc" / "cpuinfo"), re.MULTILINE)
    return match[1] if match else "processor"


def _name(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text)
