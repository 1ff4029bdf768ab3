"""The critic beyond the published configurations, and the second-order gradients that penalties take through it."""

from __future__ import annotations

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

from stylegan_tf.networks import Critic
from stylegan_tf.ops.resample import downsample_average


def small(**options) -> Critic:
    return small_critic(Critic, **options)


@pytest.mark.parametrize(("base_size", "num_levels", "channels"), [((7, 7), 3, 1), ((4, 6), 5, 4), ((4, 4), 1, 3)])
@pytest.mark.slow
def test_scores_at_every_level(base_size, num_levels, channels):
    critic = small(base_size=base_size, num_levels=num_levels, channels=channels)
    for level in range(num_levels):
        scores = critic(images_for(critic, level), level=level)
        assert scores.shape == (4, 1)
        assert scores.dtype == "float32"
        assert np.ptp(scores) > 1e-3
    np.testing.assert_array_equal(critic(images_for(critic)), critic(images_for(critic), level=num_levels - 1))


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({}, 1),
        ({"fused_from": 0}, 1),
        ({"blur": False, "fused_from": None}, 1),
        ({"base_size": (7, 7)}, 1),
        ({"base_size": (4, 6), "num_levels": 3}, 2),
    ],
)
def test_fade_in_begins_with_the_score_of_the_halved_image(options, level):
    critic = small(**options)
    images = images_for(critic, level)
    full = critic(images, level=level)
    below = critic(downsample_average(tf.constant(images)), level=level - 1)
    assert np.max(np.abs(full - below)) > 1e-2
    np.testing.assert_allclose(critic(images, level=level, fade_in=1.0), full, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(critic(images, level=level, fade_in=0.0), below, rtol=1e-4, atol=1e-5)
    half = critic(images, level=level, fade_in=tf.Variable(0.5))
    assert np.max(np.abs(half - full)) > 1e-3
    assert np.max(np.abs(half - below)) > 1e-3


def test_grows():
    assert small().grows


def test_the_first_level_has_nothing_to_fade_from():
    critic = small()
    images = images_for(critic, 0)
    np.testing.assert_array_equal(critic(images, level=0, fade_in=0.0), critic(images, level=0))


def test_the_score_is_the_output_of_the_images_class():
    critic = small(num_classes=4)
    images = images_for(critic)
    each = [critic(images, labels=np.tile(np.eye(4)[index], (4, 1))).numpy()[:, 0] for index in range(4)]
    want = [each[2][0], each[0][1], each[1][2], each[2][3]]
    np.testing.assert_allclose(critic(images, labels=LABELS)[:, 0], want, rtol=1e-5)
    np.testing.assert_array_equal(critic(images, labels=LABELS.astype(np.int32)), critic(images, labels=LABELS))


def test_images_of_another_size_are_refused():
    # A larger image would otherwise pass, with four scores.
    critic = small(minibatch_stddev_group=1)
    with pytest.raises(ValueError, match="images must be 4x4 pixels at level 0.*8, 8"):
        critic(images_for(critic, 1), level=0)
    with pytest.raises(ValueError, match="images must be 8x8 pixels at level 1"):
        critic(images_for(critic, 0))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"base_size": (4, 6), "channels": 4, "num_classes": 4, "minibatch_stddev_features": 2, "fused_from": 8},
        {"blur": False, "fused_from": None, "minibatch_stddev_group": 0, "dtype": "mixed_bfloat16"},
    ],
    ids=["published", "labels_fused", "progressive_bfloat16"],
)
def test_config_round_trip_and_saving(options, tmp_path):
    critic = small(**options)
    images, labels = images_for(critic), LABELS if "num_classes" in options else None
    assert_config_and_file_keep(critic, lambda network: network(images, labels=labels, fade_in=0.5), tmp_path)


@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_bfloat16", 0.1), ("mixed_float16", 0.015)])
@pytest.mark.parametrize("options", [{}, {"blur": False, "fused_from": 0}], ids=["published", "fused"])
def test_half_precision_scores_are_float32_and_close_to_float32(options, policy, tolerance, relative_error):
    full, half = small(**options), small(dtype=policy, **options)
    half.set_weights(full.get_weights())
    scores = half(images_for(full), fade_in=0.5)
    assert scores.dtype == "float32"
    assert relative_error(scores, full(images_for(full), fade_in=0.5)) < tolerance


def penalty_and_gradients(critic: Critic, images: np.ndarray, weights: list, **options):
    """WGAN-GP's penalty, mean (|gradient| - 1)^2, and its gradient with respect to the weights."""
    images = tf.constant(images)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(images)
            scores = critic(images, **options)
        gradient = inner.gradient(scores, images)
        norm = tf.sqrt(tf.reduce_sum(gradient**2, axis=[1, 2, 3]))
        penalty = tf.reduce_mean((norm - 1.0) ** 2)
    return penalty, outer.gradient(penalty, [weight.value for weight in weights])


VARIANTS = {
    "separate": {"fused_from": None},
    "fused": {"fused_from": 0},
    "progressive": {"fused_from": None, "blur": False},
    "progressive_fused": {"fused_from": 0, "blur": False},
}


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_gradient_penalty_reaches_every_kernel_in_use(variant, level):
    critic = small(**VARIANTS[variant])
    active = critic.active_weights(level)
    _, gradients = penalty_and_gradients(critic, images_for(critic, level), active, level=level, fade_in=0.5)
    for weight, gradient in zip(active, gradients, strict=True):
        if weight.path.endswith("score/bias"):  # the score is linear in it
            assert gradient is None
            continue
        assert gradient is not None, weight.path
        assert np.all(np.isfinite(gradient)), weight.path
        if weight.path.endswith("kernel"):
            assert np.max(np.abs(gradient)) > 1e-4, weight.path


def test_second_order_gradients_of_the_fused_and_the_separate_form_are_equal(relative_error):
    # With a blur, fused and separate downsampling are one function, borders included.
    fused, separate = small(**VARIANTS["fused"]), small(**VARIANTS["separate"])
    images = images_for(fused)
    np.testing.assert_allclose(fused(images), separate(images), rtol=1e-4, atol=1e-5)
    results = []
    for critic in (fused, separate):
        kernels = [weight for weight in critic.active_weights(1) if weight.path.endswith("kernel")]
        results.append(penalty_and_gradients(critic, images, kernels, fade_in=0.5))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-4)
    for got, want in zip(results[0][1], results[1][1], strict=True):
        assert relative_error(got, want) < 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
def test_second_order_gradient_predicts_how_the_penalty_changes(variant):
    # A difference quotient along a random direction of all kernels. The penalty of a leaky ReLU network jumps where
    # a unit changes sign, so the units are made smooth.
    critic = small(**VARIANTS[variant])
    smooth = keras.activations.softplus
    for layer in [*critic.from_rgb, *critic.blocks[1], critic.conv, critic.dense]:
        layer._activate = smooth
    images = images_for(critic)
    kernels = [weight for weight in critic.active_weights(1) if weight.path.endswith("kernel")]
    _, gradients = penalty_and_gradients(critic, images, kernels, fade_in=0.5)
    assert_gradients_predict_change(
        lambda: penalty_and_gradients(critic, images, kernels, fade_in=0.5)[0], kernels, gradients
    )


@pytest.mark.parametrize(("level", "from_rgb"), [(0, 1), (1, 2), (2, 2)])
def test_active_weights_are_those_with_a_gradient(level, from_rgb):
    critic = small(num_levels=3)
    gradients = gradients_by_path(critic, lambda: critic(images_for(critic, level), level=level, fade_in=0.5))
    assert gradients.keys() == {variable.path for variable in critic.active_weights(level)}
    assert sum("from_rgb" in path and "kernel" in path for path in gradients) == from_rgb


@pytest.mark.parametrize(
    ("fused_from", "fused"), [(None, [False, False]), (0, [True, True]), (8, [True, True]), (9, [False, True])]
)
def test_downsampling_is_fused_from_the_smaller_side_on(fused_from, fused):
    # At 8x12 and 16x24. Published: from 128 on.
    critic = Critic(base_size=(4, 6), num_levels=3, fused_from=fused_from)
    assert [block[-1].fused for block in critic.blocks[1:]] == fused
    published = Critic()
    assert [level for level, block in enumerate(published.blocks) if block and block[-1].fused] == [5, 6, 7, 8]


def test_a_critic_that_classifies_gives_a_score_and_logits():
    """Each output is that of a critic with as much of the last layer."""
    critic, images = small(num_classes=4, classifies=True), images_for(small())
    outputs = critic(images, LABELS)
    assert critic.classifies and outputs.shape == (4, 5) and outputs.dtype == "float32"
    np.testing.assert_array_equal(critic(images, LABELS[::-1]), outputs)
    kernel, bias = critic.score.get_weights()
    alone, by_class = small(), small(num_classes=4)
    for other, part, labels in ((alone, slice(0, 1), None), (by_class, slice(1, 5), LABELS)):
        for weight, value in zip(other.weights, critic.weights, strict=True):
            if weight.shape == value.shape:
                weight.assign(value)
        other.score.set_weights([kernel[:, part], bias[part]])
        wanted = outputs[:, :1] if labels is None else np.sum(outputs[:, 1:] * labels, axis=1, keepdims=True)
        np.testing.assert_allclose(other(images, labels), wanted, rtol=1e-5, atol=1e-5)
    again = Critic.from_config(critic.get_config())
    assert again.classifies
    with pytest.raises(ValueError, match="labels"):
        critic(images)


def test_without_classes_there_is_nothing_to_classify():
    critic = small(classifies=True)
    assert not critic.classifies and critic(images_for(critic)).shape == (4, 1)
