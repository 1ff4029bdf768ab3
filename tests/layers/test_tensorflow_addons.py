"""What stands in for tensorflow-addons gives the numbers of tensorflow-addons 0.23.

That package reached its end of life and no longer imports; tests/reference/tensorflow_addons.npz was made with it.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.layers import InstanceNorm


@pytest.fixture(scope="module")
def addons(reference):
    return reference("tensorflow_addons")


@pytest.mark.parametrize("epsilon", [1e-3, 1e-8])
def test_instance_norm(addons, relative_error, epsilon):
    layer = InstanceNorm(epsilon=epsilon, center=True, scale=True)
    x = tf.constant(addons.inputs["x"])
    layer.build(x.shape)
    layer.gamma.assign(addons.inputs["gamma"])
    layer.beta.assign(addons.inputs["beta"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(tf.sin(y))
    name = f"instance_norm/eps{epsilon:g}"
    assert relative_error(y, addons.outputs[f"{name}/y"]) < 1e-5
    assert relative_error(tape.gradient(loss, x), addons.outputs[f"{name}/grad_of_sum_sin"]) < 1e-5


def test_instance_norm_defaults_are_the_published_epsilon_without_weights(addons):
    layer = InstanceNorm()
    x = addons.inputs["x"].astype(np.float64)
    want = (x - x.mean(axis=(1, 2), keepdims=True)) / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-8)
    np.testing.assert_allclose(layer(x.astype(np.float32)), want, atol=1e-5)
    assert not layer.weights


def test_group_normalization(addons, relative_error):
    layer = keras.layers.GroupNormalization(groups=3, epsilon=1e-3)
    layer.build(addons.inputs["x"].shape)
    layer.gamma.assign(addons.inputs["gamma"])
    layer.beta.assign(addons.inputs["beta"])
    assert relative_error(layer(addons.inputs["x"]), addons.outputs["group_norm3/y"]) < 1e-5


@pytest.mark.parametrize("padding", ["CONSTANT", "REFLECT"])
def test_gaussian_filter(addons, relative_error, padding):
    image, border = addons.inputs["image"], 0
    if padding == "REFLECT":
        border = 2
        image = np.pad(image, [(0, 0), (border, border), (border, border), (0, 0)], mode="reflect")
    blurred = keras.ops.image.gaussian_blur(
        image, kernel_size=(5, 5), sigma=(1.3, 1.3), data_format="channels_last"
    ).numpy()
    blurred = blurred[:, border : blurred.shape[1] - border, border : blurred.shape[2] - border]
    assert relative_error(blurred, addons.outputs[f"gaussian_filter2d/{padding}"]) < 1e-5


def test_moving_average(addons, relative_error):
    """Keras' average has the same formula but another start: its first step copies the weights.

    tensorflow-addons starts from the weights before the first step, as our averaged generator does.
    """
    weight = keras.Variable(addons.inputs["ema_start"])
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)
    optimizer.build([weight])
    average = optimizer._model_variables_moving_average[0]
    for step, gradient in enumerate(addons.inputs["ema_grads"]):
        optimizer.apply([tf.constant(gradient)], [weight])
        assert relative_error(weight, addons.outputs["ema_weights"][step]) < 1e-5
        if step == 0:
            np.testing.assert_array_equal(average, weight)
            average.assign(addons.outputs["ema_average"][0])
        assert relative_error(average, addons.outputs["ema_average"][step]) < 1e-5


def test_spectral_normalization(addons, relative_error):
    # Twenty power iterations find the largest singular value, whatever they started from.
    dense = keras.layers.Dense(5, use_bias=False)
    layer = keras.layers.SpectralNormalization(dense, power_iterations=20)
    layer.build((None, 9))
    dense.kernel.assign(addons.inputs["dense_kernel"])
    layer(addons.inputs["dense_x"], training=True)
    want = addons.outputs["spectral_norm_kernel_20_iterations"]
    assert relative_error(dense.kernel, want) < 1e-5
    assert abs(np.linalg.svd(np.asarray(dense.kernel), compute_uv=False)[0] - 1.0) < 1e-4
