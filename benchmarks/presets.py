"""Times the training step of any preset on whatever device there is, and counts what it launches.

    python benchmarks/presets.py --presets=tiny,tiny-stylegan1 --resolutions=32 --batches=8
    python benchmarks/presets.py --presets=stylegan2-ada --resolutions=64,256 --batches=16 --policies=mixed_bfloat16
    python benchmarks/presets.py --presets=tiny --settings=feature_maps_max=8 --resolutions=8   # launching alone

Every case runs in a process of its own. A line says: seconds to build networks and optimizers, and for each phase to
trace it and until its first call ends (optimising or compiling it, then running it); milliseconds of each phase and of
the averaged generator, without and with --averages (medians, taken in turns); the operations that each launches
(constants, reshapes and reads left out, what XLA compiles counts as one); images a second and seconds for a thousand
images with the phases averaged over their intervals; and the peak of the memory, of the process or of the GPU, with
what the plan of a run estimates for a device. With XLA, on one device, also the instructions that it is given for the
gradients, among them convolutions and products, and the kernels that it makes of them for this device.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import multiprocessing
import statistics
import time
from typing import Any

import numpy as np
from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.presets import preset
from stylegan_tf.training.cores import use_cores

_PRESETS = flags.DEFINE_list("presets", ["tiny"], "names", module_name="Benchmark")
_RESOLUTIONS = flags.DEFINE_list("resolutions", ["32"], "image sizes", module_name="Benchmark")
_BATCHES = flags.DEFINE_list("batches", ["8"], "images a step", module_name="Benchmark")
_POLICIES = flags.DEFINE_list("policies", ["auto"], "Keras policies, or auto", module_name="Benchmark")
_JIT = flags.DEFINE_list("jit", ["off"], "off, on, or both: XLA for the gradients", module_name="Benchmark")
_DEVICES = flags.DEFINE_list("devices", ["0"], "numbers of devices, 0 for what there is", module_name="Benchmark")
_SETTINGS = flags.DEFINE_list("settings", [], "of training, NAME=NUMBER, on top of a preset", module_name="Benchmark")
_AVERAGES = flags.DEFINE_list("averages", [], "sigma_rel of power function averages", module_name="Benchmark")
_STEPS = flags.DEFINE_integer("steps", 20, "calls of each phase that are timed", 3, module_name="Benchmark")
_JSON = flags.DEFINE_bool("json", False, "a JSON object a line", module_name="Benchmark")


@dataclasses.dataclass(frozen=True)
class Case:
    """What is measured in one process."""

    preset: str
    resolution: int
    batch: int
    policy: str
    jit: str
    devices: int
    settings: tuple[tuple[str, float], ...]
    averages: tuple[str, ...]
    steps: int


def main() -> None:
    """Prints a line for each case."""
    settings = tuple((name, float(value)) for name, value in (setting.split("=") for setting in _SETTINGS.value))
    cases = [
        Case(
            preset,
            int(resolution),
            int(batch),
            policy,
            jit,
            int(devices),
            settings,
            tuple(_AVERAGES.value),
            _STEPS.value,
        )
        for preset in _PRESETS.value
        for resolution in _RESOLUTIONS.value
        for batch in _BATCHES.value
        for policy in _POLICIES.value
        for jit in _JIT.value
        for devices in _DEVICES.value
    ]
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as processes:
        for result in processes.map(_measure, cases):
            print(json.dumps(result) if _JSON.value else _line(result), flush=True)


def _measure(case: Case) -> dict[str, Any]:
    """All figures of a case."""
    use_cores(_config(case))
    with app.quiet_startup():
        import tensorflow as tf

        from stylegan_tf.training import devices
        from stylegan_tf.training.memory import memory_needed
    started = time.perf_counter()
    step, kinds, arguments, policy = _build(case)
    built = time.perf_counter()
    xla = case.jit == "on"
    functions: dict[str, tuple[Any, tuple[Any, ...]]] = {
        kind.phase.name: (step.compile(kind, xla), arguments) for kind in kinds
    }
    functions["average"] = (step.average_generator, (tf.constant(0.001),))
    if case.averages:  # in one function with the other
        functions["all averages"] = (step.average_generator, (tf.constant(0.001), tf.fill([len(case.averages)], 0.001)))
    parts = {name: _first_call(function, inputs) for name, (function, inputs) in functions.items()}
    for name, times in _times(functions, case.steps).items():
        parts[name]["ms"] = 1000.0 * statistics.median(times)
    if xla and step.strategy.num_replicas_in_sync == 1:
        for kind in kinds:
            parts[kind.phase.name] |= _xla_counts(step, kind, arguments)
    intervals = {kind.phase.name: kind.phase.interval for kind in kinds}
    needed = memory_needed(step.state, kinds[0].level, case.batch // step.strategy.num_replicas_in_sync)
    left_out = "average" if case.averages else ""
    step_ms = sum(part["ms"] / intervals.get(name, 1) for name, part in parts.items() if name != left_out)
    return {
        **dataclasses.asdict(case),
        "policy": policy,
        "devices": devices.describe_devices(step.strategy),
        "build_s": built - started,
        "phases": parts,
        "step_ms": step_ms,
        "images_per_s": 1000.0 * case.batch / step_ms,
        "s_per_kimg": step_ms / case.batch,
        "peak_mib": devices.memory_peak() / 2**20,
        "estimated_mib": needed / 2**20,
    }


def _config(case: Case) -> TrainConfig:
    config = preset(case.preset).replace({"resolution": str(case.resolution), "batch_size": case.batch})
    config = config.replace({name: int(value) if value.is_integer() else value for name, value in case.settings})
    return config.replace({"power_averages": ",".join(case.averages), "num_devices": case.devices})


def _build(case: Case) -> tuple[Any, list[Any], tuple[Any, ...], str]:
    """The step, the kinds of its phases, their arguments, and the policy."""
    import tensorflow as tf

    from stylegan_tf.configuration.resolve import resolve
    from stylegan_tf.training import devices
    from stylegan_tf.training.gradients import StepKind
    from stylegan_tf.training.preparation import make_augmentation, make_objective
    from stylegan_tf.training.shares import Shares
    from stylegan_tf.training.state import TrainState
    from stylegan_tf.training.steps import TrainingStep

    strategy = devices.choose_strategy(case.devices)
    policy = devices.choose_dtype_policy(case.policy)
    size = (case.resolution, case.resolution)
    config = resolve(_config(case), size, strategy.num_replicas_in_sync)
    level = config.num_levels_for(size) - 1
    with strategy.scope():
        state = TrainState(config, level + 1, 0, policy)
        state.set_learning_rates(0.001, 0.001)
    augmentation = make_augmentation(config.augment, config.loss.loss)
    shares = Shares.of(config, strategy.num_replicas_in_sync, devices.cores_of_a_device(strategy))
    step = TrainingStep(
        state, make_objective(config.loss), strategy, augmentation=augmentation, parts_at_once=shares.parts_at_once
    )
    share = case.batch // strategy.num_replicas_in_sync
    pixels = np.random.default_rng(0).integers(0, 256, (share, *size, 3), dtype=np.uint8)
    images = strategy.experimental_distribute_values_from_function(lambda _: tf.constant(pixels))
    labels = strategy.experimental_distribute_values_from_function(lambda _: tf.zeros([share, 0]))
    kinds = [StepKind(level, case.batch, phase) for phase in state.phases]
    return step, kinds, (images, labels, tf.constant(0, tf.int64), tf.constant(1.0)), policy


def _first_call(function: Any, inputs: tuple[Any, ...]) -> dict[str, Any]:
    """Seconds of tracing and of the first call, and what is launched."""
    from stylegan_tf.training.launches import count_launches

    begun = time.perf_counter()
    function.get_concrete_function(*inputs)
    traced = time.perf_counter()
    launches = count_launches(function, *inputs)
    return {
        "trace_s": traced - begun,
        "first_call_s": time.perf_counter() - traced,
        "launches": sum(launches.values()),
        "by_type": dict(launches.most_common()),
    }


def _times(functions: dict[str, tuple[Any, tuple[Any, ...]]], steps: int) -> dict[str, list[float]]:
    """Seconds of calls, taken in turns, behind two that do not count; traced once, as in training."""
    import tensorflow as tf

    concrete = {
        name: (function.get_concrete_function(*inputs), inputs) for name, (function, inputs) in functions.items()
    }
    times: dict[str, list[float]] = {name: [] for name in concrete}
    for _ in range(steps + 2):
        for name, (function, inputs) in concrete.items():
            begun = time.perf_counter()
            function(*inputs)
            tf.test.experimental.sync_devices()
            times[name].append(time.perf_counter() - begun)
    return {name: seconds[2:] for name, seconds in times.items()}


def _xla_counts(step: Any, kind: Any, arguments: tuple[Any, ...]) -> dict[str, int]:
    """Instructions that XLA is given for a phase's gradients, and kernels that it makes of them on this device."""
    from stylegan_tf.training.launches import count_instructions, count_kernels

    given = count_instructions(step.compiler_ir(kind, arguments, "hlo"))
    return {
        "instructions": sum(given.values()),
        "convolutions": given["convolution"],
        "products": given["dot"],
        "kernels": count_kernels(step.compiler_ir(kind, arguments, "optimized_hlo")),
    }


def _line(result: dict[str, Any]) -> str:
    head = (
        f"{result['preset']} {result['resolution']}x{result['resolution']}, batch {result['batch']}, "
        f"{result['policy']}, XLA {result['jit']}, {result['devices']}: {result['images_per_s']:.1f} images/s, "
        f"{result['s_per_kimg']:.2f} s/kimg, a step {result['step_ms']:.1f} ms, build {result['build_s']:.1f} s, "
        f"peak {result['peak_mib']:.0f} MiB (estimated {result['estimated_mib']:.0f} a device)"
    )
    return "; ".join([head, *(_phase_line(name, part) for name, part in result["phases"].items())])


def _phase_line(name: str, part: dict[str, Any]) -> str:
    line = (
        f"{name} {part['ms']:.1f} ms, {part['launches']} launches, trace {part['trace_s']:.1f} s, "
        f"first call {part['first_call_s']:.1f} s"
    )
    if "kernels" not in part:
        return line
    counts = {name: part[name] for name in ("instructions", "convolutions", "products", "kernels")}
    return f"{line}, XLA: {', '.join(f'{count} {name}' for name, count in counts.items())}"


if __name__ == "__main__":
    app.run(main)
