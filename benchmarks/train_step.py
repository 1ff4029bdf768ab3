"""Times training steps of both families: the phases, and the convolutions in them alone.

    python benchmarks/train_step.py

StyleGAN, with WGAN-GP: for each resolution, precision and form of resampling it prints images a second,
milliseconds a step, and the ratio of the step's time to that of its convolutions: every convolution and convolution
gradient of the step's own graph, counted there, timed alone in the same process, one kind after the other. That is
the floor.

StyleGAN2, with the logistic loss: the main phases (critic and generator), R1 and path length regularisation (of half
the batch), each alone, and a step with both averaged over their intervals, 16 and 4.

64 feature maps in every layer, z of 512, eight mapping layers, as published implementations are compared here.
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
_FAMILIES = flags.DEFINE_list("families", ["stylegan1", "stylegan2"], "network families", module_name="Benchmark")
_JIT = flags.DEFINE_bool("jit", False, "compile gradients with XLA (no ratio then)", module_name="Benchmark")

CONVOLUTIONS = ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter")
CHAIN = 8  # runs of an operation in one call, so that the call itself does not count


def main() -> None:
    """Prints a line for each case."""
    with app.quiet_startup():
        import tensorflow  # noqa: F401
    cases = [(int(resolution), policy) for resolution in _RESOLUTIONS.value for policy in _POLICIES.value]
    if "stylegan1" in _FAMILIES.value:
        _print_row("resolution", "policy", "resampling", "images/s", "ms a step", "convolutions ms", "ratio")
        for resolution, policy in cases:
            for fused_from in (0, 8):
                _report(resolution, policy, fused_from)
    if "stylegan2" in _FAMILIES.value:
        _print_row(
            "resolution", "policy", "main images/s", "main ms", "R1 ms", "path length ms", "average ms", "images/s"
        )
        for resolution, policy in cases:
            _report_stylegan2(resolution, policy)


def _print_row(*cells: str) -> None:
    print("  ".join(f"{cell:>15}" for cell in cells), flush=True)


def _report(resolution: int, policy: str, fused_from: int) -> None:
    step, arguments = _make_step(resolution, policy, {"fused_from": fused_from})
    phases = step.state.phases
    seconds = _median_seconds(lambda: _run(step, arguments, phases), _STEPS.value)
    row = [f"{resolution}x{resolution}", policy, "fused" if fused_from else "separate"]
    row += [f"{_BATCH.value / seconds:.1f}", f"{1000 * seconds:.1f}"]
    if not _JIT.value:
        floor = sum(_convolution_seconds(step, arguments, phase) for phase in phases)
        row += [f"{1000 * floor:.1f}", f"{seconds / floor:.2f}"]
    _print_row(*row)


def _report_stylegan2(resolution: int, policy: str) -> None:
    values = {
        "family": "stylegan2",
        "loss": "logistic",
        "critic_regularization_interval": 16,
        "path_length_weight": 2.0,
    }
    step, arguments = _make_step(resolution, policy, values)
    groups = [
        [phase for phase in step.state.phases if phase.main],
        [phase for phase in step.state.phases if phase.name == "critic regularizer"],
        [phase for phase in step.state.phases if phase.name == "generator regularizer"],
    ]
    times = _medians([lambda group=group: _run(step, arguments, group) for group in groups], _STEPS.value)
    main, r1, path_length = times
    average = main + r1 / groups[1][0].interval + path_length / groups[2][0].interval
    _print_row(
        f"{resolution}x{resolution}",
        policy,
        f"{_BATCH.value / main:.1f}",
        *(f"{1000 * seconds:.1f}" for seconds in (main, r1, path_length, average)),
        f"{_BATCH.value / average:.1f}",
    )


def _make_step(resolution: int, policy: str, values: dict[str, Any]) -> tuple[Any, tuple[Any, int]]:
    """A compiled step, its batch and its level."""
    import tensorflow as tf

    from stylegan_tf.configuration.config import TrainConfig
    from stylegan_tf.training.preparation import make_objective
    from stylegan_tf.training.state import TrainState
    from stylegan_tf.training.steps import TrainingStep

    config = TrainConfig().replace({"feature_maps_base": 2**20, "feature_maps_max": _MAPS.value, **values})
    levels = config.num_levels_for((resolution, resolution))
    state = TrainState(config, levels, 0, policy)
    state.set_learning_rates(0.001, 0.001)
    step = TrainingStep(state, make_objective(config.loss), tf.distribute.get_strategy())
    images = np.random.default_rng(0).integers(0, 256, (_BATCH.value, resolution, resolution, 3), dtype=np.uint8)
    return step, ((tf.constant(images), tf.zeros([_BATCH.value, 0])), levels - 1)


def _run(step: Any, arguments: tuple[Any, int], phases: Any) -> None:
    batch, level = arguments
    report = step(batch, level, _BATCH.value, phases, images_seen=0, fade_in=0.5)
    for value in report.values():
        value.numpy()  # waits


def _medians(runs: list[Callable[[], Any]], count: int) -> list[float]:
    """Seconds of each, taken in turns, so that what else the machine does weighs on all alike."""
    for run in runs * 3:
        run()
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(count):
        for run, seconds in zip(runs, times, strict=True):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds) for seconds in times]


def _median_seconds(run: Callable[[], Any], count: int) -> float:
    return _medians([run], count)[0]


def _convolution_seconds(step: Any, arguments: tuple[Any, int], phase: Any) -> float:
    """Seconds for all convolutions in a phase's graph."""
    import tensorflow as tf

    from stylegan_tf.training.gradients import StepKind

    batch, level = arguments
    compiled = step.compile(StepKind(level, _BATCH.value, phase), _JIT.value)
    graph = compiled.get_concrete_function(*batch, tf.constant(0, tf.int64), tf.constant(0.5)).graph
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
