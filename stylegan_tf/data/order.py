"""Which image comes when, as a function of the seed and of a running number: no shuffle buffer, nothing to save.

Every epoch is a permutation of the whole set. It is never held in memory: a Feistel network with a keyed hash as its
round function is a permutation of the numbers below a power of four, and a number that it throws out of the set is put
through it again until it falls inside (Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains", cycle-walking).
So any place of any epoch of a set of any size is computed alone.
"""

from __future__ import annotations

import functools

import numpy as np

_ROUNDS = 12
_CHUNK = 4096  # samples that are computed together
_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, odd
_MIRROR, _CROP = 2**62, 2**62 + 1  # in place of an epoch, for numbers that belong to a sample


def draw_indices(seed: int, numbers: np.ndarray, size: int, first_epoch: int = 0) -> np.ndarray:
    """Tells which images some samples are.

    Args:
        seed: From 0 to 2^63 - 1.
        numbers: int64 `[n]`, numbers of the samples, from 0; sample number i belongs to epoch first_epoch + i // size.
        size: Number of images in the set.
        first_epoch: Below 2^61; where orders of another use begin, which have no epoch in common with others.

    Returns:
        int64 `[n]`, indices into the set.
    """
    indices = np.empty(len(numbers), np.int64)
    chunks, offsets = np.divmod(numbers, _CHUNK)
    for chunk in np.unique(chunks):
        here = chunks == chunk
        indices[here] = _chunk(seed, int(chunk), size, first_epoch)[offsets[here]]
    return indices


def coins(seed: int, numbers: np.ndarray) -> np.ndarray:
    """A fair coin, bool `[n]`, for each of the samples of these numbers (int64 `[n]`)."""
    return (_random(seed, _MIRROR, numbers) >> np.uint64(63)).astype(bool)


def places(seed: int, numbers: np.ndarray) -> np.ndarray:
    """Two independent uniform numbers in [0, 1), float64 `[n, 2]`, for each of these samples."""
    bits = _random(seed, _CROP, numbers)
    return np.stack([bits >> np.uint64(32), bits & np.uint64(2**32 - 1)], axis=1) / 2.0**32


@functools.lru_cache(maxsize=8)
def _chunk(seed: int, chunk: int, size: int, first_epoch: int) -> np.ndarray:
    numbers = np.arange(chunk * _CHUNK, (chunk + 1) * _CHUNK, dtype=np.uint64)
    epochs, ranks = numbers // np.uint64(size), numbers % np.uint64(size)
    return _permute(ranks, size, _keys(seed, epochs + np.uint64(first_epoch)))


def _permute(ranks: np.ndarray, size: int, keys: np.ndarray) -> np.ndarray:
    """For each place in `ranks`, the number there in the permutation of 0 .. size - 1 that belongs to its key."""
    # Below 64 numbers, Feistel networks reach too few permutations to make all orders of a small set as likely.
    half = max(3, -(-(size - 1).bit_length() // 2))
    shift, mask = np.uint64(half), np.uint64(2**half - 1)

    def permute_power_of_four(values: np.ndarray, keys: np.ndarray) -> np.ndarray:
        left, right = values >> shift, values & mask
        for number in range(1, _ROUNDS + 1):
            round_keys = keys + np.uint64(number * _GOLDEN % 2**64)
            left, right = right, left ^ (_mix(right + round_keys) & mask)
        return left << shift | right

    values = permute_power_of_four(ranks, keys)
    while len(outside := np.flatnonzero(values >= np.uint64(size))):
        values[outside] = permute_power_of_four(values[outside], keys[outside])
    return values.astype(np.int64)


def _random(seed: int, stream: int, numbers: np.ndarray) -> np.ndarray:
    """64 random bits, uint64 `[n]`, for each of the samples of these numbers."""
    return _mix(numbers.astype(np.uint64) * np.uint64(_GOLDEN) + _keys(seed, np.array([stream], np.uint64)))


def _keys(seed: int, streams: np.ndarray) -> np.ndarray:
    """64 bits that look random for every pair of a seed and a stream (uint64)."""
    return _mix(streams + _mix(np.array([seed], np.uint64) + np.uint64(_GOLDEN)))


def _mix(values: np.ndarray) -> np.ndarray:
    """A bijective hash of uint64 numbers: the output function of SplitMix64 (Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
