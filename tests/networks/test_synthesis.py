"""The synthesis network beyond the published configurations."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_networks import SMALL, assert_one_trace_serves_batches_and_fade_ins, gradients_by_path, ws_for

from stylegan_tf.networks import SynthesisNetwork

VARIANTS = {
    "published": {},
    "progressive": {"constant_input": False, "style": False, "noise": False, "normalization": "pixel", "blur": False},
    "pixel_norm_instead_of_adain": {"normalization": "pixel", "style": False},
    "latent_input": {"constant_input": False},
    "no_noise": {"noise": False},
    "no_blur": {"blur": False},
    "style_without_normalization": {"normalization": "none"},
    "instance_norm_without_style": {"style": False, "constant_input": False},
    "fused": {"fused_from": 0},
    "fused_at_8": {"fused_from": 8},
}


def small(**options) -> SynthesisNetwork:
    network = SynthesisNetwork(**{**SMALL, **options})
    network.build((None, network.num_ws, 5))
    return randomize(network)


def randomize(network: SynthesisNetwork) -> SynthesisNetwork:
    rng = np.random.default_rng(0)
    for weight in network.trainable_weights:
        weight.assign(weight + 0.5 * rng.normal(size=weight.shape))
    return network


@pytest.mark.parametrize(
    ("base_size", "num_levels", "channels", "final"),
    [((7, 7), 3, 1, (28, 28)), ((4, 6), 5, 4, (64, 96)), ((4, 4), 1, 3, (4, 4))],
)
@pytest.mark.slow
def test_size_of_every_level(base_size, num_levels, channels, final):
    network = small(base_size=base_size, num_levels=num_levels, channels=channels)
    ws = ws_for(network)
    for level in range(num_levels):
        images = network(ws, level=level)
        assert images.shape == (2, base_size[0] * 2**level, base_size[1] * 2**level, channels)
        assert images.dtype == "float32"
        assert np.all(np.isfinite(images))
    assert network(ws).shape == (2, *final, channels)
    np.testing.assert_array_equal(network(ws), network(ws, level=num_levels - 1))


@pytest.mark.parametrize(
    ("name", "base_size", "level"),
    [(name, (4, 6), 1) for name in VARIANTS] + [("published", (7, 7), 1), ("published", (4, 4), 2)],
)
@pytest.mark.slow
def test_fade_in_goes_from_the_enlarged_image_below_to_the_full_image(name, base_size, level):
    network = small(num_levels=level + 1, base_size=base_size, **VARIANTS[name])
    ws = ws_for(network)
    full, below = network(ws, level=level).numpy(), network(ws, level=level - 1).numpy()
    below = below.repeat(2, axis=1).repeat(2, axis=2)
    assert np.max(np.abs(full - below)) > 0.01
    for fade_in in (0.0, 0.25, 1.0):
        want = (1 - fade_in) * below + fade_in * full
        got = network(ws, level=level, fade_in=fade_in)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_fade_in_takes_any_kind_of_number():
    network = small()
    ws = ws_for(network)
    want = network(ws, fade_in=0.25)
    for fade_in in (np.float64(0.25), np.float32(0.25), tf.constant(0.25), tf.Variable(0.25, dtype="float64")):
        got = network(ws, fade_in=fade_in)
        assert got.dtype == "float32"
        np.testing.assert_array_equal(got, want)


def test_the_first_level_has_nothing_to_fade_from():
    network = small()
    np.testing.assert_array_equal(network(ws_for(network), level=0, fade_in=0.0), network(ws_for(network), level=0))


@pytest.mark.parametrize("name", ["progressive", "pixel_norm_instead_of_adain", "instance_norm_without_style"])
def test_without_style_only_the_first_w_is_used(name):
    network = small(**VARIANTS[name])
    ws = ws_for(network)
    other = ws.copy()
    other[:, 1:] += 1.0
    np.testing.assert_array_equal(network(ws), network(other))
    changed = np.max(np.abs(network(ws + 1.0) - network(ws)))
    if VARIANTS[name].get("constant_input", True):
        assert changed == 0.0
    else:
        assert changed > 0.01


@pytest.mark.slow
def test_every_layer_takes_its_own_w():
    network = small(num_levels=3)
    ws = ws_for(network)
    base = network(ws, level=1).numpy()
    for index in range(network.num_ws):
        other = ws.copy()
        other[:, index] += 1.0
        changed = np.max(np.abs(network(other, level=1) - base))
        assert (changed > 1e-3) == (index < 4)  # two layers a level; the third level is not used


@pytest.mark.slow
def test_noise_tensors_reach_their_layers():
    network = small()
    ws = ws_for(network)
    fixed = [layer.noise.fixed_noise.numpy() for layer in network.styled_layers]
    assert [noise.shape[1] for noise in fixed] == [4, 4, 8, 8]
    given = [np.repeat(noise, 2, axis=0) for noise in fixed]
    np.testing.assert_allclose(network(ws, noise=given), network(ws), rtol=1e-5, atol=1e-5)
    zeros = [np.zeros_like(noise) for noise in given]
    np.testing.assert_allclose(network(ws, noise=zeros), network(ws, noise="none"), rtol=1e-5, atol=1e-5)
    assert np.max(np.abs(network(ws, noise="none") - network(ws))) > 0.01
    assert np.max(np.abs(network(ws, noise="random") - network(ws, noise="random"))) > 0.01


def test_what_it_says_of_itself():
    network = small(num_levels=3, base_size=(4, 6))
    assert network.grows
    assert network.has_noise
    assert [network.active_ws(level) for level in range(3)] == [2, 4, 6]
    assert network.num_ws == 6
    assert network.noise_sizes(1) == [(4, 6), (4, 6), (8, 12), (8, 12)]
    silent = small(noise=False)
    assert not silent.has_noise
    assert silent.noise_sizes(1) == []
    np.testing.assert_array_equal(silent(ws_for(silent), noise=[]), silent(ws_for(silent), noise="none"))


def test_noise_of_a_level_above_is_not_looked_at():
    network = small(num_levels=3)
    ws = ws_for(network)
    noise = [np.zeros((2, 4 << index // 2, 4 << index // 2, 1), np.float32) for index in range(6)]
    before = network(ws, level=1, noise=noise[:4]).numpy()
    noise[5] += 1.0
    np.testing.assert_array_equal(network(ws, level=1, noise=noise), before)


@pytest.mark.parametrize(("level", "count"), [(0, 1), (1, 2), (2, 2)])
def test_active_weights_are_those_with_a_gradient(level, count):
    network = small(num_levels=3)
    ws = ws_for(network)
    gradients = gradients_by_path(network, lambda: network(ws, level=level, fade_in=0.5))
    assert gradients.keys() == {variable.path for variable in network.active_weights(level)}
    assert sum("to_rgb" in path and "kernel" in path for path in gradients) == count
    for path, gradient in gradients.items():
        assert np.max(np.abs(gradient)) > 1e-3, path


@pytest.mark.parametrize("name", ["published", "progressive", "fused", "instance_norm_without_style"])
@pytest.mark.slow
def test_every_kind_of_layer_saves_and_loads(name, tmp_path):
    network = small(base_size=(4, 6), channels=4, **VARIANTS[name])
    symbols = keras.Input((network.num_ws, 5))
    model = keras.Model(symbols, network(symbols))
    assert model.output_shape == (None, 8, 12, 4)
    model.save(tmp_path / "synthesis.keras")
    loaded = keras.saving.load_model(tmp_path / "synthesis.keras")
    ws = ws_for(network)
    np.testing.assert_array_equal(loaded(ws), model(ws))


def test_symbolic_call_at_a_level_has_the_size_of_that_level():
    network = small(num_levels=3)
    assert network(keras.Input((6, 5)), level=1).shape == (None, 8, 8, 3)


@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_bfloat16", 0.1), ("mixed_float16", 0.015)])
@pytest.mark.parametrize("name", ["published", "progressive"])
def test_half_precision_gives_float32_images_close_to_float32(name, policy, tolerance, relative_error):
    full, half = small(**VARIANTS[name]), small(dtype=policy, **VARIANTS[name])
    half.set_weights(full.get_weights())
    ws = ws_for(full)
    for level in (0, 1):
        images = half(ws, level=level, fade_in=0.5)
        assert images.dtype == "float32"
        assert relative_error(images, full(ws, level=level, fade_in=0.5)) < tolerance


def test_half_precision_keeps_the_first_styles():
    # At the start of training the constant is ones, so that every channel has no deviation at all.
    options = {"num_levels": 1, "feature_maps_base": 32, "feature_maps_max": 8}
    full, half = SynthesisNetwork(**options), SynthesisNetwork(dtype="mixed_bfloat16", **options)
    ws = np.random.default_rng(1).normal(size=(2, 2, 5)).astype(np.float32)
    full(ws)
    half(ws)
    half.set_weights(full.get_weights())
    x = half.styled_layers[0](half.input_layer(ws[:, 0]), ws[:, 0], noise="fixed")
    want = full.styled_layers[0](full.input_layer(ws[:, 0]), ws[:, 0], noise="fixed")
    np.testing.assert_allclose(tf.cast(x, "float32"), want, atol=0.02)


def test_an_unknown_batch_and_a_fade_in_that_changes_need_one_trace():
    assert_one_trace_serves_batches_and_fade_ins(small())


@pytest.mark.parametrize(
    ("fused_from", "fused"), [(None, [False, False]), (0, [True, True]), (8, [True, True]), (9, [False, True])]
)
def test_upsampling_is_fused_from_the_smaller_side_on(fused_from, fused):
    # To 8x12 and 16x24. Published: to 128 and above.
    network = SynthesisNetwork(base_size=(4, 6), num_levels=3, fused_from=fused_from)
    assert [network.styled_layers[index].conv.fused for index in (2, 4)] == fused
    published = SynthesisNetwork()
    assert [level for level in range(1, 9) if published.styled_layers[2 * level].conv.fused] == [5, 6, 7, 8]
