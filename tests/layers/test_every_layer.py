"""What every layer must do: configuration, saving, half precision, gradients, symbolic calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf import layers

FEATURES = (4, 6, 8, 3)
W = (4, 5)


@dataclasses.dataclass(frozen=True)
class Case:
    """One configuration of one layer, and the shapes of its inputs and of its output."""

    layer: type[keras.layers.Layer]
    options: dict[str, Any]
    inputs: Sequence[tuple[int, ...]]
    output: tuple[int, ...]

    def make(self, **kwargs: Any) -> keras.layers.Layer:
        return self.layer(**self.options, **kwargs)


CASES = {
    "adain": Case(layers.AdaIN, {"epsilon": 1e-5}, [FEATURES, W], FEATURES),
    "adain_style_only": Case(layers.AdaIN, {"normalize": False}, [FEATURES, W], FEATURES),
    "dense": Case(layers.EqualizedDense, {"units": 7, "gain": 1.5, "activation": "leaky_relu"}, [(4, 9)], (4, 7)),
    "dense_slow": Case(layers.EqualizedDense, {"units": 7, "learning_rate_multiplier": 0.01}, [(4, 9)], (4, 7)),
    "dense_no_bias": Case(layers.EqualizedDense, {"units": 7, "use_bias": False}, [(4, 9)], (4, 7)),
    "conv": Case(layers.EqualizedConv2D, {"filters": 7, "kernel_size": 5}, [FEATURES], (4, 6, 8, 7)),
    "conv_up": Case(layers.EqualizedConv2D, {"filters": 7, "resample": "up", "blur": True}, [FEATURES], (4, 12, 16, 7)),
    "conv_up_fused": Case(
        layers.EqualizedConv2D, {"filters": 7, "resample": "up", "fused": True}, [FEATURES], (4, 12, 16, 7)
    ),
    "conv_down": Case(
        layers.EqualizedConv2D,
        {"filters": 7, "resample": "down", "blur": True, "activation": "leaky_relu"},
        [FEATURES],
        (4, 3, 4, 7),
    ),
    "conv_down_fused": Case(
        layers.EqualizedConv2D, {"filters": 7, "resample": "down", "fused": True}, [FEATURES], (4, 3, 4, 7)
    ),
    "dense_gain_behind": Case(
        layers.EqualizedDense,
        {"units": 7, "gain": 1.0, "activation": "leaky_relu", "activation_gain": 1.4, "bias_initializer": "ones"},
        [(4, 9)],
        (4, 7),
    ),
    "conv_up_filtered": Case(
        layers.EqualizedConv2D,
        {"filters": 7, "resample": "up", "resample_filter": (1, 3, 3, 1)},
        [FEATURES],
        (4, 12, 16, 7),
    ),
    "conv_down_filtered": Case(
        layers.EqualizedConv2D,
        {
            "filters": 7,
            "resample": "down",
            "resample_filter": (1, 3, 3, 1),
            "activation": "leaky_relu",
            "activation_gain": 1.4,
            "clamp": 2.0,
        },
        [FEATURES],
        (4, 3, 4, 7),
    ),
    "skip_down_filtered": Case(
        layers.EqualizedConv2D,
        {"filters": 7, "kernel_size": 1, "resample": "down", "resample_filter": (1, 2, 1), "use_bias": False},
        [FEATURES],
        (4, 3, 4, 7),
    ),
    "modulated_conv": Case(layers.ModulatedConv2D, {"filters": 7}, [FEATURES, W], (4, 6, 8, 7)),
    "modulated_conv_up": Case(
        layers.ModulatedConv2D,
        {"filters": 7, "resample": "up", "resample_filter": (1, 2, 1)},
        [FEATURES, W],
        (4, 12, 16, 7),
    ),
    "modulated_conv_plain": Case(
        layers.ModulatedConv2D, {"filters": 7, "kernel_size": 1, "demodulate": False}, [FEATURES, W], (4, 6, 8, 7)
    ),
    "modulated_layer": Case(
        layers.ModulatedLayer, {"filters": 7, "activation_gain": 1.0, "clamp": 2.0}, [FEATURES, W], (4, 6, 8, 7)
    ),
    "modulated_layer_up": Case(
        layers.ModulatedLayer, {"filters": 7, "resample": "up", "noise": False}, [FEATURES, W], (4, 12, 16, 7)
    ),
    "modulated_to_rgb": Case(layers.ModulatedToRGB, {"channels": 4, "clamp": 8.0}, [FEATURES, W], (4, 6, 8, 4)),
    "from_rgb": Case(layers.FromRGB, {"filters": 7}, [FEATURES], (4, 6, 8, 7)),
    "to_rgb": Case(layers.ToRGB, {"channels": 4}, [FEATURES], (4, 6, 8, 4)),
    "instance_norm": Case(layers.InstanceNorm, {}, [FEATURES], FEATURES),
    "instance_norm_affine": Case(
        layers.InstanceNorm, {"epsilon": 1e-3, "center": True, "scale": True}, [FEATURES], FEATURES
    ),
    "latent_input": Case(layers.LatentInput, {"height": 3, "width": 2, "channels": 6}, [W], (4, 3, 2, 6)),
    "learned_constant": Case(layers.LearnedConstant, {"height": 3, "width": 2, "channels": 6}, [W], (4, 3, 2, 6)),
    "learned_constant_normal": Case(
        layers.LearnedConstant,
        {"height": 3, "width": 2, "channels": 6, "normal": True, "use_bias": False},
        [W],
        (4, 3, 2, 6),
    ),
    "minibatch_stddev": Case(layers.MinibatchStdDev, {"group_size": 2, "num_features": 3}, [FEATURES], (4, 6, 8, 6)),
    "noise_injection": Case(layers.NoiseInjection, {"seed": 3}, [FEATURES], FEATURES),
    "noise_injection_one_strength": Case(layers.NoiseInjection, {"per_channel": False}, [FEATURES], FEATURES),
    "pixel_norm": Case(layers.PixelNorm, {"epsilon": 1e-6}, [FEATURES], FEATURES),
    "styled_layer": Case(layers.StyledLayer, {"filters": 7}, [FEATURES, W], (4, 6, 8, 7)),
    "styled_layer_constant": Case(layers.StyledLayer, {"filters": None}, [FEATURES, W], FEATURES),
    "styled_layer_up": Case(
        layers.StyledLayer,
        {"filters": 7, "resample": "up", "fused": True, "blur": True, "normalization": "pixel"},
        [FEATURES, W],
        (4, 12, 16, 7),
    ),
    "styled_layer_traditional": Case(
        layers.StyledLayer,
        {"filters": 7, "resample": "up", "noise": False, "normalization": "instance", "style": False},
        [FEATURES, W],
        (4, 12, 16, 7),
    ),
    "styled_layer_no_norm": Case(
        layers.StyledLayer, {"filters": 7, "normalization": "none", "noise": False}, [FEATURES, W], (4, 6, 8, 7)
    ),
}

# Layers whose output is float32 whatever the policy says.
ALWAYS_FLOAT32 = {"to_rgb", "modulated_to_rgb"}


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def inputs_of(case: Case) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in case.inputs]


def randomize(layer: Any) -> None:
    """Moves every weight away from where it starts, so that zeros and ones hide nothing."""
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        if "seed_generator" not in weight.path:
            weight.assign(weight + 0.5 * rng.normal(size=weight.shape))


def test_every_public_layer_has_a_case():
    made = {case.layer.__name__ for case in CASES.values()}
    assert made == set(layers.__all__)


def test_config_round_trip(name):
    case = CASES[name]
    layer = case.make(name="some_name", dtype="mixed_bfloat16")
    config = layer.get_config()
    assert {option: config[option] for option in case.options} == case.options
    copy = type(layer).from_config(config)
    assert copy.get_config() == config
    assert copy.name == "some_name"
    assert copy.dtype_policy.name == layer.dtype_policy.name

    inputs = inputs_of(case)
    layer(*inputs)
    randomize(layer)
    copy(*inputs)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(tf.cast(copy(*inputs), "float32"), tf.cast(layer(*inputs), "float32"))


def test_default_config_round_trip(name):
    layer = CASES[name].layer
    required = {
        "EqualizedDense": {"units": 2},
        "EqualizedConv2D": {"filters": 2},
        "FromRGB": {"filters": 2},
        "ToRGB": {"channels": 2},
        "StyledLayer": {"filters": 2},
        "LatentInput": {"height": 1, "width": 1, "channels": 2},
        "LearnedConstant": {"height": 1, "width": 1, "channels": 2},
        "ModulatedConv2D": {"filters": 2},
        "ModulatedLayer": {"filters": 2},
        "ModulatedToRGB": {"channels": 2},
    }
    made = layer(**required.get(layer.__name__, {}))
    assert layer.from_config(made.get_config()).get_config() == made.get_config()


@pytest.mark.slow
def test_symbolic_call_and_saving_inside_a_functional_model(name, tmp_path):
    case = CASES[name]
    symbols = [keras.Input(shape[1:]) for shape in case.inputs]
    model = keras.Model(symbols, case.make()(*symbols))
    assert model.output_shape == (None, *case.output[1:])
    randomize(model)
    inputs = inputs_of(case)
    before = model(inputs)
    assert before.shape == case.output

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.get_weights()) == len(model.get_weights())
    for got, want in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(loaded(inputs), before)


@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_bfloat16", 0.04), ("mixed_float16", 0.006)])
def test_half_precision_is_close_to_float32(name, policy, tolerance, relative_error):
    case = CASES[name]
    inputs = inputs_of(case)
    full, half = case.make(dtype="float32"), case.make(dtype=policy)
    full(*inputs)
    half(*inputs)
    randomize(full)
    half.set_weights(full.get_weights())
    assert all(weight.dtype == "float32" for weight in half.trainable_weights)

    compute_dtype = "float32" if name in ALWAYS_FLOAT32 else half.compute_dtype
    features = [tf.cast(x, compute_dtype) if x.ndim == 4 else x for x in inputs]
    with tf.GradientTape() as tape:
        got = half(*features)
        loss = tf.reduce_sum(tf.cast(got, "float32") ** 3)
    assert got.dtype == compute_dtype
    assert relative_error(tf.cast(got, "float32"), full(*inputs)) < tolerance
    weights = [weight.value for weight in half.trainable_weights]
    for gradient in tape.gradient(loss, weights):
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient)


def test_the_symbolic_type_is_the_type_that_comes_out(name):
    case = CASES[name]
    layer = case.make(dtype="mixed_bfloat16")
    symbols = [keras.Input(shape[1:]) for shape in case.inputs]
    assert layer(*symbols).dtype == layer(*inputs_of(case)).dtype.name


def test_every_trainable_weight_has_a_gradient(name):
    case = CASES[name]
    layer = case.make()
    inputs = [tf.constant(x) for x in inputs_of(case)]
    layer(*inputs)
    with tf.GradientTape() as tape:
        output = layer(*inputs)
        loss = tf.reduce_sum(output * np.random.default_rng(2).normal(size=output.shape))
    weights = [weight.value for weight in layer.trainable_weights]
    for variable, gradient in zip(layer.trainable_weights, tape.gradient(loss, weights), strict=True):
        assert gradient is not None, variable.path
        assert np.all(np.isfinite(gradient)), variable.path
        assert np.max(np.abs(gradient)) > 1e-3, variable.path


def test_input_gradients(name):
    case = CASES[name]
    layer = case.make()
    inputs = [tf.constant(x) for x in inputs_of(case)]
    layer(*inputs)
    randomize(layer)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = layer(*inputs)
        loss = tf.reduce_sum(output * np.random.default_rng(2).normal(size=output.shape))
    gradients = tape.gradient(loss, inputs)
    ignored = {"learned_constant": [0], "learned_constant_normal": [0], "styled_layer_traditional": [1]}.get(name, [])
    for index, gradient in enumerate(gradients):
        if index in ignored:
            assert gradient is None
        else:
            assert np.all(np.isfinite(gradient))
            assert np.max(np.abs(gradient)) > 1e-3
