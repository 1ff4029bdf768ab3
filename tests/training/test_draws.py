"""The random numbers of a step."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.augment.diffaugment import DiffAugment
from stylegan_tf.augment.pipeline import Augmentation
from stylegan_tf.networks import SynthesisNetwork
from stylegan_tf.training.draws import draw_augmentation_pair, draw_path_noise, make_draws, step_key

SYNTHESIS = SynthesisNetwork(base_size=(4, 6), num_levels=3)


def drawn(key, level=1, probability=0.5, count=64):
    return make_draws(key, count, 8, SYNTHESIS, level, probability)


def test_equal_keys_draw_equal_numbers_and_other_keys_others():
    keys = [step_key(3, *place) for place in [(0, 0, 0), (8, 0, 0), (0, 1, 0), (0, 0, 1)]]
    draws = [drawn(key).z.numpy() for key in keys]
    np.testing.assert_array_equal(draws[0], drawn(step_key(3, 0, 0, 0)).z)
    for other in [*draws[1:], drawn(step_key(4, 0, 0, 0)).z.numpy()]:
        assert np.abs(np.corrcoef(draws[0].ravel(), other.ravel())[0, 1]) < 0.2


def test_the_parts_of_a_draw_are_independent():
    draws = drawn(step_key(0, 0, 0, 0))
    assert np.abs(np.corrcoef(np.ravel(draws.z), np.ravel(draws.other_z))[0, 1]) < 0.2
    assert np.abs(np.corrcoef(np.ravel(draws.noise[0]), np.ravel(draws.noise[1]))[0, 1]) < 0.1


def test_sizes_follow_the_level():
    draws = drawn(step_key(0, 0, 0, 0), level=2, count=5)
    assert [noise.shape for noise in draws.noise] == [
        (5, 4, 6, 1),
        (5, 4, 6, 1),
        (5, 8, 12, 1),
        (5, 8, 12, 1),
        (5, 16, 24, 1),
        (5, 16, 24, 1),
    ]
    assert draws.z.shape == (5, 8)
    assert draws.factors.shape == (5,)


def test_crossovers_lie_within_the_active_layers():
    always = drawn(step_key(0, 0, 0, 0), level=1, probability=1.0, count=400).crossover.numpy()
    assert set(always) == {1, 2, 3}
    never = drawn(step_key(0, 0, 0, 0), level=1, probability=0.0).crossover.numpy()
    assert set(never) == {4}
    half = drawn(step_key(0, 0, 0, 0), level=1, probability=0.5, count=1000).crossover.numpy()
    assert 0.4 < np.mean(half < 4) < 0.6


def test_keys_work_in_a_graph():
    key = tf.function(lambda images: step_key(7, images, 2, 1))(tf.constant(123, tf.int64))
    np.testing.assert_array_equal(key, step_key(7, 123, 2, 1))


def test_path_noise_is_normal_and_none_of_the_other_numbers():
    key = step_key(0, 8, 0, 3)
    noise = draw_path_noise(key, 64, (4, 6, 3)).numpy()
    assert noise.shape == (64, 4, 6, 3)
    assert abs(noise.mean()) < 0.05
    assert abs(noise.std() - 1.0) < 0.05
    np.testing.assert_array_equal(noise, draw_path_noise(key, 64, (4, 6, 3)))
    draws = drawn(key)
    for other in (draws.z, draws.other_z, *draws.noise, draw_path_noise(step_key(0, 16, 0, 3), 64, (4, 6, 3))):
        size = min(np.size(other), noise.size)
        assert np.abs(np.corrcoef(np.ravel(other)[:size], noise.ravel()[:size])[0, 1]) < 0.2


@pytest.mark.parametrize("augmentation", [Augmentation(), DiffAugment()], ids=["ADA", "DiffAugment"])
def test_reals_and_fakes_are_augmented_by_numbers_of_their_own(augmentation):
    key = step_key(0, 8, 0, 0)
    reals, fakes = draw_augmentation_pair(augmentation, key, 64, (4, 6, 3))
    again, _ = draw_augmentation_pair(augmentation, key, 64, (4, 6, 3))
    for one, same, other in zip(*(tf.nest.flatten(draws) for draws in (reals, again, fakes)), strict=True):
        assert one.shape[0] == 64
        np.testing.assert_array_equal(one, same)
        assert np.abs(np.corrcoef(np.ravel(one), np.ravel(other))[0, 1]) < 0.5
    if isinstance(augmentation, DiffAugment):
        return
    assert reals.noise.shape == fakes.noise.shape == (64, 4, 6, 3)
    assert np.abs(np.corrcoef(np.ravel(reals.noise), np.ravel(draw_path_noise(key, 64, (4, 6, 3))))[0, 1]) < 0.1
