"""A feature network that knows nothing, a small generator, and sets of small images."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tiny_run import tiny_config

from stylegan_tf.data.image_set import ArrayImageSet
from stylegan_tf.evaluation.generated import NetworkImages, Origin
from stylegan_tf.evaluation.results import Result
from stylegan_tf.features.base import FeatureNetwork, FeatureOutputs
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.networks.build import build_generator, shape_of

FEATURES, CLASSES = 6, 3


class PixelNetwork(FeatureNetwork):
    """Means over quarters of the image, mixed at random; three logits."""

    name = "pixels"
    checksum = "0" * 64
    feature_count = FEATURES
    class_names = ("a", "b", "c")

    def __init__(self) -> None:
        random = np.random.default_rng(3)
        self._features = tf.Variable(random.normal(size=(12, FEATURES)).astype(np.float32), trainable=False)
        self._logits = tf.Variable(random.normal(size=(FEATURES, CLASSES)).astype(np.float32), trainable=False)

    def compute(self, images: tf.Tensor) -> FeatureOutputs:
        small = tf.image.resize(tf.cast(images, tf.float32) / 255.0, [2, 2], method="area")
        features = tf.tanh(tf.reshape(small, [-1, 12]) @ self._features)
        return FeatureOutputs(features, features @ self._logits)


def make_images(count: int, seed: int = 0, size: int = 8) -> np.ndarray:
    """Random images that differ in brightness: uint8 [count, size, size, 3]."""
    random = np.random.default_rng(seed)
    pixels = random.normal(128, 30, (count, size, size, 3)) + random.normal(0, 40, (count, 1, 1, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def make_set(count: int, seed: int = 0, size: int = 8, classes: int = 0) -> ArrayImageSet:
    names = tuple("abcdefgh"[:classes])
    labels = np.random.default_rng(seed).integers(0, classes, count).astype(np.int32) if classes else None
    return ArrayImageSet(make_images(count, seed, size), labels, names, f"made up {seed}")


def make_generator(num_classes: int = 0, strategy: Any = None, levels: int = 2, **values: Any) -> NetworkImages:
    """Images of 8x8 of a generator that looks trained."""
    config = tiny_config(mapping_learning_rate_multiplier=1.0, **values)
    generator = build_generator(config.network, shape_of(config, levels, num_classes))
    random = np.random.default_rng(1)
    for weight in generator.weights:
        if "seed" not in weight.path:
            weight.assign(0.5 * random.standard_normal(weight.shape))
    return NetworkImages(GeneratorAtLevel(generator), Origin("run", "runs/made_up", 5000), strategy=strategy)


def make_result(protocol="fd2k_full_efficientnet_lite0", kimg=1.0, lower=True, **values):
    return Result(
        protocol=protocol,
        values=values or {"frechet_distance": 400.0},
        floor={"frechet_distance": 45.0},
        lower_is_better=lower,
        network="efficientnet_lite0",
        network_sha256="a" * 64,
        fakes=2000,
        reals=2339,
        seed=0,
        noise="seed",
        source="run",
        path="runs/tiny",
        images_seen=None if kimg is None else int(kimg * 1000),
        image_size="32x32",
        data="portraits",
        data_fingerprint="b" * 16,
        seconds=12.5,
        version="0.1",
        measured_at="2026-01-01T00:00:00+00:00",
    )
