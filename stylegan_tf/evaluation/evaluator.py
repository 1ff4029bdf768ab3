"""Measuring images by protocols: every image is made once and shown to all networks that want it."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from stylegan_tf.data.image_set import ImageSet
from stylegan_tf.errors import UserError, require
from stylegan_tf.evaluation import generator_measures, measures, pixel_measures
from stylegan_tf.evaluation.extraction import FeatureSet, FeatureWriter
from stylegan_tf.evaluation.generated import FakeImages, GeneratorImages, SetImages
from stylegan_tf.evaluation.reals import real_features
from stylegan_tf.evaluation.results import Result
from stylegan_tf.features.base import FeatureNetwork
from stylegan_tf.files import work_folder
from stylegan_tf.metrics.protocols import Protocol
from stylegan_tf.metrics.sliced_wasserstein import SMALLEST_LEVEL
from stylegan_tf.progress import ProgressLine, doing
from stylegan_tf.version import __version__

_GENERATOR_MEASURES = {
    "path_length": generator_measures.path_length,
    "separability": generator_measures.measure_separability,
}


class Evaluator:
    """Measures any number of generators against one set of real images.

    Args:
        protocols: What is measured.
        reals: The real images, of the size of the generated ones; None where no protocol needs them.
        networks: Feature networks by name, made in the scope of `strategy`, one for each that the protocols name.
        cache: Directory of what was worked out about real images.
        strategy: Its devices share the work; None for one device.
        seed: Of the generated images.
        quiet: Whether nothing is printed; it may be changed later.

    Raises:
        ValueError: When the real images are missing, or too few.
    """

    def __init__(
        self,
        protocols: Sequence[Protocol],
        reals: ImageSet | None,
        networks: Mapping[str, FeatureNetwork],
        cache: Path,
        *,
        strategy: tf.distribute.Strategy | None = None,
        seed: int = 0,
        quiet: bool = False,
    ) -> None:
        self.protocols, self.reals, self.networks = list(protocols), reals, dict(networks)
        self.cache, self.strategy, self.seed, self.quiet = cache, strategy, seed, quiet
        self.check_stop: Callable[[], None] = lambda: None  # asked after every batch; may raise
        self._real_sets: dict[tuple[str, int], FeatureSet] = {}
        self._floors: dict[str, dict[str, float]] = {}
        for protocol in self.protocols:
            check_reals(protocol, None if reals is None else len(reals))
            if reals is not None:
                check_size(protocol, reals.sizes[0])

    @property
    def feature_counts(self) -> dict[str, int]:
        """How many features the networks have, by name."""
        return {name: network.feature_count for name, network in self.networks.items()}

    def evaluate(self, fakes: FakeImages) -> list[Result]:
        """Measures images by every protocol.

        Raises:
            ValueError: When they do not fit a protocol: too few, of another size than the real ones, or no generator
                where one is needed.
        """
        protocols = [protocol.with_fakes(self._fakes_there_are(fakes)) for protocol in self.protocols]
        for protocol in protocols:
            check_fakes(protocol, fakes)
        if self.reals is not None:
            height, width, _ = self.reals.image_shape()
            require(
                (height, width) == tuple(fakes.size),
                f"real images must have the size of the others, {fakes.size}",
                (height, width),
            )
        with work_folder() as directory:
            passed = _Pass(self, protocols, fakes, directory)
            passed.run()
            return [self._result(protocol, fakes, passed) for protocol in protocols]

    def _fakes_there_are(self, fakes: FakeImages) -> int:
        """All images of a folder; of a generator, which has no end, as many as real ones."""
        return len(fakes) if isinstance(fakes, SetImages) else len(self.reals or ())

    def _result(self, protocol: Protocol, fakes: FakeImages, passed: _Pass) -> Result:
        started = time.monotonic()
        values = self._values(protocol, fakes, passed)
        if protocol.name not in self._floors:
            self._floors[protocol.name] = self._floor(protocol)
        network = self.networks.get(protocol.network)
        height, width = fakes.size
        reals = None if protocol.reals == 0 else self.reals
        return Result(
            protocol=protocol.name,
            values=values,
            floor=self._floors[protocol.name],
            lower_is_better=protocol.lower_is_better,
            network=protocol.network,
            network_sha256="" if network is None else network.checksum,
            fakes=protocol.fakes,
            reals=0 if reals is None else count_reals(protocol, len(reals)),
            seed=self.seed,
            noise="fixed" if protocol.metric == "path_length" else fakes.origin.noise,
            source=fakes.origin.kind,
            path=fakes.origin.path,
            images_seen=fakes.origin.images_seen,
            image_size=f"{height}x{width}",
            data="" if self.reals is None else self.reals.name,
            data_fingerprint="" if self.reals is None else self.reals.fingerprint,
            seconds=round(time.monotonic() - started + passed.take_seconds(protocol), 1),
            version=__version__,
            measured_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            average=fakes.origin.average,
        )

    def _values(self, protocol: Protocol, fakes: FakeImages, passed: _Pass) -> dict[str, float]:
        if protocol.needs_generator:
            if not isinstance(fakes, GeneratorImages):
                raise TypeError("checked before")
            with self.progress(protocol.name) as progress:
                return _GENERATOR_MEASURES[protocol.metric](
                    protocol, fakes, self.networks[protocol.network], self.seed, self.strategy, progress
                )
        if protocol.network:
            reals = self._real_set(protocol)
            with self._told(protocol.name):
                return measures.measure_features(protocol, reals, passed.features(protocol))
        with self.progress(protocol.name) as progress:
            images = _counted(fakes.batches(protocol.fakes, self.seed), protocol.fakes, progress)
            return pixel_measures.measure_pixels(protocol, self.reals, images, self.seed)

    def _floor(self, protocol: Protocol) -> dict[str, float]:
        if self.reals is None or protocol.needs_generator or len(self.reals) < 2 * _least(protocol):
            return {}
        if protocol.network:
            reals = self._real_set(protocol)
            with self._told(f"{protocol.name} of the real images"):
                return measures.feature_floor(protocol, reals)
        return pixel_measures.pixel_floor(protocol, self.reals, self.seed)

    def _real_set(self, protocol: Protocol) -> FeatureSet | None:
        if self.reals is None:
            return None
        count = count_reals(protocol, len(self.reals))
        key = (protocol.network, count)
        needed = measures.kept_for(other for other in self.protocols if other.network == protocol.network)
        if key not in self._real_sets:
            with self.progress(f"{protocol.network} of the real images") as progress:
                self._real_sets[key] = real_features(
                    self.reals,
                    self.networks[protocol.network],
                    count,
                    needed,
                    self.cache,
                    strategy=self.strategy,
                    progress=progress,
                )
        return self._real_sets[key]

    @contextlib.contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """What is told how far it is: a bar of a terminal, unless this is quiet, and `check_stop`."""
        with contextlib.nullcontext() if self.quiet else ProgressLine(what, "images") as line:

            def tell(done: int, total: int) -> None:
                self.check_stop()
                if line is not None:
                    line(done, total)

            yield tell

    def _told(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Around work that takes long and has no number."""
        return contextlib.nullcontext() if self.quiet else doing(f"Working out {what}")


class _Pass:
    """One pass over the generated images, which all feature networks see.

    Args:
        evaluator: Tells the networks.
        protocols: Of which the numbers of images are known.
        fakes: The images.
        directory: For features, an empty one.
    """

    def __init__(self, evaluator: Evaluator, protocols: Sequence[Protocol], fakes: FakeImages, directory: Path) -> None:
        self._evaluator, self._fakes = evaluator, fakes
        self._writers: dict[tuple[str, int], FeatureWriter] = {}
        self._sets: dict[tuple[str, int], FeatureSet] = {}
        self._seconds: dict[tuple[str, int], float] = {}
        protocols = [protocol for protocol in protocols if protocol.metric in measures.KEEPS]
        for key in dict.fromkeys(map(_key, protocols)):
            network, count = key
            place = directory / f"{network}-{count}"
            place.mkdir()
            kept = measures.kept_for(protocol for protocol in protocols if _key(protocol) == key)
            self._writers[key] = FeatureWriter(evaluator.networks[network], count, place, kept, evaluator.strategy)

    def run(self) -> None:
        """Makes the images."""
        if not self._writers:
            return
        total = max(count for _, count in self._writers)
        started = time.monotonic()
        seconds = dict.fromkeys(self._writers, 0.0)
        with self._evaluator.progress("Generated images") as progress:
            for images in _counted(self._fakes.batches(total, self._evaluator.seed), total, progress):
                for key, writer in self._writers.items():
                    before = time.monotonic()
                    writer.add(images)
                    seconds[key] += time.monotonic() - before
        self._sets = {key: writer.close() for key, writer in self._writers.items()}
        making = time.monotonic() - started - sum(seconds.values())
        self._seconds = {key: spent + making for key, spent in seconds.items()}

    def features(self, protocol: Protocol) -> FeatureSet:
        """Of the generated images."""
        return self._sets[_key(protocol)]

    def take_seconds(self, protocol: Protocol) -> float:
        """Seconds that went into a protocol's features, given to the first that asks."""
        return self._seconds.pop(_key(protocol), 0.0)


def _counted(
    batches: Iterable[np.ndarray], total: int, progress: Callable[[int, int], None] | None
) -> Iterator[np.ndarray]:
    done = 0
    for images in batches:
        yield images
        done += len(images)
        if progress is not None:
            progress(done, total)


def _key(protocol: Protocol) -> tuple[str, int]:
    return protocol.network, protocol.fakes


def count_reals(protocol: Protocol, available: int) -> int:
    """How many real images take part; for scores of single sets, in the floor."""
    if protocol.reals is None:
        return available
    return min(protocol.reals or protocol.fakes, available)


def check_reals(protocol: Protocol, available: int | None) -> None:
    """Raises ValueError when a protocol's real images are missing or too few."""
    if protocol.reals == 0:
        return
    if available is None:
        raise UserError(f"{protocol.name} compares with real images; give them with --data. Received: none.")
    exact = protocol.reals is not None and not protocol.fewer_reals
    if exact and available < (protocol.reals or 0):
        raise UserError(
            f"{protocol.name} needs {protocol.reals:,} real images; a protocol whose name has _full takes all there "
            f"are. Received: {available:,}."
        )
    least = max(4, _least(protocol))
    require(available >= least, f"{protocol.name} needs {least} real images or more", available)


def _least(protocol: Protocol) -> int:
    """The images of one side without which a metric says nothing."""
    neighbours = protocol.options.get("neighbours", 1)
    return max(2, int(neighbours) + 1, int(protocol.options.get("splits", 0)))


def check_size(protocol: Protocol, size: tuple[int, int]) -> None:
    """Raises UserError for images that are too small for a protocol."""
    if protocol.metric in ("ms_ssim", "sliced_wasserstein"):
        require(
            min(size) >= SMALLEST_LEVEL, f"{protocol.name} needs images of {SMALLEST_LEVEL} pixels a side or more", size
        )


def check_fakes(protocol: Protocol, fakes: FakeImages) -> None:
    """Raises ValueError when images do not fit a protocol."""
    least = _least(protocol)
    require(protocol.fakes >= least, f"{protocol.name} needs {least} generated images or more", protocol.fakes)
    if isinstance(fakes, GeneratorImages):
        return
    wanted = f"{protocol.name} needs a generator; give --run_dir or --export"
    require(not protocol.needs_generator, wanted, fakes.origin.path)
    if isinstance(fakes, SetImages) and len(fakes) < protocol.fakes:
        raise UserError(
            f"{protocol.name} measures {protocol.fakes:,} generated images; choose a protocol for fewer, or make more. "
            f"Received: {len(fakes):,} in {fakes.origin.path}."
        )
