"""Times a whole WGAN-GP step (critic and generator) against the convolutions in it alone.

    python benchmarks/train_step.py

For each resolution, precision and form of resampling it prints images a second, milliseconds a step, and the ratio of
the step's time to that of its convolutions: every convolution and convolution gradient of the step's own graph,
counted there, timed alone in the same process, one kind after the other. That is the floor. 64 feature maps in every
layer, z of 512, eight mapping layers, as published implementations are compared here.
"""

from __future__ import annotations

import collections
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import flags

from stylegan_tf.cli import app

_RESOLUTIONS = flags.DEFINE_list("resolutions", ["32", "64"], "image sizes", module_name="Benchmark")
_POLICIES = flags.DEFINE_list("policies", ["float32", "mixed_bfloat16"], "Keras policies", module_name="Benchmark")
_BATCH = flags.DEFINE_integer("batch", 16, "images a step", 1, module_name="Benchmark")
_STEPS = flags.DEFINE_integer("steps", 15, "steps timed", 3, module_name="Benchmark")
_MAPS = flags.DEFINE_integer("maps", 64, "feature maps in every layer", 1, module_name="Benchmark")
_JIT = flags.DEFINE_bool("jit", False, "compile gradients with XLA (no ratio then)", module_name="Benchmark")

CONVOLUTIONS = ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter")
CHAIN = 8  # runs of an operation in one call, so that the call itself does not count


def main() -> None:
    """Prints a line for each case."""
    with app.quiet_startup():
        import tensorflow as tf
    tf.config.optimizer.set_experimental_options({"remapping": False})
    header = ["resolution", "policy", "resampling", "images/s", "ms a step", "convolutions ms", "ratio"]
    print("  ".join(f"{name:>15}" for name in header), flush=True)
    for resolution in map(int, _RESOLUTIONS.value):
        for policy in _POLICIES.value:
            for fused_from in (0, 8):
                _report(resolution, policy, fused_from)


def _report(resolution: int, policy: str, fused_from: int) -> None:
    step, arguments = _make_step(resolution, policy, fused_from)
    seconds = _median_seconds(lambda: step(*arguments).numpy(), _STEPS.value)
    row = [f"{resolution}x{resolution}", policy, "fused" if fused_from else "separate"]
    row += [f"{_BATCH.value / seconds:.1f}", f"{1000 * seconds:.1f}"]
    if not _JIT.value:
        (compiled,) = step._compiled.values()
        floor = _convolution_seconds(compiled, arguments)
        row += [f"{1000 * floor:.1f}", f"{seconds / floor:.2f}"]
    print("  ".join(f"{cell:>15}" for cell in row), flush=True)


def _make_step(resolution: int, policy: str, fused_from: int) -> tuple[Any, tuple[Any, ...]]:
    import tensorflow as tf

    from stylegan_tf.config import TrainConfig
    from stylegan_tf.losses.objectives import WassersteinGP
    from stylegan_tf.training.state import TrainState
    from stylegan_tf.training.steps import StepKind, TrainingStep

    config = TrainConfig().replace({
        "feature_maps_base": 2**20, "feature_maps_max": _MAPS.value, "fused_from": fused_from,
    })
    levels = config.num_levels_for((resolution, resolution))
    state = TrainState(config, levels, 0, policy)
    state.set_learning_rate(0.001)
    step = TrainingStep(state, WassersteinGP(), tf.distribute.get_strategy(), jit_compile=_JIT.value)
    images = np.random.default_rng(0).integers(0, 256, (_BATCH.value, resolution, resolution, 3), dtype=np.uint8)
    batch = (tf.constant(images), tf.zeros([_BATCH.value, 0]))
    return step, (batch, StepKind(levels - 1, _BATCH.value), 0, 0.5)


def _median_seconds(run: Callable[[], Any], count: int) -> float:
    for _ in range(3):
        run()
    times = []
    for _ in range(count):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _convolution_seconds(compiled: Any, arguments: tuple[Any, ...]) -> float:
    """Seconds for all convolutions in the step's graph."""
    import tensorflow as tf

    batch, _, clock, fade_in = arguments
    graph = compiled.get_concrete_function(*batch, tf.constant(clock, tf.int64), tf.constant(fade_in)).graph
    kinds: collections.Counter[tuple[Any, ...]] = collections.Counter()
    for operation in graph.get_operations():
        if operation.type in CONVOLUTIONS:
            sides = [tensor for tensor in operation.inputs if tensor.dtype.is_floating]
            shapes = tuple(tuple(side.shape.as_list()) for side in sides)
            output = tuple(operation.outputs[0].shape.as_list())
            strides, padding = tuple(operation.get_attr("strides")), operation.get_attr("padding").decode()
            kinds[(operation.type, sides[0].dtype, shapes, output, strides, padding)] += 1
    return sum(count * _operation_seconds(*kind) for kind, count in kinds.items())


def _operation_seconds(
    kind: str, dtype: Any, shapes: tuple[Any, ...], output: Any, strides: tuple[int, ...], padding: str
) -> float:
    import tensorflow as tf

    # Inputs of their own for each, or TensorFlow would merge equal operations.
    first = [tf.cast(tf.random.normal(shapes[0]), dtype) for _ in range(CHAIN)]
    second = tf.cast(tf.random.normal(shapes[1]), dtype)

    def once(a: Any, b: Any) -> Any:
        if kind == "Conv2D":
            return tf.raw_ops.Conv2D(input=a, filter=b, strides=strides, padding=padding)
        if kind == "Conv2DBackpropInput":
            return tf.raw_ops.Conv2DBackpropInput(
                input_sizes=output, filter=a, out_backprop=b, strides=strides, padding=padding
            )
        return tf.raw_ops.Conv2DBackpropFilter(
            input=a, filter_sizes=output, out_backprop=b, strides=strides, padding=padding
        )

    @tf.function
    def one_after_the_other(inputs: list[Any], b: Any) -> list[Any]:
        results = [once(inputs[0], b)]
        for a in inputs[1:]:
            with tf.control_dependencies([results[-1]]):
                results.append(once(a, b))
        return results  # all of them, or TensorFlow would leave out those that nobody takes

    return _median_seconds(lambda: one_after_the_other(first, second)[-1].numpy(), 5) / CHAIN


if __name__ == "__main__":
    app.run(main)
