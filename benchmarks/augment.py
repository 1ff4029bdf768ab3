"""Times what augmentation adds to a StyleGAN2 training step.

    python benchmarks/augment.py

A step augments the reals and the fakes of the critic, and the fakes of the generator with a gradient: two forward
passes, and one forward and backward. For each set of transforms it prints the time of both kinds of pass, of what a
step has of them, and their ratio to the main passes of the same step without augmentation: the generator forward and
the critic forward and backward on reals and fakes, then both networks forward and backward. Everything runs in this
process, turn by turn, so that what else the machine does meets all alike.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

from absl import flags

from stylegan_tf.cli import app

_GROUPS = flags.DEFINE_list(
    "groups",
    ["blit", "bg", "color", "bgc", "bgcf", "bgcfn", "bgcfnc", "diffaugment"],
    "sets of transforms; or diffaugment",
    module_name="Benchmark",
)
_POLICIES = flags.DEFINE_list("policies", ["float32", "mixed_bfloat16"], "Keras policies", module_name="Benchmark")
_RESOLUTION = flags.DEFINE_integer("resolution", 64, "image size, a power of two", 8, module_name="Benchmark")
_BATCH = flags.DEFINE_integer("batch", 16, "images a step", 1, module_name="Benchmark")
_MAPS = flags.DEFINE_integer("maps", 64, "feature maps in every layer", 1, module_name="Benchmark")
_RUNS = flags.DEFINE_integer("runs", 15, "runs timed of each", 3, module_name="Benchmark")
_STRENGTH = flags.DEFINE_float("p", 0.5, "probability of each transform", 0.0, 1.0, module_name="Benchmark")
_JIT = flags.DEFINE_bool("jit", False, "compile with XLA, as on GPUs", module_name="Benchmark")

W_SIZE = 512


def main() -> None:
    """Prints a line for each set of transforms."""
    with app.quiet_startup():
        import tensorflow as tf
    tf.get_logger().setLevel("ERROR")  # it takes so many functions for one that is traced again and again
    runs: dict[str, Callable[[], Any]] = {}
    key = tf.constant([1, 2])
    for groups in _GROUPS.value:
        forward, with_gradient = _make_passes(groups)
        runs[f"{groups} forward"] = lambda run=forward: run(key)
        runs[f"{groups} with gradient"] = lambda run=with_gradient: run(key)
    for policy in _POLICIES.value:
        runs[policy] = _make_main_passes(policy)
    milliseconds = _median_milliseconds(runs)

    for policy in _POLICIES.value:
        step = milliseconds[policy]
        print(f"{policy}: main passes {step:.1f} ms a step, {1000 * _BATCH.value / step:.1f} images/s")
    header = ["transforms", "forward ms", "images/s", "with gradient ms", "a step's ms"]
    header += [f"of {policy}" for policy in _POLICIES.value]
    print("  ".join(f"{name:>17}" for name in header))
    for groups in _GROUPS.value:
        forward, with_gradient = milliseconds[f"{groups} forward"], milliseconds[f"{groups} with gradient"]
        share = step_milliseconds(forward, with_gradient)
        row = [groups, f"{forward:.1f}", f"{1000 * _BATCH.value / forward:.0f}", f"{with_gradient:.1f}", f"{share:.1f}"]
        row += [f"{share / milliseconds[policy]:.2f}" for policy in _POLICIES.value]
        print("  ".join(f"{cell:>17}" for cell in row))


def step_milliseconds(forward: float, with_gradient: float) -> float:
    """What a training step spends on augmentation: reals and fakes for the critic, fakes for the generator."""
    return 2 * forward + with_gradient


def _make_passes(groups: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """An augmentation of a batch, and one with the gradient of a loss with respect to the images."""
    import tensorflow as tf

    from stylegan_tf.augment.base import AnyAugmentation
    from stylegan_tf.augment.diffaugment import DiffAugment
    from stylegan_tf.augment.pipeline import Augmentation

    everything = DiffAugment(color=True, translation=True, cutout=True)
    augmentation: AnyAugmentation = everything if groups == "diffaugment" else Augmentation.from_groups(groups)
    shape = (_RESOLUTION.value, _RESOLUTION.value, 3)
    images = tf.random.stateless_uniform([_BATCH.value, *shape], [1, 1], -1.0, 1.0)
    gradients = tf.random.stateless_normal(images.shape, [2, 2])
    p = tf.Variable(_STRENGTH.value)

    @tf.function(jit_compile=_JIT.value)
    def forward(key: tf.Tensor) -> tf.Tensor:
        return augmentation(images, augmentation.draw(key, _BATCH.value, shape, 1)[0], p)

    @tf.function(jit_compile=_JIT.value)
    def with_gradient(key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        (draws,) = augmentation.draw(key, _BATCH.value, shape, 1)
        with tf.GradientTape() as tape:
            tape.watch(images)
            augmented = augmentation(images, draws, p)
        return augmented, tape.gradient(augmented, images, gradients)

    return forward, with_gradient


def _make_main_passes(policy: str) -> Callable[[], Any]:
    """The passes through both networks in one step, without mapping, regularisation and optimizers."""
    import keras
    import tensorflow as tf

    from stylegan_tf.losses.adversarial import logistic_critic_loss, logistic_generator_loss
    from stylegan_tf.networks.stylegan2.critic import StyleGAN2Critic
    from stylegan_tf.networks.stylegan2.synthesis import StyleGAN2SynthesisNetwork

    sizes = {"num_levels": int(math.log2(_RESOLUTION.value)) - 1, "feature_maps_base": 2**20}
    keras.config.set_dtype_policy(policy)
    synthesis = StyleGAN2SynthesisNetwork(**sizes, feature_maps_max=_MAPS.value)
    critic = StyleGAN2Critic(**sizes, feature_maps_max=_MAPS.value)
    ws = tf.random.stateless_normal([_BATCH.value, synthesis.num_ws, W_SIZE], [3, 3])
    reals = tf.random.stateless_uniform([_BATCH.value, _RESOLUTION.value, _RESOLUTION.value, 3], [4, 4], -1.0, 1.0)
    critic(synthesis(ws))

    @tf.function(jit_compile=_JIT.value)
    def step() -> list[tf.Tensor]:
        fakes = synthesis(ws, noise="random")
        with tf.GradientTape() as tape:
            scores = critic(tf.concat([reals, fakes], axis=0), num_batches=2)
            loss = tf.reduce_mean(logistic_critic_loss(*tf.split(scores, 2)))
        gradients = tape.gradient(loss, [weight.value for weight in critic.trainable_variables])
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(logistic_generator_loss(critic(synthesis(ws, noise="random"))))
        gradients += tape.gradient(loss, [weight.value for weight in synthesis.trainable_variables])
        return gradients

    return step


def _median_milliseconds(runs: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Medians; every round runs each once."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # traces
    for _ in range(_RUNS.value + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            result = run()
            (result[-1] if isinstance(result, (list, tuple)) else result).numpy()
            times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(kept[1:]) for name, kept in times.items()}


if __name__ == "__main__":
    app.run(main)
