"""Metrics that ask a generator for particular images: path lengths, and separability of its latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from stylegan_tf.batches import BatchFunction
from stylegan_tf.evaluation.generated import SEEDS_APART, GeneratorImages, images_in_memory, rgb
from stylegan_tf.features.base import FeatureNetwork
from stylegan_tf.metrics.linear_separability import linear_separability
from stylegan_tf.metrics.perceptual_path_length import path_distances, path_points, perceptual_images, trimmed_mean
from stylegan_tf.metrics.protocols import LPIPS, Protocol

Report = Callable[[int, int], None]

# LPIPS has millions of features an image.
_LPIPS_BATCH, _BATCH = 4, 48  # see `BatchFunction`
# Where the other ends of paths are among the seeds of one measurement.
_OTHER_END = 50_000_000


def path_length(
    protocol: Protocol,
    generator: GeneratorImages,
    network: FeatureNetwork,
    seed: int,
    strategy: tf.distribute.Strategy | None = None,
    progress: Report | None = None,
) -> dict[str, float]:
    """Perceptual path length; every pair has the same class at both ends.

    Reference: Karras et al. 2019, "A Style-Based Generator Architecture", section 4.1.
    """
    options = protocol.options
    epsilon, crop = options["epsilon"], options["crop"]

    def compare(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        features = [network.compute(perceptual_images(images, crop)).features for images in (first, second)]
        return path_distances(features[0], features[1], epsilon)

    distances = BatchFunction(compare, _LPIPS_BATCH if network.name == LPIPS else _BATCH, strategy)
    t = np.random.default_rng(seed).random(protocol.fakes).astype(np.float32)
    if options["sampling"] == "end":
        t = np.zeros_like(t)
    found = []
    for seeds, part in _seeds(protocol.fakes, seed, images_in_memory(generator.size)):
        classes = generator.classes(seeds)
        ends = [generator.latents(seeds), generator.latents(seeds + _OTHER_END)]
        if options["space"] == "w":
            ends = [generator.map(z, classes) for z in ends]
        points = list(path_points(ends[0], ends[1], t[part], epsilon, options["space"]))
        if options["space"] == "z":
            points = [generator.map(np.asarray(z), classes) for z in points]
        images = [_three_channels(generator.synthesize(np.asarray(ws, np.float32))) for ws in points]
        found.append(distances.whole(*images))
        _say(progress, part.stop, protocol.fakes)
    return {protocol.values[0]: trimmed_mean(np.concatenate(found))}


def measure_separability(
    protocol: Protocol,
    generator: GeneratorImages,
    network: FeatureNetwork,
    seed: int,
    strategy: tf.distribute.Strategy | None = None,
    progress: Report | None = None,
) -> dict[str, float]:
    """Linear separability in w and in z.

    Reference: Karras et al. 2019, "A Style-Based Generator Architecture", section 4.2.
    """
    classify = BatchFunction(lambda images: network.compute(images).logits, _BATCH, strategy)
    latents: dict[str, list[np.ndarray]] = {"w": [], "z": []}
    logits = []
    for seeds, part in _seeds(protocol.fakes, seed, images_in_memory(generator.size)):
        classes = generator.classes(seeds)
        z = generator.latents(seeds)
        latents["z"].append(z)
        latents["w"].append(generator.map(z, classes)[:, 0])
        logits.append(classify.whole(rgb(generator.images(seeds, classes))))
        _say(progress, part.stop, protocol.fakes)
    all_logits = np.concatenate(logits)
    return {
        space: linear_separability(np.concatenate(latents[space]), all_logits, **protocol.options)
        for space in protocol.values
    }


def _seeds(count: int, seed: int, step: int) -> Iterator[tuple[np.ndarray, slice]]:
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        yield np.arange(part.start, part.stop, dtype=np.int64) + seed * SEEDS_APART, part


def _three_channels(images: np.ndarray) -> np.ndarray:
    """Float images [N, H, W, C]: grey repeated, alpha left out."""
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images[..., :3]


def _say(progress: Report | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)
