"""Small networks of either family with random weights, their inputs, and how gradients of networks are checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stylegan_tf.networks import Critic, StyleGAN2Critic

SMALL = {"num_levels": 2, "feature_maps_base": 32, "feature_maps_max": 8}
LABELS = np.eye(4, dtype=np.float32)[[2, 0, 1, 2]]  # of the images of `images_for`


def small_critic(kind: type[Critic | StyleGAN2Critic], **options: Any) -> Any:
    critic = kind(**{**SMALL, **options})
    critic.build()
    rng = np.random.default_rng(0)
    for weight in critic.trainable_weights:
        weight.assign(rng.normal(size=weight.shape) * (50.0 if "mapping/dense" in weight.path else 1.0))
    return critic


def images_for(critic: Any, level: int | None = None, count: int = 4) -> np.ndarray:
    level = critic.num_levels - 1 if level is None else level
    height, width = critic.base_size
    shape = (count, height << level, width << level, critic.channels)
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def ws_for(synthesis: Any, images: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(images, synthesis.num_ws, 5)).astype(np.float32)


def gradients_by_path(network: Any, call: Callable[[], tf.Tensor]) -> dict[str, np.ndarray]:
    """Gradients of the sum of squares of what `call` gives, of those trainable weights that have one."""
    variables = network.trainable_weights
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(call() ** 2)
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return {v.path: g.numpy() for v, g in zip(variables, gradients, strict=True) if g is not None}


def assert_gradients_predict_change(
    value: Callable[[], tf.Tensor], variables: Sequence[Any], gradients: Sequence[tf.Tensor]
) -> None:
    """A difference quotient of a value along a random direction of all variables is what their gradients say."""
    rng = np.random.default_rng(5)
    directions = [rng.normal(size=variable.shape).astype(np.float32) for variable in variables]
    slope = sum(np.sum(g * d, dtype=np.float64) for g, d in zip(gradients, directions, strict=True))
    starts, step, values = [variable.numpy() for variable in variables], 2e-3, []
    for sign in (1, -1):
        for variable, start, direction in zip(variables, starts, directions, strict=True):
            variable.assign(start + sign * step * direction)
        values.append(float(value()))
    np.testing.assert_allclose((values[0] - values[1]) / (2 * step), slope, rtol=0.02)


def assert_config_and_file_keep(network: Any, call: Callable[[Any], tf.Tensor], folder: Path) -> None:
    """What `call` makes of a network is the same of one built from its configuration, and of one saved and loaded."""
    want = call(network)
    copy = type(network).from_config(network.get_config())
    copy.build()
    assert copy.get_config() == network.get_config()
    copy.set_weights(network.get_weights())
    np.testing.assert_array_equal(call(copy), want)

    network.save(folder / "network.keras")
    loaded = keras.saving.load_model(folder / "network.keras")
    for got, saved in zip(loaded.weights, network.weights, strict=True):
        assert got.path.split("/")[-1] == saved.path.split("/")[-1]
        np.testing.assert_array_equal(got, saved)
    np.testing.assert_array_equal(call(loaded), want)


def assert_one_trace_serves_batches_and_fade_ins(synthesis: Any) -> None:
    fade_in = tf.Variable(0.0)

    @tf.function(input_signature=[tf.TensorSpec([None, synthesis.num_ws, 5])], autograph=False)
    def run(ws: tf.Tensor) -> tf.Tensor:
        return synthesis(ws, fade_in=fade_in)

    for value, images in ((0.0, 2), (0.5, 3), (1.0, 1)):
        fade_in.assign(value)
        ws = ws_for(synthesis, images)
        np.testing.assert_allclose(run(ws), synthesis(ws, fade_in=value), rtol=1e-4, atol=1e-5)
    assert run.experimental_get_tracing_count() == 1
