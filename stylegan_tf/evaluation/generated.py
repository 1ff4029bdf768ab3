"""The images that are measured: of a generator by seeds, of an export, or of a directory."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from stylegan_tf.data.image_set import ImageSet
from stylegan_tf.data.order import draw_indices
from stylegan_tf.data.sources.labels import listed
from stylegan_tf.errors import require
from stylegan_tf.names import nfc
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.runs.averages import EMA
from stylegan_tf.sampling.latents import classes_from_seeds, latents_from_seeds, one_hot_labels
from stylegan_tf.sampling.sampler import Sampler

# Seeds that belong to one seed of a measurement.
SEEDS_APART = 100_000_000

_MOST_AT_ONCE, _FEWEST_AT_ONCE, _PIXELS_AT_ONCE = 256, 16, 2**24


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where images come from, as it is written into results.

    Attributes:
        kind: "run", "hub", "export" or "images".
        path: Of it.
        images_seen: The clock of the networks; None for a directory of images.
        noise: "seed" when each image has noise of its own, "fixed" when all share it, "" when nobody knows.
        average: Of a run's generator, see `runs.averages`.
    """

    kind: str
    path: str
    images_seen: int | None = None
    noise: str = ""
    average: str = EMA


def images_in_memory(size: tuple[int, int]) -> int:
    """How many images of a size are held in memory at a time."""
    return min(max(_PIXELS_AT_ONCE // (size[0] * size[1]), _FEWEST_AT_ONCE), _MOST_AT_ONCE)


class FakeImages(abc.ABC):
    """Images to be measured.

    Attributes:
        origin: Where they come from.
        size: Height and width.
        channels: 1, 3 or 4.
        num_classes: Of a conditional generator; 0 for others.
    """

    origin: Origin
    size: tuple[int, int]
    channels: int
    num_classes: int = 0

    @abc.abstractmethod
    def batches(self, count: int, seed: int) -> Iterator[np.ndarray]:
        """Yields `count` images as uint8 [n, H, W, 3]. Raises ValueError when there are fewer."""


class GeneratorImages(FakeImages):
    """Images of a generator. Image number i of seed s is that of seed s * 100,000,000 + i, whatever the batches.

    Attributes:
        z_size: Size of the latents.
        labels: Labels of the real images, int32 [M], of which the generated ones are drawn; None for classes that are
            all as likely.
    """

    z_size: int
    labels: np.ndarray | None = None

    def batches(self, count: int, seed: int) -> Iterator[np.ndarray]:
        first = seed * SEEDS_APART
        step = images_in_memory(self.size)
        for start in range(first, first + count, step):
            seeds = np.arange(start, min(start + step, first + count), dtype=np.int64)
            yield rgb(self.images(seeds, self.classes(seeds)))

    def classes(self, seeds: np.ndarray) -> np.ndarray | None:
        """The classes of seeds, int [N], or None for a generator without."""
        if not self.num_classes:
            return None
        if self.labels is None:
            return np.asarray(classes_from_seeds(seeds, self.num_classes))
        return self.labels[np.asarray(classes_from_seeds(seeds, len(self.labels)))]

    def latents(self, seeds: np.ndarray) -> np.ndarray:
        """z of seeds: float32 [N, z_size]."""
        return np.asarray(latents_from_seeds(seeds, self.z_size))

    @abc.abstractmethod
    def images(self, seeds: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
        """Images of seeds and classes [N], not truncated: uint8 [N, H, W, channels]."""

    @abc.abstractmethod
    def map(self, z: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
        """z [N, z_size] and classes [N] to ws [N, num_ws, w_size], not truncated."""

    @abc.abstractmethod
    def synthesize(self, ws: np.ndarray) -> np.ndarray:
        """ws [N, num_ws, w_size] to images with fixed noise, about -1 to 1: float32 [N, H, W, channels]."""


class NetworkImages(GeneratorImages):
    """Images of networks in memory; those of a level that is not the last are enlarged to the full size.

    Args:
        generator: Made in the scope of `strategy`.
        origin: Where the networks come from.
        strategy: Its devices share the work; None for one device.
    """

    def __init__(
        self, generator: GeneratorAtLevel, origin: Origin, strategy: tf.distribute.Strategy | None = None
    ) -> None:
        self._sampler = Sampler(generator, strategy=strategy)
        self.origin = dataclasses.replace(origin, noise="seed")
        self.size = generator.full_size
        self.channels = generator.channels
        self.num_classes = generator.num_classes
        self.z_size = generator.z_size

    def images(self, seeds: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
        return self._enlarged(self._sampler.images(seeds, labels=self._one_hot(classes), noise=seeds))

    def map(self, z: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
        return self._sampler.map(z, self._one_hot(classes))

    def synthesize(self, ws: np.ndarray) -> np.ndarray:
        return self._enlarged(self._sampler.synthesize_float(ws))

    def _one_hot(self, classes: np.ndarray | None) -> np.ndarray | None:
        return None if classes is None else one_hot_labels(classes, self.num_classes)

    def _enlarged(self, images: np.ndarray) -> np.ndarray:
        factor = self.size[0] // images.shape[1]
        return images if factor == 1 else images.repeat(factor, axis=1).repeat(factor, axis=2)


class SetImages(FakeImages):
    """Images that somebody made, read as a set. A seed chooses which of them come first.

    Args:
        image_set: The images.
    """

    def __init__(self, image_set: ImageSet) -> None:
        self._set = image_set
        height, width, self.channels = image_set.image_shape()
        self.size = (height, width)
        self.origin = Origin("images", image_set.name)

    def __len__(self) -> int:
        return len(self._set)

    def batches(self, count: int, seed: int) -> Iterator[np.ndarray]:
        return set_batches(self._set, count, seed)


def set_batches(image_set: ImageSet, count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yields `count` images of a set in a random order that the seed decides: uint8 [n, H, W, 3].

    Raises:
        ValueError: When the set has fewer.
    """
    require(count <= len(image_set), f"there must be at least {count:,} images in {image_set.name}", len(image_set))
    return _read(image_set, count, seed)


def _read(image_set: ImageSet, count: int, seed: int) -> Iterator[np.ndarray]:
    height, width, _ = image_set.image_shape()
    step = images_in_memory((height, width))
    for start in range(0, count, step):
        numbers = np.arange(start, min(start + step, count), dtype=np.int64)
        images, _ = image_set.read(0, draw_indices(seed, numbers, len(image_set)))
        yield rgb(images)


def read_labels(image_set: ImageSet) -> np.ndarray | None:
    """Labels of a set, int32 [N], or None where it has none."""
    if not image_set.label_names:
        return None
    parts: list[Any] = []
    for start in range(0, len(image_set), 4096):
        indices = np.arange(start, min(start + 4096, len(image_set)), dtype=np.int64)
        parts.append(image_set.read(image_set.num_levels - 1, indices)[1])
    return np.concatenate(parts)


def follow_labels(fakes: GeneratorImages, label_names: Sequence[str], reals: ImageSet, *, required: bool) -> str:
    """Lets the classes of generated images follow the labels of the real ones, where both have the same classes.

    Classes that are numbers, on one side, have no names that could differ.

    Args:
        fakes: Its `labels` are set: to class numbers of its own, or to None where all classes are equally likely.
        label_names: Of its classes.
        reals: The real images, whose classes may be in another order.
        required: Whether other classes are an error.

    Returns:
        What the user should know; empty for a generator without classes.

    Raises:
        ValueError: When the real images have other classes, or none, and `required` is set.
    """
    fakes.labels = None
    if not fakes.num_classes:
        return ""
    numbers = [str(number) for number in range(fakes.num_classes)]
    label_names = list(label_names) or numbers  # old exports do not name them
    ours, theirs = [nfc(name) for name in label_names], [nfc(name) for name in reals.label_names]
    same_names = sorted(ours) == sorted(theirs)
    if same_names or (len(theirs) == fakes.num_classes and numbers in (ours, theirs)):
        labels = read_labels(reals)
        order = [ours.index(name) for name in theirs] if same_names and ours != theirs else range(fakes.num_classes)
        fakes.labels = None if labels is None else np.array(order, np.int32)[labels]
        return "; ".join(reals.label_notes)
    described = f"{len(theirs)}, {listed(reals.label_names)}" if theirs else "none"
    expected = f"{fakes.num_classes}, {listed(label_names)}"
    require(
        not required,
        f"the real images must have the classes of the generated ones ({expected}); without "
        "--use_labels, and with --data, all classes are equally likely",
        f"{described} in {reals.name}",
    )
    found = f"other ones: {described}" if theirs else "no labels"
    return f"all classes are equally likely ({expected}), as {reals.name} has {found}"


def rgb(images: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, 1, 3 or 4] as three channels: grey repeated, transparent pixels laid on white."""
    channels = images.shape[-1]
    if channels == 1:
        return np.repeat(images, 3, axis=-1)
    if channels == 4:
        alpha = images[..., 3:].astype(np.float32) / 255.0
        return np.rint(images[..., :3] * alpha + 255.0 * (1.0 - alpha)).astype(np.uint8)
    return images
