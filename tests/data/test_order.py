"""The order of the images: whole epochs, no pattern, and the same numbers for ever.

What is random here comes from fixed seeds, so these tests always give the same answer. The bounds are those that a fair
draw stays below 99.9% of the time (chi-squared), or four standard deviations (means and correlations).
"""

import math
import time
import tracemalloc

import numpy as np
import pytest

from stylegan_tf.data import order

CHI_SQUARED_999 = {1: 10.8, 5: 20.5, 23: 49.7, 99: 148.2, 119: 173.6}  # by degrees of freedom


def draw(seed: int, position: int, count: int, size: int) -> np.ndarray:
    """The images of `count` samples in a row."""
    return order.draw_indices(seed, np.arange(position, position + count), size)


def coins(seed: int, position: int, count: int) -> np.ndarray:
    return order.coins(seed, np.arange(position, position + count))


def places(seed: int, position: int, count: int) -> np.ndarray:
    return order.places(seed, np.arange(position, position + count))


def chi_squared(counts: np.ndarray) -> float:
    expected = counts.mean()
    return float(((counts - expected) ** 2 / expected).sum())


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


class TestDraw:
    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 63, 64, 65, 1000, 4095, 4096, 4097])
    def test_each_epoch_is_a_permutation(self, size):
        """Epochs cross the borders of chunks of 4,096 samples that are computed together."""
        epochs = max(3, -(-9000 // size)) if size < 4000 else 3
        indices = draw(11, 0, epochs * size, size)
        assert indices.dtype == np.int64
        assert indices.shape == (epochs * size,)
        np.testing.assert_array_equal(
            np.sort(indices.reshape(epochs, size), axis=1), np.tile(np.arange(size), (epochs, 1))
        )

    @pytest.mark.slow
    def test_a_large_epoch_is_a_permutation(self):
        indices = draw(2, 300_001, 300_001, 300_001)
        np.testing.assert_array_equal(np.sort(indices), np.arange(300_001))

    @pytest.mark.parametrize(("size", "epochs"), [(2, 2000), (3, 6000), (4, 12000), (5, 24000)])
    @pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
    @pytest.mark.slow
    def test_every_order_is_as_likely(self, seed, size, epochs):
        drawn = draw(seed, 0, epochs * size, size).reshape(epochs, size)
        _, counts = np.unique(drawn, axis=0, return_counts=True)
        assert len(counts) == math.factorial(size)
        assert chi_squared(counts) < CHI_SQUARED_999[len(counts) - 1]

    @pytest.mark.slow
    def test_every_image_is_as_likely_at_every_place(self):
        drawn = draw(3, 0, 10_000 * 100, 100).reshape(10_000, 100)
        for place in (0, 1, 50, 99):
            assert chi_squared(np.bincount(drawn[:, place], minlength=100)) < CHI_SQUARED_999[99]

    @pytest.mark.parametrize("size", [64, 1000, 1024])
    @pytest.mark.slow
    def test_epochs_have_nothing_to_do_with_each_other(self, size):
        drawn = draw(5, 0, 200 * size, size).reshape(200, size)
        bound = 4 / math.sqrt(199 * size)
        for lag in (1, 2):
            assert abs(correlation(drawn[:-lag], drawn[lag:])) < bound * math.sqrt(199 / (200 - lag))
        # As many images are at the same place twice in a row as chance has it: one of each epoch.
        assert abs((drawn[1:] == drawn[:-1]).sum(axis=1).mean() - 1) < 4 / math.sqrt(199)
        assert len(np.unique(drawn, axis=0)) == 200

    def test_neighbours_within_an_epoch_have_nothing_to_do_with_each_other(self):
        drawn = draw(5, 0, 50 * 4096, 4096).reshape(50, 4096)
        assert abs(correlation(drawn[:, 1:], drawn[:, :-1])) < 4 / math.sqrt(50 * 4095)
        steps = (drawn[:, 1:] - drawn[:, :-1]) % 4096
        assert abs((steps == 1).mean() * 4096 - 1) < 4 / math.sqrt(50)

    def test_seeds_differ(self):
        drawn = np.stack([draw(seed, 0, 1000, 1000) for seed in (0, 1, 2, 2**32, 2**62, 2**63 - 1)])
        for first in range(len(drawn)):
            for second in range(first):
                assert abs(correlation(drawn[first], drawn[second])) < 4 / math.sqrt(1000)
                assert (drawn[first] == drawn[second]).sum() < 10

    @pytest.mark.parametrize("size", [1, 7, 1000, 5000])
    def test_any_part_is_that_of_the_whole(self, size):
        whole = draw(9, 0, 20_000, size)
        for position, count in ((0, 1), (1, 2), (4095, 1), (4095, 2), (4096, 10), (6999, 9001), (8191, 4098), (50, 0)):
            np.testing.assert_array_equal(draw(9, position, count, size), whole[position : position + count])

    @pytest.mark.parametrize("size", [1, 7, 5000])
    def test_later_epochs_by_their_number(self, size):
        whole = draw(9, 0, 20_000, size)
        start = -(-6000 // size)
        found = order.draw_indices(9, np.arange(5000), size, first_epoch=start)
        np.testing.assert_array_equal(found, whole[start * size : start * size + 5000])

    @pytest.mark.parametrize("size", [2**32 + 1, 2**40])
    @pytest.mark.parametrize("first_epoch", [0, 2**32, 2**61 - 1])
    def test_huge_sets(self, size, first_epoch):
        found = order.draw_indices(9, np.arange(5000), size, first_epoch)
        assert len(np.unique(found)) == 5000
        assert found.min() >= 0
        assert size - size // 500 < found.max() < size
        assert chi_squared(np.bincount(found * 10 // size, minlength=10)) < 27.9  # 99.9% of the time below

    def test_samples_in_any_order(self):
        whole = draw(9, 0, 20_000, 1000)
        numbers = np.random.default_rng(0).integers(0, 20_000, 300)  # some twice, from all chunks
        np.testing.assert_array_equal(order.draw_indices(9, numbers, 1000), whole[numbers])
        np.testing.assert_array_equal(order.coins(9, numbers), coins(9, 0, 20_000)[numbers])
        np.testing.assert_array_equal(order.places(9, numbers), places(9, 0, 20_000)[numbers])

    def test_what_is_given_belongs_to_the_caller(self):
        before = draw(4, 10, 20, 100).copy()
        draw(4, 10, 20, 100)[:] = -1
        np.testing.assert_array_equal(draw(4, 10, 20, 100), before)

    @pytest.mark.parametrize("position", [0, 10**12 - 3, 5 * 10**15 + 7])
    def test_the_size_of_the_set_costs_nothing(self, position):
        size = 10**12
        tracemalloc.start()
        started = time.perf_counter()
        try:
            indices = draw(1, position, 64, size)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert time.perf_counter() - started < 2
        assert peak < 10 * 2**20
        assert len(np.unique(indices)) == 64
        assert indices.min() >= 0
        assert indices.max() < size
        assert 0.3 < indices.mean() / size < 0.7
        assert indices.max() > 2**38  # not in the lower bits alone

    @pytest.mark.parametrize(
        ("seed", "position", "size", "expected"),
        [
            (7, 5, 10, [9, 2, 7, 1, 6, 4, 8, 3, 9, 7, 0, 6]),
            (0, 0, 1000, [463, 997, 571, 168, 919, 90, 243, 568]),
            (2**63 - 1, 10**15, 70000, [47892, 64684, 26792, 6127, 355, 64095]),
            (123, 10**13 + 7, 10**12, [370682375362, 992816565290, 366547240919, 382089341487]),
        ],
    )
    def test_numbers_written_down(self, seed, position, size, expected):
        """These must never change: a run that is resumed would see other images than it would have seen."""
        assert draw(seed, position, len(expected), size).tolist() == expected


class TestCoins:
    def test_are_fair(self):
        thrown = coins(1, 0, 100_000)
        assert thrown.dtype == bool
        assert abs(thrown.mean() - 0.5) < 4 * 0.5 / math.sqrt(100_000)
        # All patterns of three in a row are as likely: no coin depends on those before it.
        patterns = thrown[:99_999].reshape(-1, 3) @ [4, 2, 1]
        assert chi_squared(np.bincount(patterns, minlength=8)) < 24.3  # 7 degrees of freedom

    def test_any_part_is_that_of_the_whole(self):
        whole = coins(6, 0, 5000)
        for position, count in ((0, 1), (17, 100), (4095, 3)):
            np.testing.assert_array_equal(coins(6, position, count), whole[position : position + count])

    def test_have_nothing_to_do_with_the_order_or_the_epoch(self):
        size, epochs = 100, 400
        thrown = coins(1, 0, size * epochs)
        bound = 4 / math.sqrt(size * epochs)
        assert abs(correlation(thrown, draw(1, 0, size * epochs, size))) < bound
        epoch_by_epoch = thrown.reshape(epochs, size)
        assert abs(correlation(epoch_by_epoch[1:], epoch_by_epoch[:-1])) < bound
        assert len(np.unique(epoch_by_epoch, axis=0)) == epochs

    def test_seeds_differ(self):
        assert abs(correlation(coins(0, 0, 10_000), coins(1, 0, 10_000))) < 4 / math.sqrt(10_000)

    def test_numbers_written_down(self):
        """These must never change, see above."""
        assert coins(7, 5, 12).astype(int).tolist() == [1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0]


class TestPlaces:
    def test_are_uniform(self):
        found = places(3, 0, 100_000)
        assert found.shape == (100_000, 2)
        assert found.min() >= 0
        assert found.max() < 1
        cells = np.floor(found * 10).astype(int)
        for axis in range(2):
            assert chi_squared(np.bincount(cells[:, axis], minlength=10)) < 27.9  # 9 degrees of freedom
        # Over the square: both together, so that neither depends on the other.
        assert chi_squared(np.bincount(cells @ [10, 1], minlength=100)) < CHI_SQUARED_999[99]

    def test_have_nothing_to_do_with_each_other_or_with_coins_and_order(self):
        count = 40_000
        found, bound = places(3, 0, count), 4 / math.sqrt(count)
        assert abs(correlation(found[:, 0], found[:, 1])) < bound
        assert abs(correlation(found[1:, 0], found[:-1, 0])) < bound
        assert abs(correlation(found[1:, 0], found[:-1, 1])) < bound
        for axis in range(2):
            assert abs(correlation(found[:, axis], coins(3, 0, count))) < bound
            assert abs(correlation(found[:, axis], draw(3, 0, count, 100))) < bound
            assert abs(correlation(found[:, axis], places(4, 0, count)[:, axis])) < bound

    def test_any_part_is_that_of_the_whole(self):
        whole = places(6, 0, 5000)
        for position, count in ((0, 1), (17, 100), (4095, 3)):
            np.testing.assert_array_equal(places(6, position, count), whole[position : position + count])

    def test_numbers_written_down(self):
        """These must never change, see above."""
        assert places(7, 5, 3).tolist() == [
            [0.7861214664299041, 0.691040673526004],
            [0.2246609388384968, 0.6811704488936812],
            [0.21826270152814686, 0.8958058019634336],
        ]
