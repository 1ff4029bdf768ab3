"""StyleGAN2's synthesis network beyond the published configurations."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_networks import (
    SMALL,
    assert_gradients_predict_change,
    assert_one_trace_serves_batches_and_fade_ins,
    gradients_by_path,
    ws_for,
)

from stylegan_tf.layers import modulated_layer
from stylegan_tf.networks import Generator, MappingNetwork, StyleGAN2SynthesisNetwork
from stylegan_tf.ops.upfirdn import make_filter, upsample_fir

ARCHITECTURES = ("skip", "orig", "resnet", "growing")


def small(**options) -> StyleGAN2SynthesisNetwork:
    network = StyleGAN2SynthesisNetwork(**{**SMALL, **options})
    network.build((None, network.num_ws, 5))
    rng = np.random.default_rng(0)
    for weight in network.weights:
        if "seed_generator" not in weight.path:
            weight.assign(weight + 0.5 * rng.normal(size=weight.shape))
    return network


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("base_size", "num_levels", "channels"), [((7, 7), 3, 1), ((4, 6), 4, 4), ((4, 4), 1, 3)])
@pytest.mark.slow
def test_size_of_the_images(architecture, base_size, num_levels, channels):
    network = small(architecture=architecture, base_size=base_size, num_levels=num_levels, channels=channels)
    ws, last = ws_for(network), num_levels - 1
    for level in range(num_levels) if network.grows else [last]:
        images = network(ws, level=level)
        assert images.shape == (2, base_size[0] << level, base_size[1] << level, channels)
        assert images.dtype == "float32"
        assert np.all(np.isfinite(images))
        assert network.size(level) == images.shape[1:3]
    np.testing.assert_array_equal(network(ws), network(ws, level=last))
    assert np.max(np.abs(network(ws)[0] - network(ws)[1])) > 1e-3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.slow
def test_what_it_says_of_itself(architecture):
    network = small(architecture=architecture, num_levels=3, base_size=(4, 6))
    assert network.grows == (architecture == "growing")
    assert network.has_noise
    assert network.num_ws == network.active_ws(2) == 6
    assert [network.active_ws(level) for level in range(3)] == [2, 4, 6]
    assert network.noise_sizes(0) == [(4, 6)]
    assert network.noise_sizes(2) == [(4, 6), (8, 12), (8, 12), (16, 24), (16, 24)]
    silent = small(architecture=architecture, noise=False)
    assert not silent.has_noise
    assert silent.noise_sizes(1) == []
    np.testing.assert_array_equal(silent(ws_for(silent), noise=[]), silent(ws_for(silent), noise="none"))


@pytest.mark.parametrize("architecture", ["skip", "orig", "resnet"])
@pytest.mark.slow
def test_what_does_not_grow_has_one_level_and_no_fade_in(architecture):
    network = small(architecture=architecture, num_levels=3)
    ws = ws_for(network)
    np.testing.assert_array_equal(network(ws, fade_in=0.3), network(ws))
    for level in (0, 1, 3, -1):
        with pytest.raises(ValueError, match=f"level must be the last one, 2, or None.*Received: level={level}"):
            network(ws, level=level)
        with pytest.raises(ValueError, match="level must be the last one"):
            network.active_weights(level)


def test_a_level_that_is_not_there_is_refused():
    network = small(architecture="growing")
    with pytest.raises(ValueError, match="level must lie between 0 and 1. Received: level=2"):
        network(ws_for(network), level=2)


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ValueError, match="architecture must be one of.*'skip'.*Received: 'dense'"):
        StyleGAN2SynthesisNetwork(architecture="dense")


@pytest.mark.parametrize(("base_size", "level"), [((4, 6), 1), ((7, 7), 1), ((4, 4), 2)])
@pytest.mark.slow
def test_fade_in_goes_from_the_filtered_image_below_to_the_full_image(base_size, level):
    network = small(architecture="growing", num_levels=3, base_size=base_size)
    ws = ws_for(network)
    full = network(ws, level=level).numpy()
    below = upsample_fir(network(ws, level=level - 1), make_filter((1, 3, 3, 1))).numpy()
    assert np.max(np.abs(full - below)) > 0.01
    for fade_in in (0.0, 0.25, 1.0, tf.Variable(0.75, dtype="float64")):
        want = (1 - float(fade_in)) * below + float(fade_in) * full
        np.testing.assert_allclose(network(ws, level=level, fade_in=fade_in), want, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(network(ws, level=0, fade_in=0.0), network(ws, level=0))


@pytest.mark.slow
def test_a_grown_network_is_the_original_architecture():
    growing, original = small(architecture="growing", num_levels=3), small(architecture="orig", num_levels=3)
    copy_by_name(growing, original)
    np.testing.assert_array_equal(growing(ws_for(growing)), original(ws_for(original)))


def copy_by_name(source: StyleGAN2SynthesisNetwork, target: StyleGAN2SynthesisNetwork) -> list[str]:
    """Copies the weights whose names and shapes agree, as transfer learning does; the names of the others."""
    values = {weight.path.split("/", 1)[1]: weight for weight in source.weights}
    other = []
    for weight in target.weights:
        name = weight.path.split("/", 1)[1]
        if name in values and values[name].shape == weight.shape:
            weight.assign(values[name])
        else:
            other.append(name)
    return other


@pytest.mark.slow
def test_networks_of_another_size_share_their_names():
    smaller, larger = small(num_levels=2, feature_maps_base=256), small(num_levels=3, feature_maps_base=256)
    left = copy_by_name(smaller, larger)
    assert {name.split("/")[0] for name in left} == {"layer_4", "layer_5", "to_rgb_2"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.slow
def test_every_layer_takes_its_own_w_and_noise(architecture):
    network = small(architecture=architecture, num_levels=3)
    ws = ws_for(network)
    base = network(ws).numpy()
    for index in range(network.num_ws):
        other = ws.copy()
        other[:, index] += 1.0
        assert np.max(np.abs(network(other) - base)) > 1e-3
    fixed = [layer.noise.fixed_noise.numpy() for block in network.blocks for layer in block]
    assert [noise.shape[1:3] for noise in fixed] == network.noise_sizes(2)
    given = [np.repeat(noise, 2, axis=0) for noise in fixed]
    np.testing.assert_allclose(network(ws, noise=given), base, rtol=1e-5, atol=1e-5)
    for index in range(len(given)):
        other = list(given)
        other[index] = -given[index]
        assert np.max(np.abs(network(ws, noise=other) - base)) > 1e-3
    assert np.max(np.abs(network(ws, noise="random") - network(ws, noise="random"))) > 0.01


@pytest.mark.slow
def test_the_image_of_a_lower_level_takes_the_w_of_the_next_layer():
    network = small(architecture="growing", num_levels=3)
    ws = ws_for(network)
    for level in (0, 1):
        base = network(ws, level=level, fade_in=0.5).numpy()
        for index in range(network.num_ws):
            other = ws.copy()
            other[:, index] += 1.0
            changed = np.max(np.abs(network(other, level=level, fade_in=0.5) - base))
            assert (changed > 1e-3) == (index < network.active_ws(level))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.slow
def test_active_weights_are_those_with_a_gradient(architecture):
    network = small(architecture=architecture, num_levels=3)
    for level in (0, 1, 2) if network.grows else (2,):
        gradients = gradients_by_path(network, functools.partial(network, ws_for(network), level=level, fade_in=0.5))
        assert gradients.keys() == {variable.path for variable in network.active_weights(level)}
        for path, gradient in gradients.items():
            assert np.max(np.abs(gradient)) > 1e-3, path


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.slow
def test_path_lengths_have_gradients_that_predict_their_change(architecture, monkeypatch):
    """The second-order gradient of the path-length regulariser, against a difference quotient.

    Path lengths of a leaky ReLU network jump where a unit changes sign, so the units are made smooth.
    """
    monkeypatch.setattr(modulated_layer, "bias_act", lambda x, bias, *_, **__: tf.math.softplus(x + bias))
    network = small(architecture=architecture)
    ws = tf.constant(ws_for(network))
    direction = np.random.default_rng(2).normal(size=(2, 8, 8, 3)).astype(np.float32)
    kernels = [weight for weight in network.active_weights(1) if weight.path.endswith("kernel")]

    def lengths_and_gradients():
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(ws)
                loss = tf.reduce_sum(network(ws, fade_in=0.5) * direction)
            gradients = inner.gradient(loss, ws)
            lengths = tf.reduce_sum(tf.sqrt(tf.reduce_mean(tf.reduce_sum(gradients**2, axis=2), axis=1)))
        return lengths, outer.gradient(lengths, [kernel.value for kernel in kernels])

    _, gradients = lengths_and_gradients()
    for kernel, gradient in zip(kernels, gradients, strict=True):
        assert gradient is not None, kernel.path
        assert np.all(np.isfinite(gradient)), kernel.path
        assert np.max(np.abs(gradient)) > 1e-4, kernel.path
    assert_gradients_predict_change(lambda: lengths_and_gradients()[0], kernels, gradients)


@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_bfloat16", 0.1), ("mixed_float16", 0.015)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.slow
def test_half_precision_gives_float32_images_close_to_float32(architecture, policy, tolerance, relative_error):
    full, half = small(architecture=architecture), small(architecture=architecture, dtype=policy, clamp=256.0)
    half.set_weights(full.get_weights())
    ws = ws_for(full)
    images = half(ws, fade_in=0.5)
    assert images.dtype == "float32"
    assert relative_error(images, full(ws, fade_in=0.5)) < tolerance
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(half(ws, fade_in=0.5) ** 2)
    weights = half.active_weights(1)
    for weight, gradient in zip(weights, tape.gradient(loss, [w.value for w in weights]), strict=True):
        assert np.all(np.isfinite(gradient)), weight.path


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.slow
def test_config_round_trip_and_saving(architecture, tmp_path):
    network = small(
        architecture=architecture,
        base_size=(4, 6),
        channels=4,
        clamp=1.5,
        resample_filter=(1, 2, 1),
        noise=architecture != "orig",
    )
    config = network.get_config()
    copy = StyleGAN2SynthesisNetwork.from_config(config)
    assert copy.get_config() == config
    copy.build((None, copy.num_ws, 5))
    copy.set_weights(network.get_weights())
    np.testing.assert_array_equal(copy(ws_for(network)), network(ws_for(network)))

    mapping = MappingNetwork(5, num_layers=1, num_classes=2, design="stylegan2", label_input="normalized")
    generator = Generator(6, mapping, network)
    generator.build()
    generator.save(tmp_path / "generator.keras")
    loaded = keras.saving.load_model(tmp_path / "generator.keras")
    z = np.random.default_rng(4).normal(size=(2, 6)).astype(np.float32)
    labels = np.eye(2, dtype=np.float32)
    np.testing.assert_array_equal(loaded(z, labels), generator(z, labels))
    assert loaded(z, labels).shape == (2, 8, 12, 4)


def test_defaults_are_the_published_network():
    network = StyleGAN2SynthesisNetwork()
    assert network.size(8) == (1024, 1024)
    assert [network.feature_maps(level) for level in range(9)] == [512, 512, 512, 512, 512, 256, 128, 64, 32]
    assert (network.architecture, network.num_ws, network.channels) == ("skip", 18, 3)


def test_starts_with_noise_and_biases_at_zero():
    network = StyleGAN2SynthesisNetwork(num_levels=2, feature_maps_base=32)
    network.build((None, 4, 5))
    for weight in network.trainable_weights:
        if weight.path.endswith(("strength", "bias")):
            assert np.all(np.asarray(weight) == (1.0 if "affine" in weight.path else 0.0)), weight.path
    ws = ws_for(network)
    np.testing.assert_array_equal(network(ws, noise="random"), network(ws, noise="none"))


@pytest.mark.slow
def test_an_unknown_batch_and_a_fade_in_that_changes_need_one_trace():
    assert_one_trace_serves_batches_and_fade_ins(small(architecture="growing"))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.slow
def test_symbolic_call(architecture):
    network = small(architecture=architecture)
    assert network(keras.Input((4, 5))).shape == (None, 8, 8, 3)


@pytest.mark.parametrize(("architecture", "share"), [("skip", 1.0), ("resnet", np.sqrt(0.5))])
def test_the_clamp_of_a_residual_branch_is_scaled_as_its_output(architecture, share):
    network = small(architecture=architecture, clamp=2.0)
    x = 1e4 * np.random.default_rng(2).normal(size=(2, 4, 4, 8)).astype(np.float32)
    w = ws_for(network)[:, 0]
    first, second = network.blocks[1]
    np.testing.assert_allclose(np.max(first(x, w)), 2.0, rtol=1e-5)
    np.testing.assert_allclose(np.max(second(1e4 * first(x, w), w)), 2.0 * share, rtol=1e-5)
    np.testing.assert_allclose(np.max(network.blocks[0][0](x, w)), 2.0, rtol=1e-5)
    np.testing.assert_allclose(np.max(network.to_rgb[-1](1e4 * first(x, w), w)), 2.0, rtol=1e-5)
