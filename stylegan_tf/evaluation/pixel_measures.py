"""Metrics over pixels, which need no feature network."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from stylegan_tf.data.image_set import ImageSet
from stylegan_tf.evaluation.generated import set_batches
from stylegan_tf.evaluation.measures import Values
from stylegan_tf.metrics.ms_ssim import ms_ssim
from stylegan_tf.metrics.protocols import Protocol
from stylegan_tf.metrics.sliced_wasserstein import sliced_wasserstein


def measure_pixels(protocol: Protocol, reals: ImageSet | None, fakes: Iterable[np.ndarray], seed: int = 0) -> Values:
    """The values of a protocol.

    Args:
        protocol: A metric over pixels.
        reals: The real images; None where the protocol needs none.
        fakes: Batches of generated images, uint8 [n, H, W, 3].
        seed: Of patches and directions.
    """
    return _METRICS[protocol.metric](protocol, reals, fakes, seed)


def pixel_floor(protocol: Protocol, reals: ImageSet, seed: int = 0) -> Values:
    """What real images score: two halves of them against each other, or pairs of them."""
    if protocol.metric == "ms_ssim":
        return {protocol.values[0]: _mean_similarity(set_batches(reals, min(protocol.fakes, len(reals))))}
    count = min(protocol.fakes, len(reals) // 2)
    # One pass for each half: every other image of one order.
    first, second = (_every_other(set_batches(reals, 2 * count), place) for place in (0, 1))
    return _with_mean(sliced_wasserstein(first, second, count, seed=seed))


def _sliced_wasserstein(protocol: Protocol, reals: ImageSet, fakes: Iterable[np.ndarray], seed: int) -> Values:
    # A set that is too small comes round again, as in the published program.
    rounds = (set_batches(reals, min(len(reals), protocol.fakes)) for _ in itertools.count())
    return _with_mean(sliced_wasserstein(itertools.chain.from_iterable(rounds), fakes, protocol.fakes, seed=seed))


def _with_mean(by_level: dict[int, float]) -> Values:
    mean = float(np.mean(list(by_level.values())))
    return {"mean": mean, **{f"level_{height}": distance for height, distance in by_level.items()}}


def _ms_ssim(protocol: Protocol, reals: ImageSet | None, fakes: Iterable[np.ndarray], seed: int) -> Values:
    return {protocol.values[0]: _mean_similarity(fakes)}


def _mean_similarity(batches: Iterable[np.ndarray]) -> float:
    """Mean similarity of the first image and the second, the third and the fourth, and so on."""
    similarities = []
    for images in batches:
        pairs = len(images) // 2
        if pairs:
            similarities.append(ms_ssim(images[0 : 2 * pairs : 2], images[1 : 2 * pairs : 2]))
    return float(np.mean(np.concatenate(similarities)))


def _every_other(batches: Iterable[np.ndarray], first: int) -> Iterator[np.ndarray]:
    place = 0
    for images in batches:
        yield images[(first - place) % 2 :: 2]
        place += len(images)


_METRICS: dict[str, Callable[..., Values]] = {"sliced_wasserstein": _sliced_wasserstein, "ms_ssim": _ms_ssim}
