"""The pipeline's choices: how often, of what images, and that it fits into a compiled training step."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.augment.draws import AugmentDraws, draw_augmentation
from stylegan_tf.augment.pipeline import GROUPS, Augmentation
from stylegan_tf.training.launches import count_launches

KEY = tf.constant([7, 11])
EVERYTHING = Augmentation.from_groups("bgcfnc")
TRANSFORMS = [name for names in GROUPS.values() for name in names]
COUNT = 20000


def random_images(*shape: int) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, [1, 2], -1.0, 1.0)


def share_within_five_sigma(happened: np.ndarray, wanted: float) -> bool:
    return abs(np.mean(happened) - wanted) < 5 * math.sqrt(wanted * (1 - wanted) / happened.size)


@pytest.fixture(scope="module")
def many_draws() -> AugmentDraws:
    return draw_augmentation(KEY, COUNT, (2, 2, 3))


@pytest.mark.parametrize("shape", [(3, 16, 16, 4), (2, 28, 28, 1), (2, 64, 96, 3), (2, 2, 3, 3)])
@pytest.mark.slow
def test_without_strength_the_images_come_back(shape, relative_error):
    images = random_images(*shape)
    draws = draw_augmentation(KEY, shape[0], shape[1:])
    assert relative_error(EVERYTHING(images, draws, 0.0), images) < 2e-6
    no_resampling = Augmentation.from_groups("color,noise,cutout")
    np.testing.assert_array_equal(no_resampling(images, draws, 0.0), images)


# The share of random parameters that change something, of those applied.
@pytest.mark.parametrize(
    ("transform", "effective"),
    [
        ("xflip", 0.5),
        ("rotate90", 0.75),
        ("xint", 1.0),
        ("scale", 1.0),
        ("rotate", 1.0),
        ("aniso", 1.0),
        ("xfrac", 1.0),
    ],
)
@pytest.mark.parametrize("p", [0.2, 0.7])
def test_share_of_images_that_are_moved(transform, effective, p, many_draws):
    size = 2**20  # where nearly every shift is one of whole pixels
    inverse = Augmentation(**{transform: 1.0}).inverse_transform(many_draws, tf.constant(p), size, size)
    changed = np.any(np.abs(inverse - np.eye(3)) > 1e-6, axis=(1, 2))
    assert share_within_five_sigma(changed, p * effective)


@pytest.mark.parametrize(
    ("transform", "effective"),
    [("brightness", 1.0), ("contrast", 1.0), ("lumaflip", 0.5), ("hue", 1.0), ("saturation", 1.0)],
)
def test_share_of_images_whose_colours_change(transform, effective, many_draws):
    color_map = Augmentation(**{transform: 1.0}).color_map(many_draws, tf.constant(0.3))
    changed = np.any(np.abs(color_map - np.eye(3, 4)) > 1e-6, axis=(1, 2))
    assert share_within_five_sigma(changed, 0.3 * effective)


@pytest.mark.parametrize(("transform", "wanted"), [("imgfilter", 1 - 0.7**4), ("noise", 0.3), ("cutout", 0.3)])
def test_share_of_images_that_are_filtered_and_covered(transform, wanted, many_draws):
    images = random_images(COUNT, 2, 2, 3)
    changed = np.any(np.abs(Augmentation(**{transform: 1.0})(images, many_draws, 0.3) - images) > 1e-5, axis=(1, 2, 3))
    assert share_within_five_sigma(changed, wanted)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.slow
def test_a_multiplier_scales_the_probability(transform):
    images, draws = random_images(40, 16, 16, 3), draw_augmentation(KEY, 40, (16, 16, 3))
    half = Augmentation(**{transform: 0.5})(images, draws, 0.8)
    np.testing.assert_array_equal(half, Augmentation(**{transform: 1.0})(images, draws, 0.4))
    assert np.any(half != Augmentation(**{transform: 1.0})(images, draws, 0.8))


def test_strengths(many_draws):
    one = tf.constant(1.0)
    scale = Augmentation(scale=1.0, scale_deviation=0.4).inverse_transform(many_draws, one, 8, 8)
    assert np.std(np.log2(scale[:, 0, 0])) == pytest.approx(0.4, rel=0.03)
    shift = Augmentation(xint=1.0, xint_limit=0.25).inverse_transform(many_draws, one, 40, 80)
    assert np.max(np.abs(shift[:, :2, 2]), axis=0).tolist() == [20.0, 10.0]
    shift = Augmentation(xfrac=1.0).inverse_transform(many_draws, one, 40, 80)
    np.testing.assert_allclose(np.std(shift[:, :2, 2], axis=0), [10.0, 5.0], rtol=0.03)
    offsets = Augmentation(brightness=1.0, brightness_deviation=0.1).color_map(many_draws, one)[:, 0, 3]
    assert np.std(offsets) == pytest.approx(0.1, rel=0.03)


def test_cutout_covers_a_quarter_around_its_centre():
    draws = draw_augmentation(KEY, 2, (8, 16, 3))._replace(cutout=tf.constant([[0.5, 0.5], [1.0, 0.0]]))
    covered = Augmentation(cutout=1.0)(tf.ones([2, 8, 16, 3]), draws, 1.0)
    wanted = np.ones([2, 8, 16, 3])
    wanted[0, 2:6, 4:12] = 0
    wanted[1, :2, 12:] = 0
    np.testing.assert_array_equal(covered, wanted)


@pytest.mark.slow
def test_alpha_is_moved_filtered_and_covered_but_not_coloured():
    images = random_images(8, 16, 16, 3)
    draws = draw_augmentation(KEY, 8, (16, 16, 4))
    rgb_draws = draws._replace(noise=draws.noise[..., :3])
    with_alpha = EVERYTHING(tf.concat([images, images[..., :1]], axis=3), draws, 0.8)
    np.testing.assert_allclose(with_alpha[..., :3], EVERYTHING(images, rgb_draws, 0.8), atol=1e-5)
    spatial = Augmentation.from_groups("bg,filter,cutout")
    np.testing.assert_allclose(with_alpha[..., 3:], spatial(images, rgb_draws, 0.8)[..., :1], atol=1e-5)


@pytest.mark.slow
def test_grey_is_the_mean_of_three_equal_channels(relative_error):
    grey = random_images(8, 16, 16, 1)
    draws = draw_augmentation(KEY, 8, (16, 16, 1))
    colors = EVERYTHING(tf.tile(grey, [1, 1, 1, 3]), draws._replace(noise=tf.tile(draws.noise, [1, 1, 1, 3])), 0.8)
    wanted = tf.reduce_mean(colors, axis=3, keepdims=True)
    assert relative_error(EVERYTHING(grey, draws, 0.8), wanted) < 1e-5


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.slow
def test_first_and_second_order_gradients(channels, relative_error):
    """The pipeline is affine in the images, which gives both gradients from its values alone."""
    shape = (5, 4, channels)
    pixels = math.prod(shape)
    one = draw_augmentation(tf.constant([1, channels]), 1, shape)
    many = tf.nest.map_structure(lambda values: tf.repeat(values, pixels + 1, axis=0), one)
    basis = tf.reshape(tf.eye(pixels + 1, pixels), [pixels + 1, *shape])
    table = np.reshape(EVERYTHING(basis, many, 0.9), (pixels + 1, pixels)).astype(np.float64)
    matrix, shift = (table[:-1] - table[-1]).T, table[-1]
    assert np.any(shift)

    images = random_images(1, *shape)
    with tf.GradientTape() as outer:
        outer.watch(images)
        with tf.GradientTape() as inner:
            inner.watch(images)
            score = tf.reduce_sum(EVERYTHING(images, one, 0.9) ** 3) / 3.0
        first = inner.gradient(score, images)
        penalty = tf.reduce_sum(first**2) / 2.0
    second = outer.gradient(penalty, images)
    augmented = matrix @ np.ravel(images) + shift
    wanted_first = matrix.T @ augmented**2
    assert np.any(wanted_first)
    assert relative_error(np.ravel(first), wanted_first) < 1e-4
    assert relative_error(np.ravel(second), matrix.T @ (2 * augmented * (matrix @ wanted_first))) < 1e-4


@pytest.mark.slow
def test_gradient_is_the_slope(relative_error):
    images, direction = random_images(4, 12, 8, 3), tf.random.stateless_normal([4, 12, 8, 3], [3, 4])
    draws, step = draw_augmentation(KEY, 4, (12, 8, 3)), 0.05

    def score(images):
        return tf.reduce_sum(EVERYTHING(images, draws, 0.8) ** 2, axis=[1, 2, 3])

    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(score(images))
    slopes = tf.reduce_sum(tape.gradient(total, images) * direction, axis=[1, 2, 3])
    differences = (score(images + step * direction) - score(images - step * direction)) / (2 * step)
    assert relative_error(slopes, differences) < 1e-3


@pytest.mark.slow
def test_compiled_numbers_and_gradients_are_equal(quick_xla, relative_error):
    images = random_images(3, 8, 6, 3)
    draws = draw_augmentation(KEY, 3, (8, 6, 3))

    def gradients(images, draws, p):
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as inner:
                inner.watch(images)
                augmented = EVERYTHING(images, draws, p)
                score = tf.reduce_sum(augmented**3)
            first = inner.gradient(score, images)
            penalty = tf.reduce_sum(first**2)
        return augmented, first, outer.gradient(penalty, images)

    p = tf.constant(0.8)
    compiled = tf.function(gradients, jit_compile=True, autograph=False)
    for got, wanted in zip(compiled(images, draws, p), gradients(images, draws, p), strict=True):
        assert relative_error(got, wanted) < 1e-4


@pytest.mark.slow
def test_another_strength_does_not_trace_again():
    traces = []

    @tf.function(autograph=False)
    def augment(images, key, p):
        traces.append(p)
        return EVERYTHING(images, draw_augmentation(key, 2, (8, 8, 3)), p)

    images = random_images(2, 8, 8, 3)
    weak, strong = (augment(images, KEY, tf.constant(p)) for p in (0.1, 1.0))
    assert len(traces) == 1
    assert np.any(np.abs(weak - strong) > 0.1)


@pytest.mark.slow
def test_a_batch_of_unknown_size_gets_that_of_the_draws():
    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3])], autograph=False)
    def augment(images):
        return EVERYTHING(images, draw_augmentation(KEY, 2, (8, 8, 3)), 0.5)

    images = random_images(2, 8, 8, 3)
    wanted = EVERYTHING(images, draw_augmentation(KEY, 2, (8, 8, 3)), 0.5)
    np.testing.assert_allclose(augment(images), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("written", "groups"),
    [
        ("blit", ["blit"]),
        ("geom", ["geometry"]),
        ("bg", ["blit", "geometry"]),
        ("bgc", ["blit", "geometry", "color"]),
        ("bgcf", ["blit", "geometry", "color", "filter"]),
        ("bgcfn", ["blit", "geometry", "color", "filter", "noise"]),
        ("bgcfnc", list(GROUPS)),
        ("blit, color", ["blit", "color"]),
        ("bg,cutout", ["blit", "geometry", "cutout"]),
    ],
)
def test_groups(written, groups):
    augmentation = Augmentation.from_groups(written)
    wanted = {name for group in groups for name in GROUPS[group]}
    assert {name for name in TRANSFORMS if getattr(augmentation, name)} == wanted
    assert len(TRANSFORMS) == 15 == sum(value == 0.0 for value in dataclasses.asdict(Augmentation()).values())


@pytest.mark.parametrize("written", ["", "bcg", "blit,", "blit;color"])
def test_unknown_groups_are_refused(written):
    with pytest.raises(ValueError, match=r"groups must be names out of blit.*bgcfnc.*Received"):
        Augmentation.from_groups(written)


@pytest.mark.parametrize("values", [{"xflip": -1.0}, {"noise_deviation": math.nan}])
def test_negative_numbers_are_refused(values):
    with pytest.raises(ValueError, match=f"{next(iter(values))} must be 0 or more. Received"):
        Augmentation(**values)


@pytest.mark.parametrize("shape", [(2, 8, 8, 2), (2, 8, 8), (2, 1, 8, 3)])
def test_other_images_are_refused(shape):
    with pytest.raises(ValueError, match="images must be .*Received"):
        EVERYTHING(tf.zeros(shape), draw_augmentation(KEY, 2, (8, 8, 3)), 0.5)


def test_draws_for_another_batch_are_refused():
    with pytest.raises(ValueError, match="draws must be for 3 images.*Received: for 2"):
        EVERYTHING(tf.zeros([3, 8, 8, 3]), draw_augmentation(KEY, 2, (8, 8, 3)), 0.5)


@pytest.mark.slow
def test_numbers_that_no_transform_takes_are_not_drawn(optimized_graphs):
    @tf.function(autograph=False)
    def augmented(images, key):
        return Augmentation.from_groups("bgc")(images, draw_augmentation(key, 2, (8, 8, 3)), 0.5)

    found = count_launches(augmented, tf.zeros([2, 8, 8, 3]), KEY)
    assert found["StatelessRandomNormalV2"] == 1 and found["StatelessRandomUniformV2"] == 1
