"""Times a SavedModel, run in a session as TensorFlow Serving does, against the networks in Python.

    python benchmarks/serving.py
    python benchmarks/serving.py --preset=stylegan2-f --resolution=256 --batches=1,4 --calls=20

Weights are random. The same latents go through `from_z` of the SavedModel, which gives 8-bit images, and through the
networks in Python, compiled with `tf.function` and called directly, turn by turn in this process. The last column is
how many images each makes for one of the compiled Python networks. With --threads the SavedModel is then called from
several threads at once. Loading and memory are taken in a process of their own; what it took before it loaded the
model, TensorFlow itself, is subtracted.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from stylegan_tf.cli import app

_PRESET = flags.DEFINE_string("preset", "tiny", "whose networks", module_name="Benchmark")
_RESOLUTION = flags.DEFINE_integer("resolution", 32, "height and width of the images", 4, module_name="Benchmark")
_BATCHES = flags.DEFINE_list("batches", ["1", "4", "16", "64"], "images of a call", module_name="Benchmark")
_CALLS = flags.DEFINE_integer("calls", 100, "calls timed of each", 10, module_name="Benchmark")
_THREADS = flags.DEFINE_integer("threads", 4, "that call at once; 0: leave that out", 0, module_name="Benchmark")


def main() -> None:
    """Prints the tables."""
    with app.quiet_startup():
        import tensorflow  # noqa: F401
    served = make_served()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "1"
        started = time.perf_counter()
        write(served, path)
        written = time.perf_counter() - started
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 2**20
        print(f"{_PRESET.value}, {_RESOLUTION.value}x{_RESOLUTION.value}: {size:.1f} MiB, written in {written:.1f} s")
        batches = [int(batch) for batch in _BATCHES.value]
        in_process_of_its_own(report_memory, path, served.generator.z_size, max(batches))
        time_calls(served, path, batches)


def make_served() -> Any:
    """The networks of the preset, with random weights."""
    import keras

    from stylegan_tf.configuration.presets import preset
    from stylegan_tf.networks.at_level import GeneratorAtLevel
    from stylegan_tf.networks.build import build_generator, shape_of
    from stylegan_tf.serving.endpoints import ServedGenerator

    keras.utils.set_random_seed(0)
    config = preset(_PRESET.value)
    levels = config.num_levels_for((_RESOLUTION.value,) * 2)
    return ServedGenerator(GeneratorAtLevel(build_generator(config.network, shape_of(config, levels, 0))))


def write(served: Any, path: Path) -> None:
    """Writes every signature, as an export does."""
    from stylegan_tf.serving.endpoints import build_endpoints
    from stylegan_tf.serving.export import write_saved_model

    write_saved_model(build_endpoints(served), path)


def in_process_of_its_own(function: Callable[..., None], *arguments: Any) -> None:
    """Runs a function in a fresh process, whose memory is not mixed up with ours."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()


def report_memory(path: Path, z_size: int, batch: int) -> None:
    """Prints how long loading takes, and the memory after it and at most during calls."""
    with app.quiet_startup():
        from stylegan_tf.exports.read import LoadedVersion

    before = resident_mib()
    started = time.perf_counter()
    loaded = LoadedVersion(path)
    seconds, after = time.perf_counter() - started, resident_mib()
    started = time.perf_counter()
    loaded.run("from_z", inputs(z_size, 1))
    first = time.perf_counter() - started
    for _ in range(3):
        loaded.run("from_z", inputs(z_size, batch))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"loaded in {seconds:.2f} s, first image after another {first:.2f} s; memory {after - before:.0f} MiB loaded, "
        f"at most {most - before:.0f} MiB with {batch} images a call",
        flush=True,
    )


def resident_mib() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 2**20


def inputs(z_size: int, batch: int) -> dict[str, np.ndarray]:
    """Of `from_z`."""
    z = np.random.default_rng(0).standard_normal((batch, z_size)).astype(np.float32)
    return {"z": z, "truncation_psi": np.full(batch, 0.7, np.float32)}


def time_calls(served: Any, path: Path, batches: list[int]) -> None:
    """Images a second and latency, by batch size."""
    import tensorflow as tf

    from stylegan_tf.exports.read import LoadedVersion
    from stylegan_tf.images import to_uint8

    loaded = LoadedVersion(path)

    def from_z(z: Any, psi: Any) -> Any:
        return to_uint8(served.synthesize(served.truncate(served.map(z), psi)))

    compiled = tf.function(
        from_z, input_signature=[tf.TensorSpec([None, served.generator.z_size]), tf.TensorSpec([None])]
    )
    print(f"{'batch':>5}  {'':<22}{'images/s':>9}{'median ms':>11}{'99th ms':>9}{'ratio':>7}")
    for batch in batches:
        values = inputs(served.generator.z_size, batch)
        z, psi = tf.constant(values["z"]), tf.constant(values["truncation_psi"])
        ways: dict[str, Callable[[], Any]] = {
            "SavedModel": lambda values=values: loaded.run("from_z", values),
            "Python, tf.function": lambda z=z, psi=psi: compiled(z, psi).numpy(),
            "Python, called directly": lambda z=z, psi=psi: from_z(z, psi).numpy(),
        }
        seconds = time_turn_by_turn(ways)
        reference = np.median(seconds["Python, tf.function"])
        for name, times in seconds.items():
            median, slow = np.median(times), np.percentile(times, 99)
            print(
                f"{batch:>5}  {name:<23}{batch / median:>8.1f}{median * 1000:>11.1f}{slow * 1000:>9.1f}"
                f"{reference / median:>7.2f}",
                flush=True,
            )
        if _THREADS.value:
            time_threads(ways["SavedModel"], batch)


def time_turn_by_turn(ways: dict[str, Callable[[], Any]]) -> dict[str, np.ndarray]:
    """Seconds of each call of each way, after three that are not counted."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_CALLS.value + 3):
        for name, call in ways.items():
            started = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - started)
    return {name: np.array(values[3:]) for name, values in times.items()}


def time_threads(call: Callable[[], Any], batch: int) -> None:
    """Images a second of several threads together."""
    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(_THREADS.value) as pool:
        for future in [pool.submit(call) for _ in range(_CALLS.value)]:
            future.result()
    speed = batch * _CALLS.value / (time.perf_counter() - started)
    print(f"{batch:>5}  {f'SavedModel, {_THREADS.value} threads':<23}{speed:>8.1f}")


if __name__ == "__main__":
    app.run(main)
