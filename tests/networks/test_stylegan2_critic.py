"""StyleGAN2's critic beyond the published configurations, and the second-order gradients that R1 takes through it."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_networks import (
    LABELS,
    assert_config_and_file_keep,
    assert_gradients_predict_change,
    gradients_by_path,
    images_for,
    small_critic,
)

from stylegan_tf.networks import StyleGAN2Critic
from stylegan_tf.ops.upfirdn import downsample_fir, make_filter

ARCHITECTURES = ("resnet", "orig", "skip", "growing")


def small(**options) -> StyleGAN2Critic:
    return small_critic(StyleGAN2Critic, **options)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("base_size", "num_levels", "channels"), [((7, 7), 3, 1), ((4, 6), 4, 4), ((4, 4), 1, 3)])
def test_scores(architecture, base_size, num_levels, channels):
    critic = small(architecture=architecture, base_size=base_size, num_levels=num_levels, channels=channels)
    assert critic.grows == (architecture == "growing")
    for level in range(num_levels) if critic.grows else [num_levels - 1]:
        scores = critic(images_for(critic, level), level=level)
        assert scores.shape == (4, 1)
        assert scores.dtype == "float32"
        assert np.ptp(scores) > 1e-3
    np.testing.assert_array_equal(critic(images_for(critic)), critic(images_for(critic), level=num_levels - 1))


@pytest.mark.parametrize("architecture", ["resnet", "orig", "skip"])
def test_what_does_not_grow_has_one_level_and_no_fade_in(architecture):
    critic = small(architecture=architecture, num_levels=3)
    images = images_for(critic)
    np.testing.assert_array_equal(critic(images, fade_in=0.3), critic(images))
    for level in (0, 1, 3):
        with pytest.raises(ValueError, match=f"level must be the last one, 2, or None.*Received: level={level}"):
            critic(images_for(critic, level), level=level)
        with pytest.raises(ValueError, match="level must be the last one"):
            critic.active_weights(level)


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ValueError, match="architecture must be one of.*'resnet'.*Received: 'dense'"):
        StyleGAN2Critic(architecture="dense")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_images_of_another_size_are_refused(architecture):
    critic = small(architecture=architecture)
    with pytest.raises(ValueError, match="images must be 8x8 pixels at level 1.*4, 4"):
        critic(images_for(critic, 0))
    with pytest.raises(ValueError, match="images must be 8x8 pixels at level 1.*16, 16"):
        critic(images_for(critic, 2))


@pytest.mark.parametrize(("base_size", "level"), [((4, 4), 1), ((7, 7), 1), ((4, 6), 2)])
def test_fade_in_begins_with_the_score_of_the_halved_image(base_size, level):
    critic = small(architecture="growing", base_size=base_size, num_levels=3)
    images = images_for(critic, level)
    full = critic(images, level=level)
    below = critic(downsample_fir(tf.constant(images), make_filter((1, 3, 3, 1))), level=level - 1)
    assert np.max(np.abs(full - below)) > 1e-2
    np.testing.assert_allclose(critic(images, level=level, fade_in=1.0), full, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(critic(images, level=level, fade_in=0.0), below, rtol=1e-4, atol=1e-5)
    half = critic(images, level=level, fade_in=tf.Variable(0.5))
    assert np.max(np.abs(half - full)) > 1e-3
    assert np.max(np.abs(half - below)) > 1e-3
    first = images_for(critic, 0)
    np.testing.assert_array_equal(critic(first, level=0, fade_in=0.0), critic(first, level=0))


def test_a_grown_critic_is_the_original_architecture():
    growing, original = small(architecture="growing"), small(architecture="orig")
    values = {weight.path.split("/", 1)[1]: weight for weight in growing.weights}
    for weight in original.weights:
        weight.assign(values[weight.path.split("/", 1)[1]])
    images = images_for(growing)
    np.testing.assert_array_equal(growing(images), original(images))


def test_the_score_is_the_product_with_the_features_of_the_label():
    critic = small(num_classes=4, mapping_layers=2)
    images = images_for(critic)
    each = [critic(images, labels=np.tile(np.eye(4)[index], (4, 1))).numpy()[:, 0] for index in range(4)]
    want = [each[2][0], each[0][1], each[1][2], each[2][3]]
    np.testing.assert_allclose(critic(images, labels=LABELS)[:, 0], want, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(critic(images, labels=LABELS.astype(np.int32)), critic(images, labels=LABELS))
    assert np.max(np.abs(each[0] - each[1])) > 1e-2
    assert len(critic.mapping.dense) == 2


def test_the_score_by_class_is_the_output_that_belongs_to_it():
    critic = small(num_classes=4, scores_by_class=True)
    images = images_for(critic)
    one = small()
    for weight, found in zip(one.weights, critic.weights, strict=True):
        weight.assign(found if found.shape == weight.shape else found[..., 2:3])
    labels = np.eye(4, dtype=np.float32)[[2] * len(images)]
    np.testing.assert_allclose(critic(images, labels=labels), one(images), rtol=1e-5, atol=1e-6)
    assert np.max(np.abs(critic(images, labels=labels[:, ::-1]) - one(images))) > 1e-3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_active_weights_are_those_with_a_gradient(architecture):
    critic = small(architecture=architecture, num_levels=3, num_classes=4, mapping_layers=2)
    for level in (0, 1, 2) if critic.grows else (2,):
        scores = functools.partial(critic, images_for(critic, level), labels=LABELS, level=level, fade_in=0.5)
        gradients = gradients_by_path(critic, scores)
        assert gradients.keys() == {variable.path for variable in critic.active_weights(level)}
        for path, gradient in gradients.items():
            assert np.any(gradient), path


def r1_and_gradients(critic: StyleGAN2Critic, images: np.ndarray, kernels: list, **options):
    images = tf.constant(images)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(images)
            scores = critic(images, **options)
        penalty = tf.reduce_mean(tf.reduce_sum(inner.gradient(scores, images) ** 2, axis=[1, 2, 3]))
    return penalty, outer.gradient(penalty, [kernel.value for kernel in kernels])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.slow
def test_second_order_gradient_predicts_how_r1_changes(architecture):
    # A difference quotient along a random direction of all kernels. The penalty of a leaky ReLU network jumps where
    # a unit changes sign, so the units are made smooth.
    critic = small(architecture=architecture)
    for layer in [*critic.from_rgb, *critic.blocks[1], critic.conv, critic.dense]:
        layer._activate = keras.activations.softplus
    images = images_for(critic)
    kernels = [weight for weight in critic.active_weights(1) if weight.path.endswith("kernel")]
    for kernel in kernels:
        kernel.assign(0.5 * kernel)
    _, gradients = r1_and_gradients(critic, images, kernels, fade_in=0.5)
    for kernel, gradient in zip(kernels, gradients, strict=True):
        assert np.all(np.isfinite(gradient)), kernel.path
        assert np.any(gradient), kernel.path
    assert_gradients_predict_change(
        lambda: r1_and_gradients(critic, images, kernels, fade_in=0.5)[0], kernels, gradients
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.slow
def test_config_round_trip_and_saving(architecture, tmp_path):
    critic = small(
        architecture=architecture,
        base_size=(4, 6),
        channels=4,
        num_classes=4,
        minibatch_stddev_features=2,
        mapping_layers=1,
        clamp=2.0,
        resample_filter=(1, 2, 1),
        dtype="mixed_bfloat16",
    )
    images = images_for(critic)
    assert_config_and_file_keep(critic, lambda network: network(images, labels=LABELS, fade_in=0.5), tmp_path)


@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_bfloat16", 0.1), ("mixed_float16", 0.015)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.slow
def test_half_precision_scores_are_float32_and_close_to_float32(architecture, policy, tolerance, relative_error):
    full, half = small(architecture=architecture), small(architecture=architecture, dtype=policy, clamp=256.0)
    half.set_weights(full.get_weights())
    images = images_for(full)
    scores = half(images, fade_in=0.5)
    assert scores.dtype == "float32"
    assert relative_error(scores, full(images, fade_in=0.5)) < tolerance
    kernels = [weight for weight in half.active_weights(1) if weight.path.endswith("kernel")]
    for kernel, gradient in zip(kernels, r1_and_gradients(half, images, kernels, fade_in=0.5)[1], strict=True):
        assert np.all(np.isfinite(gradient)), kernel.path
        assert np.any(gradient), kernel.path


def test_defaults_are_the_published_network():
    critic = StyleGAN2Critic()
    assert [critic.feature_maps(level) for level in range(9)] == [512, 512, 512, 512, 512, 256, 128, 64, 32]
    assert (critic.architecture, critic.num_levels, len(critic.skips), len(critic.from_rgb)) == ("resnet", 9, 8, 1)
    assert (critic.minibatch_stddev.group_size, critic.minibatch_stddev.num_features) == (4, 1)


def test_critics_of_another_size_share_their_names():
    names = [{w.path.split("/", 1)[1] for w in small(num_levels=levels).weights} for levels in (2, 3)]
    assert {name.split("/")[0] for name in names[0] - names[1]} == {"from_rgb_1"}
    assert {name.split("/")[0] for name in names[1] - names[0]} == {"from_rgb_2", "conv_2", "conv_down_2", "skip_2"}


@pytest.mark.parametrize(("architecture", "share"), [("orig", 1.0), ("resnet", np.sqrt(0.5))])
def test_the_clamp_of_a_residual_branch_is_scaled_as_its_output(architecture, share):
    critic = small(architecture=architecture, clamp=2.0)
    images = 1e4 * images_for(critic)
    x = critic.from_rgb[-1](images)
    first, second = critic.blocks[1]
    for y in (x, first(1e4 * x)):
        np.testing.assert_allclose(np.max(y), 2.0, rtol=1e-5)
    np.testing.assert_allclose(np.max(second(1e4 * x)), 2.0 * share, rtol=1e-5)
    dense = critic.dense(1e4 * np.ones((1, critic.dense.kernel.shape[0]), np.float32))
    assert np.max(dense) > 2.0  # float32, and free
