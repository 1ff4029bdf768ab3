"""Features of many images: statistics that take no more memory for more images, and features themselves on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from stylegan_tf.batches import BatchFunction
from stylegan_tf.errors import UserError
from stylegan_tf.features.base import FeatureNetwork
from stylegan_tf.metrics.frechet_distance import RunningStatistics

BATCH_SIZE = 48  # see `BatchFunction`
_ROWS_AT_ONCE = 1024

_STATISTICS = "statistics.npz"
_KINDS = ("features", "logits")


@dataclasses.dataclass(frozen=True)
class FeatureSet:
    """What a network made of a set of images.

    Attributes:
        halves: Statistics of every other image, and of the rest.
        features: float32 [N, d], on disk; None where only statistics were asked for.
        logits: float32 [N, classes], on disk; likewise.
    """

    halves: tuple[RunningStatistics, RunningStatistics]
    features: np.ndarray | None = None
    logits: np.ndarray | None = None

    @property
    def count(self) -> int:
        """Number of images."""
        return self.halves[0].count + self.halves[1].count

    @property
    def statistics(self) -> RunningStatistics:
        """Statistics of all images."""
        return self.halves[0].merge(self.halves[1])

    def probabilities(self) -> Iterator[np.ndarray]:
        """Yields float64 [n, classes], some images at a time. Raises ValueError for a set without logits."""
        if self.logits is None:
            raise UserError("probabilities need the logits of a classifier. Received: features only.")
        for start in range(0, len(self.logits), _ROWS_AT_ONCE):
            logits = np.asarray(self.logits[start : start + _ROWS_AT_ONCE], np.float64)
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            yield powers / powers.sum(axis=1, keepdims=True)

    def split(self) -> tuple[FeatureSet, FeatureSet]:
        """Two sets of every other image: what comes of comparing real images with real images."""
        first, second = (
            FeatureSet(
                (half, RunningStatistics.empty(len(half.mean))),
                None if self.features is None else self.features[index::2],
                None if self.logits is None else self.logits[index::2],
            )
            for index, half in enumerate(self.halves)
        )
        return first, second


class _Half:
    """Statistics that are taken of whole blocks of rows, however these come: so no rounding depends on batches."""

    def __init__(self, feature_count: int) -> None:
        self.statistics = RunningStatistics.empty(feature_count)
        self._block = np.empty([_ROWS_AT_ONCE, feature_count], np.float32)
        self._filled = 0

    def add(self, features: np.ndarray) -> None:
        while len(features):
            part = features[: len(self._block) - self._filled]
            self._block[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            features = features[len(part) :]
            if self._filled == len(self._block):
                self.flush()

    def flush(self) -> None:
        self.statistics.add(self._block[: self._filled])
        self._filled = 0


class FeatureWriter:
    """Takes images batch by batch, and keeps what their features come to in a directory.

    Args:
        network: Made in the scope of `strategy`.
        count: Number of images that will come; further ones are left out.
        directory: An empty one.
        keep: Which of "features" and "logits" to write, besides the statistics.
        strategy: Its devices share the images; None for one device.
        batch_size: Images that a device takes at a time.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        count: int,
        directory: Path,
        keep: Iterable[str] = (),
        strategy: tf.distribute.Strategy | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        self.count, self.directory = count, directory
        self._network = network
        self._done = 0
        self._halves = (_Half(network.feature_count), _Half(network.feature_count))
        sizes = {"features": network.feature_count, "logits": len(network.class_names)}
        self._files = {kind: directory / f"{kind}.npy" for kind in keep}
        for kind, path in self._files.items():
            with path.open("wb") as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": (count, sizes[kind])}
                np.lib.format.write_array_header_1_0(file, header)
        self._compute = BatchFunction(self._outputs, batch_size, strategy)

    def add(self, images: np.ndarray, progress: Callable[[int, int], None] | None = None) -> None:
        """Takes images.

        Args:
            images: uint8 [n, H, W, 3].
            progress: Called with the numbers of images that are done and of all, after each batch.
        """
        images = images[: self.count - self._done]
        if not len(images):
            return
        for outputs in self._compute(images):
            self._take(outputs)
            if progress is not None:
                progress(self._done, self.count)

    def close(self) -> FeatureSet:
        """Writes what remains. Raises ValueError when images are missing."""
        if self._done != self.count:
            raise UserError(f"there must be {self.count} images. Received: {self._done}.")
        arrays: dict[str, Any] = {}
        for index, half in enumerate(self._halves):
            half.flush()
            values = half.statistics
            arrays |= {f"count_{index}": values.count, f"mean_{index}": values.mean, f"scatter_{index}": values.scatter}
        np.savez(self.directory / _STATISTICS, **arrays)
        return read_feature_set(self.directory)

    def _outputs(self, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        features, logits = self._network.compute(images)
        return (features, logits) if "logits" in self._files and logits is not None else (features,)

    def _take(self, outputs: tuple[np.ndarray, ...]) -> None:
        features, *logits = outputs
        first = self._done % 2
        self._halves[first].add(features[0::2])
        self._halves[1 - first].add(features[1::2])
        if "features" in self._files:
            _append(self._files["features"], features)
        if logits:
            _append(self._files["logits"], logits[0])
        self._done += len(features)


def _append(path: Path, rows: np.ndarray) -> None:
    """Adds rows to a file. Not through a map of it: where a disk is full, that ends the process without a word."""
    with path.open("ab") as file:
        file.write(rows.astype("<f4").tobytes())


def read_feature_set(directory: Path) -> FeatureSet:
    """What a `FeatureWriter` left in a directory."""
    with np.load(directory / _STATISTICS) as arrays:
        halves = [
            RunningStatistics(int(arrays[f"count_{index}"]), arrays[f"mean_{index}"], arrays[f"scatter_{index}"])
            for index in (0, 1)
        ]
    kept = {
        kind: np.load(directory / f"{kind}.npy", mmap_mode="r")
        for kind in _KINDS
        if (directory / f"{kind}.npy").exists()
    }
    return FeatureSet((halves[0], halves[1]), **kept)
