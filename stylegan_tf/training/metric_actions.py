"""Measuring during training: results beside the run, curves in TensorBoard, and the best state kept."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import tensorflow as tf

from stylegan_tf.configuration.sections import RunConfig
from stylegan_tf.data.image_set import ImageSet
from stylegan_tf.data.loading import cache_folder
from stylegan_tf.evaluation.evaluator import Evaluator
from stylegan_tf.evaluation.generated import NetworkImages, Origin, read_labels
from stylegan_tf.evaluation.networks import build_networks, parse_weights
from stylegan_tf.evaluation.results import Result, append_results, best, notes, number, read_results
from stylegan_tf.features.base import FeatureNetwork
from stylegan_tf.metrics.protocols import Protocol, parse_protocols
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.runs.checkpoints import CheckpointFolder
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.actions import IntervalAction, LoopState
from stylegan_tf.training.checkpoint_actions import save_sound
from stylegan_tf.training.devices import rounding_allowed
from stylegan_tf.training.loop import BrokenOffError, StopRequest
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.summaries import metric_curve


@dataclasses.dataclass(frozen=True)
class Instruments:
    """What a run wants measured, the networks for it, by name, and where downloads and what is known of reals lie."""

    protocols: list[Protocol]
    networks: Mapping[str, FeatureNetwork]
    cache: Path


def prepare_instruments(settings: RunConfig, cache_dir: str, strategy: tf.distribute.Strategy) -> Instruments | None:
    """Finds protocols and feature networks before anything else is done; None without protocols.

    Raises:
        ValueError, ImportError: For an unknown protocol, or a network that cannot be had.
    """
    protocols = parse_protocols(settings.metrics.split(","))
    weights = parse_weights(settings.metrics_weights.split(","))
    if not protocols:  # and no cache, which a machine need not have
        return None
    cache = cache_folder(cache_dir)
    with strategy.scope():
        return Instruments(protocols, build_networks(protocols, weights, cache), cache)


def make_evaluator(
    instruments: Instruments | None, image_set: ImageSet, strategy: tf.distribute.Strategy
) -> Evaluator | None:
    """What measures during training, or None. Raises ValueError when the images are too few for a protocol."""
    if instruments is None:
        return None
    cache = instruments.cache / "metrics"
    return Evaluator(instruments.protocols, image_set, instruments.networks, cache, strategy=strategy, quiet=True)


class Metrics(IntervalAction):
    """Measures the averaged generator as it is, and saves the state whenever the first metric is the best so far.

    Args:
        interval_kimg: From one measurement to the next.
        evaluator: Measures; its reals are those of the run.
        state: What is measured and saved.
        directory: Where results and the best state go.
        writer: The summary writer.
        log: Writes a line to the log.
        stop: Breaks a measurement off, between two batches; None never does.

    Attributes:
        scores: What the first metric gave, in this process and in those before.
        best: The best of them that is kept; None without.
    """

    def __init__(
        self,
        interval_kimg: float,
        evaluator: Evaluator,
        state: TrainState,
        directory: RunDirectory,
        writer: tf.summary.SummaryWriter,
        log: Callable[[str], None],
        stop: StopRequest | None = None,
    ) -> None:
        super().__init__(interval_kimg)
        self.stop = stop or StopRequest()
        evaluator.check_stop = self.stop.check
        self.evaluator, self.state, self.directory, self.writer, self.log = evaluator, state, directory, writer, log
        self.folder = CheckpointFolder(directory.best)
        kept = self.folder.numbers()[-1:]
        self._kept_number = next((number for number in kept if not self.folder.damage(number)), None)
        self.first = evaluator.protocols[0].name
        earlier = read_results(directory.results_file) if directory.results_file.exists() else []
        self._earlier = [one for one in earlier if self._is_ours(one)]
        self.scores = [one for one in self._earlier if one.protocol == self.first]
        self.best = best((one for one in self.scores if one.images_seen == self._kept_number), self.first)
        conditional = state.generator_ema.mapping.num_classes > 0
        self._labels = read_labels(evaluator.reals) if conditional and evaluator.reals is not None else None
        self._descriptions = {metric_curve(one): _describe_protocol(one) for one in evaluator.protocols}
        self._fakes: dict[tuple[int, float], NetworkImages] = {}
        self._told: set[str] = set()

    def _is_ours(self, result: Result) -> bool:
        """Whether a result was measured as here: the file holds other evaluations too."""
        evaluator = self.evaluator
        network = evaluator.networks.get(result.network)
        return (
            result.source == "run"
            and result.images_seen is not None
            and result.seed == evaluator.seed
            and evaluator.reals is not None
            and result.data_fingerprint == evaluator.reals.fingerprint
            and result.network_sha256 == ("" if network is None else network.checksum)
        )

    def tell_measured(self, images_seen: int) -> bool:
        """Whether an earlier process measured a state by every protocol; what it found is written to the log then."""
        found = {one.protocol: one for one in self._earlier if one.images_seen == images_seen}
        names = [protocol.name for protocol in self.evaluator.protocols]
        if not found.keys() >= set(names):
            return False
        self.log("Measured before: " + " | ".join(_describe_result(found[name]) for name in names))
        return True

    def run(self, loop: LoopState) -> None:
        """Measures; of a measurement that is broken off nothing is kept."""
        with contextlib.suppress(BrokenOffError):
            super().run(loop)

    def finish(self, loop: LoopState) -> None:
        """Measures the end, if it is that of the schedule: whoever stops a run does not wait for it."""
        if self.stop.signal is None:
            super().finish(loop)

    def _work(self, loop: LoopState) -> None:
        loop.statistics.newest()  # raises before anything unsound is measured or saved
        with rounding_allowed(False):
            results = self.evaluator.evaluate(self._images(loop))
        append_results(self.directory.results_file, results)
        self.scores.append(results[0])
        with self.writer.as_default(step=loop.images_seen):
            for name, value in curves(results).items():
                tf.summary.scalar(name, value, description=self._descriptions.get(name))
        self.writer.flush()
        self.log(f"kimg {loop.images_seen / 1000:g} | " + " | ".join(map(_describe_result, results)))
        for note in notes(results, self.evaluator.feature_counts):
            if note not in self._told:
                self._told.add(note)
                self.log(note)
        self._keep_if_best(results[0], loop)

    def _images(self, loop: LoopState) -> NetworkImages:
        """The images of this stage; those of the stage before are forgotten, with what was compiled for them."""
        stage = loop.schedule.at(loop.images_seen)  # as whoever reads the checkpoint of this moment finds it
        key = (stage.level, stage.fade_in)
        origin = Origin("run", str(self.directory.path), loop.images_seen)
        if key not in self._fakes:
            fade_in = stage.fade_in if stage.fade_in < 1.0 else None
            generator = GeneratorAtLevel(self.state.generator_ema, stage.level, fade_in)
            fakes = NetworkImages(generator, origin, self.evaluator.strategy)
            fakes.labels = self._labels
            self._fakes = {key: fakes}
        self._fakes[key].origin = dataclasses.replace(origin, noise="seed")
        return self._fakes[key]

    def _keep_if_best(self, result: Result, loop: LoopState) -> None:
        if self.best is not None and not result.better_than(self.best):
            return
        save_sound(loop, self.folder, keep=1)
        self.best = result
        self._kept_number = loop.images_seen

    def describe_best(self) -> str:
        """Where the best state lies, and how good it is; empty when nothing was measured."""
        if self.best is None or self._kept_number is None:
            return ""
        kimg = self._kept_number / 1000
        return f"{self.folder.prefix(self._kept_number)}, {_describe_result(self.best)} at {kimg:g} kimg"


def curves(results: list[Result]) -> Mapping[str, float]:
    """Names of TensorBoard's curves and their values."""
    return {
        f"metrics/{result.protocol}" + (f"/{name}" if len(result.values) > 1 else ""): value
        for result in results
        for name, value in result.values.items()
    }


def _describe_protocol(protocol: Protocol) -> str:
    better = {True: " Lower is better.", False: " Higher is better.", None: ""}[protocol.lower_is_better]
    return f"{protocol.meaning.rstrip('.')}.{better}"


def _describe_result(result: Result) -> str:
    values = ", ".join(
        f"{name.replace('_', ' ')} {number(value)}" if len(result.values) > 1 else number(value)
        for name, value in result.values.items()
    )
    return f"{result.protocol} {values}"
