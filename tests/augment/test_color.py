"""Colour maps by their definitions."""

from __future__ import annotations

import colorsys

import numpy as np
import tensorflow as tf

from stylegan_tf.augment import color

COLORS = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4, 5)).astype(np.float32)
IMAGES = tf.constant(COLORS)
LUMA = COLORS.mean(axis=1, keepdims=True)


def applied(color_map: tf.Tensor, images: tf.Tensor = IMAGES) -> np.ndarray:
    return color.apply_color(images, color_map).numpy()


def test_brightness_adds():
    np.testing.assert_allclose(applied(color.brightness(tf.constant([0.5, -1.0])))[1], COLORS[1] - 1.0, atol=1e-6)


def test_contrast_multiplies():
    np.testing.assert_allclose(applied(color.contrast(tf.constant([0.5, 2.0])))[1], COLORS[1] * 2.0, atol=1e-6)


def test_lumaflip_mirrors_the_mean_alone():
    flipped = applied(color.lumaflip(tf.constant([False, True])))
    np.testing.assert_allclose(flipped[0], COLORS[0], atol=1e-6)
    np.testing.assert_allclose(flipped[1], COLORS[1] - 2 * LUMA[1], atol=1e-6)


def test_saturation_multiplies_the_distance_from_grey():
    saturated = applied(color.saturation(tf.constant([1.0, 3.0])))
    np.testing.assert_allclose(saturated[0], COLORS[0], atol=1e-6)
    np.testing.assert_allclose(saturated[1], LUMA[1] + 3 * (COLORS[1] - LUMA[1]), atol=1e-6)


def test_a_third_of_a_turn_of_hue_takes_red_to_green():
    red = tf.constant([[[[1.0]], [[0.0]], [[0.0]]]])
    np.testing.assert_allclose(np.ravel(applied(color.hue(tf.constant([2 * np.pi / 3])), red)), [0, 1, 0], atol=1e-6)
    assert colorsys.rgb_to_hsv(0, 1, 0)[0] == 1 / 3


def test_one_map_after_another():
    first, second = color.brightness(tf.constant([0.1, 0.2])), color.saturation(tf.constant([0.5, 2.0]))
    third = color.brightness(tf.constant([-0.5, 0.3]))
    together = applied(color.then(color.then(first, second), third))
    np.testing.assert_allclose(together, applied(third, applied(second, applied(first))), atol=1e-6)


def test_alpha_stays_and_grey_is_the_mean_of_equal_colours():
    color_map = color.then(
        color.then(color.brightness(tf.constant([0.3, -0.2])), color.lumaflip(tf.constant([True, False]))),
        color.then(color.saturation(tf.constant([2.0, 0.1])), color.contrast(tf.constant([1.3, 0.4]))),
    )
    alpha = IMAGES[:, :1]
    with_alpha = applied(color_map, tf.concat([IMAGES, alpha], axis=1))
    np.testing.assert_array_equal(with_alpha[:, 3:], alpha)
    np.testing.assert_allclose(with_alpha[:, :3], applied(color_map), atol=1e-6)
    as_colors = applied(color_map, tf.tile(alpha, [1, 3, 1, 1]))
    np.testing.assert_allclose(applied(color_map, alpha), as_colors.mean(axis=1, keepdims=True), atol=1e-6)
