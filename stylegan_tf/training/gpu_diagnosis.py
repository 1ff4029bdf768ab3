"""What NVIDIA's driver says: why TensorFlow uses no GPU where there should be one, and how much memory one has."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

# What CUDA_VISIBLE_DEVICES and NVIDIA_VISIBLE_DEVICES hold to show no GPU.
NO_CUDA_DEVICES = {"", "-1", "NoDevFiles"}
NO_NVIDIA_DEVICES = {"", "void", "none"}
# Library names that do not follow CUDA's major version, by that version.
LIBRARIES = {"12": ("libcufft.so.11", "libcusolver.so.11", "libcusparse.so.12")}
CUDA_ERRORS = {
    100: "no CUDA device",
    101: "an invalid device; does CUDA_VISIBLE_DEVICES name one that is not there?",
    802: "the system is not ready: GPUs with NVSwitch need the nvidia-fabricmanager service on the host",
    803: "the driver's library and its kernel module differ in version: restart the host after a driver update",
    804: "the CUDA compatibility libraries do not support this GPU; take them off the loader's path",
    999: "an unknown error; is the kernel module nvidia_uvm loaded on the host (modprobe nvidia-uvm)?",
}


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a machine on which TensorFlow finds no GPU.

    Attributes:
        environment: The environment variables.
        devices: Device files of GPUs: /dev/nvidia0, /dev/nvidia1 ...
        closed_devices: Those that this user may not open.
        driver_loaded: Whether the kernel has NVIDIA's driver. A container sees that of its host.
        in_container: Whether this is a container.
        build: TensorFlow's build information; "is_cuda_build", "cuda_version" and "cudnn_version" are read.
        load_error: What loading a shared library by its name fails with; empty when it loads.
        driver: What the driver's library answers.
    """

    environment: Mapping[str, str]
    devices: tuple[str, ...]
    closed_devices: tuple[str, ...]
    driver_loaded: bool
    in_container: bool
    build: Mapping[str, Any]
    load_error: Callable[[str], str]
    driver: Callable[[], DriverAnswer]


@dataclasses.dataclass(frozen=True)
class DriverAnswer:
    """What libcuda.so.1 says of itself.

    Attributes:
        cuda_version: The newest CUDA that the driver supports, as (major, minor).
        error: CuInit's code; 0 when it works.
        device_count: Number of GPUs that it sees.
    """

    cuda_version: tuple[int, int]
    error: int
    device_count: int


def explain_missing_gpu(facts: Facts) -> str:
    """One line that says why no NVIDIA GPU is used and what to do; empty where none is to be expected.

    To be asked when TensorFlow has found no GPU. The reasons are tried in the order in which they hide each other.
    """
    if not _gpu_expected(facts):
        return ""
    reason = _tensorflow_reason(facts) or _container_reason(facts) or _driver_reason(facts) or _library_reason(facts)
    return reason or (
        "CUDA works and its libraries load, but TensorFlow takes none of the GPUs. Set TF_CPP_MIN_LOG_LEVEL=0 and "
        "start again: TensorFlow then prints why"
    )


def missing_gpu() -> str:
    """`explain_missing_gpu` of this machine; empty where TensorFlow has a GPU."""
    if tf.config.list_physical_devices("GPU"):
        return ""
    return explain_missing_gpu(_this_machine())


def _gpu_expected(facts: Facts) -> bool:
    # The image for GPUs sets NVIDIA_DRIVER_CAPABILITIES.
    asked = facts.environment.get("NVIDIA_VISIBLE_DEVICES", "") not in NO_NVIDIA_DEVICES
    return bool(facts.devices) or facts.driver_loaded or asked or "NVIDIA_DRIVER_CAPABILITIES" in facts.environment


def _tensorflow_reason(facts: Facts) -> str:
    if not facts.build.get("is_cuda_build"):
        return (
            "this TensorFlow is built without CUDA (tensorflow-cpu). pip uninstall tensorflow-cpu, then pip install "
            "'tensorflow[and-cuda]'; in a container take the image's target gpu"
        )
    hidden = facts.environment.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.split(",")[0].strip() in NO_CUDA_DEVICES:
        return f"CUDA_VISIBLE_DEVICES={hidden!r} hides all GPUs. Unset it, or name some: CUDA_VISIBLE_DEVICES=0,1"
    return ""


def _container_reason(facts: Facts) -> str:
    """The driver's library and the device files, which a container gets from its host when it is asked to."""
    missing = facts.load_error("libcuda.so.1")
    if facts.in_container and (missing or not facts.devices):
        what = "driver library libcuda.so.1" if missing else "device file /dev/nvidia0"
        return (
            f"the container has no {what}. Start it with --gpus all (Kubernetes: a limit of nvidia.com/gpu); the host "
            "needs NVIDIA's driver and the nvidia-container-toolkit"
        )
    if missing:
        return f"the driver's library cannot be loaded ({missing}). Install NVIDIA's driver; nvidia-smi must work"
    if not facts.devices:
        return "there is no device file /dev/nvidia0. Load NVIDIA's driver (modprobe nvidia); nvidia-smi must work"
    if len(facts.closed_devices) == len(facts.devices):
        return (
            f"user {os.getuid()} may not open {facts.closed_devices[0]}. Let the user into the group of that file "
            "(docker run --group-add)"
        )
    return ""


def _driver_reason(facts: Facts) -> str:
    driver = facts.driver()
    needed = str(facts.build.get("cuda_version", ""))
    major, minor = driver.cuda_version
    # Libraries of one major version work with every driver of that version.
    if needed and 0 < major < int(needed.split(".")[0]):
        return (
            f"the driver is too old: it supports CUDA {major}.{minor}, TensorFlow is built for CUDA {needed}. Update "
            "NVIDIA's driver on the host"
        )
    if driver.error:
        known = CUDA_ERRORS.get(driver.error, "see CUDA's list of error codes")
        return f"the driver does not start: cuInit returns {driver.error}, {known}"
    return "" if driver.device_count else "the driver works, but shows no GPU. nvidia-smi must list one"


def _library_reason(facts: Facts) -> str:
    for name in cuda_libraries(facts.build):
        error = facts.load_error(name)
        if error:
            return (
                f"the library {name} cannot be loaded ({error}). pip install 'tensorflow[and-cuda]'; if it is "
                "installed, give its directory (site-packages/nvidia/*/lib) to ldconfig, or to LD_LIBRARY_PATH"
            )
    return ""


def cuda_libraries(build: Mapping[str, Any]) -> list[str]:
    """Names of the shared libraries that a TensorFlow with this build information loads for GPUs."""
    # Either may be two, such as "12.5.1" and "9", or "64_12" on Windows.
    cuda = str(build.get("cuda_version", "")).split(".")[0]
    cudnn = str(build.get("cudnn_version", "")).split(".")[0]
    if not re.fullmatch(r"\d+", cuda):
        return []
    names = [f"libcudart.so.{cuda}", f"libcublas.so.{cuda}", f"libcublasLt.so.{cuda}", *LIBRARIES.get(cuda, ())]
    return [*names, f"libcudnn.so.{cudnn}"] if re.fullmatch(r"\d+", cudnn) else names


def _this_machine() -> Facts:
    devices = tuple(sorted(str(path) for path in Path("/dev").glob("nvidia[0-9]*")))
    return Facts(
        environment=os.environ,
        devices=devices,
        closed_devices=tuple(device for device in devices if not os.access(device, os.R_OK | os.W_OK)),
        driver_loaded=Path("/proc/driver/nvidia/version").exists(),
        in_container=_in_container(),
        build=tf.sysconfig.get_build_info(),
        load_error=_load_error,
        driver=_ask_driver,
    )


def _in_container() -> bool:
    # Of Docker, Podman, Kubernetes, and the image for GPUs under any other program.
    files, variables = ("/.dockerenv", "/run/.containerenv"), ("KUBERNETES_SERVICE_HOST", "NVIDIA_DRIVER_CAPABILITIES")
    return any(Path(file).exists() for file in files) or any(variable in os.environ for variable in variables)


def _load_error(name: str) -> str:
    try:
        ctypes.CDLL(name)
    except OSError as error:
        return str(error)
    return ""


def _ask_driver() -> DriverAnswer:
    library = ctypes.CDLL("libcuda.so.1")
    version, count = ctypes.c_int(), ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(version))
    error = int(library.cuInit(0))
    if not error:
        library.cuDeviceGetCount(ctypes.byref(count))
    return DriverAnswer((version.value // 1000, version.value % 1000 // 10), error, count.value)


def card_memory(count: int) -> list[int]:
    """Bytes of the first GPUs that the driver shows to this process; fewer, or none, where it does not tell."""
    sizes: list[int] = []
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL("libcuda.so.1")
        if library.cuInit(0):
            return sizes
        for index in range(count):
            device, size = ctypes.c_int(), ctypes.c_size_t()
            if library.cuDeviceGet(ctypes.byref(device), index):
                break
            if not library.cuDeviceTotalMem_v2(ctypes.byref(size), device) and size.value:
                sizes.append(size.value)
    return sizes
