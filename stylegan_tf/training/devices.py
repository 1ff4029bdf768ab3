"""Which devices there are, how a batch is spread over them, and which precision suits them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from stylegan_tf.data.workers import core_count
from stylegan_tf.errors import UserError, require
from stylegan_tf.files import text_or_empty
from stylegan_tf.ops.target import Target
from stylegan_tf.training.gpu_diagnosis import card_memory

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

# CPU features with which bfloat16 convolutions are faster than float32 ones.
FAST_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
# To try what several devices do; more only take longer to build.
MOST_LOGICAL_CPUS = 16
# First compute capability with bfloat16 matrix units.
BFLOAT16_COMPUTE_CAPABILITY = (8, 0)


def choose_strategy(num_devices: int = 0) -> tf.distribute.Strategy:
    """A strategy over all GPUs, or over some, or over logical CPUs where there is no GPU; a single device has none.

    Args:
        num_devices: Number of GPUs, or of logical CPUs on a machine without one; 0 means all GPUs or one CPU.

    Raises:
        ValueError: When there are fewer GPUs.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        if num_devices > len(gpus):
            raise UserError(f"num_devices must be at most {len(gpus)}, the GPUs found. Received: {num_devices}.")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        count = num_devices or len(gpus)
        if count == 1:  # TensorFlow takes the first by itself
            return tf.distribute.get_strategy()
        return tf.distribute.MirroredStrategy([f"GPU:{index}" for index in range(count)])
    if num_devices <= 1:
        return tf.distribute.get_strategy()
    most = max(os.cpu_count() or 1, MOST_LOGICAL_CPUS)
    require(num_devices <= most, f"num_devices must be at most {most} on this machine, which has no GPU", num_devices)
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or []) < num_devices:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * num_devices)
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(num_devices)])


def cores_of_a_device(strategy: tf.distribute.Strategy) -> int:
    """Cores that a device of a strategy computes with; 1 for a GPU and for logical CPUs, which share them."""
    alone = strategy.num_replicas_in_sync == 1 and not tf.config.list_physical_devices("GPU")
    return core_count() if alone else 1


def choose_dtype_policy(name: str) -> str:
    """The Keras policy that `name` stands for.

    "auto" becomes mixed_bfloat16 where the devices compute it fast (GPUs from compute capability 8.0, CPUs with
    AVX512-BF16 or AMX): it has float32's range, so nothing can overflow. Elsewhere it becomes float32.
    """
    if name != "auto":
        return name
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        fast = all(d.get("compute_capability", (0, 0)) >= BFLOAT16_COMPUTE_CAPABILITY for d in details)
    else:
        fast = bool(FAST_BFLOAT16_FLAGS & _cpu_flags())
    return "mixed_bfloat16" if fast else "float32"


def choose_jit(name: str) -> str:
    """Whether XLA compiles gradients: "on", "off", or "auto", which is "off" without a GPU.

    On a CPU a run must not depend on the moment when something was compiled: it goes on bit by bit after a stop.
    """
    return "off" if name == "auto" and not tf.config.list_physical_devices("GPU") else name


@contextlib.contextmanager
def rounding_allowed(allowed: bool) -> Iterator[None]:
    """While the block runs, GPUs may, or may not, round float32 factors to TensorFloat-32, but those of full products.

    What XLA compiles goes by what is allowed when it is compiled, everything else when it runs.
    """
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(allowed)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def training_target() -> Target:
    """What a training step is traced for where XLA does not compile it as a whole."""
    return Target.TENSORFLOW if tf.config.list_physical_devices("GPU") else Target.CPU


def describe_devices(strategy: tf.distribute.Strategy) -> str:
    """One line that names the devices of a strategy."""
    gpus = tf.config.list_physical_devices("GPU")
    count = strategy.num_replicas_in_sync
    if not gpus:
        return f"{count} CPU device{'s' if count > 1 else ''} (TensorFlow finds no GPU)"
    names = {tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus}
    return f"{count} of {len(gpus)} GPU{'s' if len(gpus) > 1 else ''} ({', '.join(sorted(names))})"


def memory_used() -> int:
    """Bytes in use: on the first GPU, or of this process where there is none.

    Where the system does not tell what a process uses now, the most that it used so far; 0 where it tells neither.
    """
    if tf.config.list_physical_devices("GPU"):
        return int(tf.config.experimental.get_memory_info("GPU:0")["current"])
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return _most_memory()


def memory_peak() -> int:
    """The most bytes that were in use so far: on the first GPU, or of this process where there is none (or 0)."""
    if tf.config.list_physical_devices("GPU"):
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    return _most_memory()


def memory_total(count: int = 1) -> int:
    """Bytes that there are: on the smallest of so many GPUs, or for this process without; 0 where nobody tells."""
    if tf.config.list_physical_devices("GPU"):
        return min(card_memory(count), default=0)
    limits = [
        int(text)
        for file in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")
        if (text := text_or_empty(Path("/", file)).strip()).isdigit()
    ]
    with contextlib.suppress(ValueError, OSError, AttributeError):  # not on Windows
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(limits, default=0)


def _most_memory() -> int:
    if resource is None:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _cpu_flags() -> set[str]:
    lines = text_or_empty(Path("/proc/cpuinfo")).splitlines()
    line = next((line for line in lines if line.startswith("flags")), "")
    return set(line.split())
