"""Resampling against loops in float64, for images that are not square, and exact gradients."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.augment.resampling import resample
from stylegan_tf.augment.wavelets import SYM6_LOWPASS

SIZES = [(8, 8), (6, 9), (7, 5), (2, 3)]


def naive_resample(image: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """One channel. Reflection, zeros between the pixels, convolution; one point after the other; and back."""
    height, width = image.shape
    margin = 40
    fine = np.pad(image, margin, mode="reflect")
    for axis in (0, 1):
        spread = np.zeros([size * (2 if index == axis else 1) for index, size in enumerate(fine.shape)])
        spread[(slice(None),) * axis + (slice(0, None, 2),)] = fine
        fine = np.apply_along_axis(np.convolve, axis, spread, 2 * SYM6_LOWPASS)
    # Sample k of the padded and convolved axis is five taps late: it lies over half-pixel k - 5 - 2 * margin.
    moved = np.zeros([2 * height + 10, 2 * width + 10])
    for row, column in np.ndindex(*moved.shape):
        position = np.array([(column - 5 + 1) / 2 - width / 2, (row - 5 + 1) / 2 - height / 2, 1.0])
        x, y, _ = inverse @ position
        x, y = 2 * (x + width / 2) - 1 + 5 + 2 * margin, 2 * (y + height / 2) - 1 + 5 + 2 * margin
        left, top = int(np.floor(x)), int(np.floor(y))
        corner = fine[top : top + 2, left : left + 2]
        moved[row, column] = [1 - (y - top), y - top] @ corner @ [1 - (x - left), x - left]
    result = np.zeros_like(image)
    for row, column in np.ndindex(*image.shape):
        block = moved[2 * row : 2 * row + 12, 2 * column : 2 * column + 12]
        result[row, column] = SYM6_LOWPASS @ block @ SYM6_LOWPASS
    return result


def random_case(height: int, width: int, channels: int = 2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(height * 100 + width)
    linear = np.eye(2) + random.normal(0, 0.6, (3, 2, 2))
    inverse = np.tile(np.eye(3), (3, 1, 1))
    inverse[:, :2, :2], inverse[:, :2, 2] = linear, random.normal(0, 4, (3, 2))
    return random.normal(size=(3, channels, height, width)), inverse


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_equals_the_loop(height, width, relative_error):
    images, inverse = random_case(height, width)
    wanted = [[naive_resample(plane, matrix) for plane in image] for image, matrix in zip(images, inverse, strict=True)]
    assert relative_error(resample(tf.constant(images, tf.float32), tf.constant(inverse, tf.float32)), wanted) < 2e-5


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_no_move_gives_the_images_back(height, width, relative_error):
    images, _ = random_case(height, width)
    assert relative_error(resample(tf.constant(images, tf.float32), tf.eye(3, batch_shape=[3])), images) < 1e-6


def test_whole_pixels_move_exactly(relative_error):
    images, _ = random_case(6, 9)
    inverse = tf.tile(tf.constant([[[1.0, 0.0, 2.0], [0.0, 1.0, -1.0], [0.0, 0.0, 1.0]]]), [3, 1, 1])
    padded = np.pad(images, [(0, 0), (0, 0), (1, 0), (0, 2)], mode="reflect")
    assert relative_error(resample(tf.constant(images, tf.float32), inverse), padded[:, :, :6, 2:]) < 1e-6


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.slow
def test_gradients_of_every_order_are_those_of_a_matrix(jit_compile, relative_error):
    images, inverse = random_case(4, 3)
    images, inverse = tf.constant(images[:1], tf.float32), tf.constant(inverse[:1], tf.float32)
    basis = tf.reshape(tf.eye(24), [24, 2, 4, 3])
    matrix = np.reshape(resample(basis, tf.tile(inverse, [24, 1, 1])), (24, 24)).T.astype(np.float64)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def gradients(images):
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as inner:
                inner.watch(images)
                score = tf.reduce_sum(resample(images, inverse) ** 3) / 3.0
            first = inner.gradient(score, images)
            penalty = tf.reduce_sum(first**2) / 2.0
        return first, outer.gradient(penalty, images)

    first, second = gradients(images)
    moved = matrix @ np.ravel(images)
    wanted_first = matrix.T @ moved**2
    wanted_second = matrix.T @ (2 * moved * (matrix @ wanted_first))
    assert relative_error(np.ravel(first), wanted_first) < 1e-5
    assert relative_error(np.ravel(second), wanted_second) < 1e-5
