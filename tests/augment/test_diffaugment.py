"""DiffAugment against a version in NumPy, written from the paper with loops over images."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.augment.diffaugment import DiffAugment, DiffAugmentDraws
from stylegan_tf.training.launches import count_launches

EVERYTHING = DiffAugment(color=True, translation=True, cutout=True)
KEY = tf.constant([7, 11])
SHAPES = [(16, 16, 3), (12, 20, 3), (7, 9, 1), (10, 6, 4), (4, 4, 3)]


def random_images(*shape):
    return tf.random.stateless_uniform(shape, [1, 2], -1.0, 1.0)


def naive(images, draws, color=True, translation=True, cutout=True):
    """Section 3 and the appendix, an image after the other, in float64."""
    numbers = np.concatenate([np.asarray(values, np.float64) for values in draws], axis=1)
    results = []
    for image, (brightness, saturation, contrast, *places) in zip(np.asarray(images, np.float64), numbers, strict=True):
        height, width, channels = image.shape
        if color:
            colors = image[..., :3] + (brightness - 0.5)
            grey = colors.mean(axis=2, keepdims=True)
            colors = (colors - grey) * (2.0 * saturation) + grey
            colors = (colors - colors.mean()) * (contrast + 0.5) + colors.mean()
            image = np.concatenate([colors, image[..., 3:]], axis=2)
        if translation:
            moves = []
            for size, number in ((height, places[0]), (width, places[1])):
                limit = math.floor(size / 8 + 0.5)
                moves.append(list(range(-limit, limit + 1))[math.floor(number * (2 * limit + 1))])
            moved = np.zeros_like(image)
            for y, x in itertools.product(range(height), range(width)):
                from_y, from_x = y - moves[0], x - moves[1]
                if 0 <= from_y < height and 0 <= from_x < width:
                    moved[y, x] = image[from_y, from_x]
            image = moved
        if cutout:
            image, spans = image.copy(), []
            for size, number in ((height, places[2]), (width, places[3])):
                half = math.floor(size / 2 + 0.5)
                centre = math.floor(number * (size + (1 - half % 2)))
                spans.append(slice(max(centre - half // 2, 0), max(centre - half // 2 + half, 0)))
            image[spans[0], spans[1]] = 0.0
        assert image.shape == (height, width, channels)
        results.append(image)
    return np.stack(results)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("groups", ["color", "translation", "cutout", "color,translation,cutout"])
def test_equals_the_naive_version(shape, groups):
    augmentation, images = DiffAugment.from_groups(groups), random_images(40, *shape)
    (draws,) = augmentation.draw(KEY, 40, shape)
    wanted = naive(images, draws, **{name: name in groups for name in ("color", "translation", "cutout")})
    found = augmentation(images, draws)
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert np.abs(found - images).max() > 0.1


@pytest.mark.parametrize(("dtype", "rounding"), [(tf.float16, 2**-10), (tf.bfloat16, 2**-7)])
def test_half_precision_rounds_once(dtype, rounding):
    images = tf.cast(random_images(8, 16, 16, 3), dtype)
    (draws,) = EVERYTHING.draw(KEY, 8, (16, 16, 3))
    found = EVERYTHING(images, draws)
    assert found.dtype == dtype
    wanted = naive(tf.cast(images, tf.float32), draws)
    np.testing.assert_allclose(tf.cast(found, tf.float32), wanted, atol=1e-6, rtol=rounding)


@pytest.mark.slow
@pytest.mark.parametrize("jit", [False, True], ids=["TensorFlow", "XLA"])
def test_gradients_of_first_and_second_order(jit):
    """Affine in the images: the gradient by them of any weighted sum is the transpose, which finite steps tell."""
    shape = (5, 4, 3)
    pixels = math.prod(shape)
    one = EVERYTHING.draw(tf.constant([1, 3]), 1, shape)[0]
    many = DiffAugmentDraws(*(tf.repeat(values, pixels + 1, axis=0) for values in one))
    units = tf.reshape(tf.concat([tf.zeros([1, pixels]), tf.eye(pixels)], 0), [-1, *shape])
    columns = naive(units, many).reshape(pixels + 1, pixels)
    matrix = (columns[1:] - columns[:1]).T

    @tf.function(jit_compile=jit, autograph=False)
    def gradients(images, weights):
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as tape:
                tape.watch(images)
                augmented = EVERYTHING(images, one)
                total = tf.reduce_sum(weights * augmented**2)
            first = tape.gradient(total, images)
            penalty = tf.reduce_sum(first**2)
        return augmented, first, outer.gradient(penalty, images)

    images, weights = random_images(1, *shape), tf.random.stateless_normal([1, *shape], [3, 4])
    augmented, first, second = (np.ravel(value).astype(np.float64) for value in gradients(images, weights))
    scale = 2.0 * np.ravel(weights)
    np.testing.assert_allclose(first, matrix.T @ (scale * augmented), atol=1e-5)
    np.testing.assert_allclose(second, matrix.T @ (scale * (matrix @ (2.0 * first))), atol=1e-4)
    assert np.abs(second).max() > 0.1


def test_the_draws_are_uniform_and_belong_to_the_key():
    first, second = EVERYTHING.draw(KEY, 20000, (8, 8, 3), 2)
    numbers = np.concatenate([*first, *second], axis=1)
    assert [values.shape for values in first] == [(20000, 3), (20000, 2), (20000, 2)]
    assert np.min(numbers) >= 0 and np.max(numbers) < 1
    np.testing.assert_allclose(numbers.mean(axis=0), 0.5, atol=0.01)
    np.testing.assert_allclose(numbers.std(axis=0), 12**-0.5, atol=0.01)
    assert np.abs(np.corrcoef(numbers.T) - np.eye(14)).max() < 0.05
    for same, wanted in zip(DiffAugment(color=True).draw(KEY, 20000, (4, 4, 1), 2)[0], first, strict=True):
        np.testing.assert_array_equal(same, wanted)
    assert np.all(EVERYTHING.draw(tf.constant([7, 12]), 20000, (8, 8, 3))[0].color != first.color)


def test_it_takes_few_operations():
    """With the draws, and without the gradient."""

    @tf.function(autograph=False)
    def augmented(images, key):
        return EVERYTHING(images, EVERYTHING.draw(key, 4, (16, 16, 3))[0])

    assert sum(count_launches(augmented, tf.zeros([4, 16, 16, 3]), KEY).values()) <= 60


@pytest.mark.parametrize("groups", ["colour", "", "color;cutout", "bgc"])
def test_unknown_groups_are_refused(groups):
    with pytest.raises(ValueError, match="names out of color, translation, cutout"):
        DiffAugment.from_groups(groups)


def test_draws_for_another_batch_are_refused():
    with pytest.raises(ValueError, match="draws must be for 3 images"):
        EVERYTHING(tf.zeros([3, 8, 8, 3]), EVERYTHING.draw(KEY, 2, (8, 8, 3))[0])
