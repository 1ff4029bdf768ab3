"""From a configuration to a run that is ready: its data read, its networks built, its batches checked."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from stylegan_tf.augment.base import AnyAugmentation
from stylegan_tf.augment.diffaugment import DiffAugment
from stylegan_tf.augment.pipeline import Augmentation
from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.model_sections import AugmentConfig
from stylegan_tf.configuration.options import WASSERSTEIN_LOSSES
from stylegan_tf.configuration.resolutions import level_size, parse_size
from stylegan_tf.configuration.resolve import ResolvedConfig, ResolvedLoss, resolve
from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.data.advice import repetition_notes, set_notes
from stylegan_tf.data.image_set import ImageSet
from stylegan_tf.data.loading import DataSettings, UnreadImageSet, load_image_set
from stylegan_tf.data.prepared import PreparedImageSet, is_prepared
from stylegan_tf.data.sources.arrays import BUILT_IN, BUILT_IN_SIZE
from stylegan_tf.errors import UserError, require
from stylegan_tf.evaluation.evaluator import Evaluator
from stylegan_tf.losses.objectives import ADVERSARIAL_LOSSES, CriticPenalty, GradientPenalty, Objective, ZeroCentered
from stylegan_tf.pretrained.catalogue import is_published
from stylegan_tf.progress import ProgressLine
from stylegan_tf.runs.dataset_info import DatasetInfo
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training import devices
from stylegan_tf.training.metric_actions import make_evaluator, prepare_instruments
from stylegan_tf.training.published_source import PublishedSource
from stylegan_tf.training.shares import Shares
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.transfer import initialize, read_networks


@dataclasses.dataclass(frozen=True)
class Run:
    """What a configuration becomes before training starts; made by `prepare_run`.

    Attributes:
        config: As it is saved. What it leaves open (`configuration.resolve`) is filled in the state's configuration.
        shares: Of its batches.
        evaluator: Of the metrics; None without.
        start: What was taken from another run's networks.
    """

    config: TrainConfig
    directory: RunDirectory
    dataset: DatasetInfo
    image_set: ImageSet
    evaluator: Evaluator | None
    strategy: tf.distribute.Strategy
    schedule: Schedule
    shares: Shares
    state: TrainState
    augmentation: AnyAugmentation | None
    jit: str
    start: str = ""


def prepare_run(config: TrainConfig, *, dry_run: bool = False) -> Run:
    """Reads the data and builds the state. Raises ValueError when something does not fit.

    Nothing is written, but large sets are prepared into the cache, without `dry_run`.
    """
    augmentation = make_augmentation(config.augment, config.loss.loss)
    strategy = devices.choose_strategy(config.run.num_devices)
    instruments = prepare_instruments(config.run, config.data.cache_dir, strategy)
    image_set = _read_images(config, dry_run)
    height, width, channels = image_set.image_shape()
    config = config.replace(
        {"resolution": str(height) if height == width else f"{height}x{width}", "channels": channels}
    )
    fingerprint = image_set.fingerprint
    if config.data.use_labels and fingerprint:
        fingerprint = f"{fingerprint}-{image_set.labels_fingerprint}"
    dataset = DatasetInfo(
        config.data.data,
        len(image_set),
        (height, width),
        channels,
        fingerprint,
        tuple(image_set.label_names) if config.data.use_labels else (),
    )
    num_levels = config.num_levels_for(dataset.size)
    policy = devices.choose_dtype_policy(config.run.dtype_policy)
    config = config.replace({"dtype_policy": policy})
    directory, replicas = RunDirectory(config.run.run_dir), strategy.num_replicas_in_sync
    directory.check(config, dataset)
    resolved = resolve(config, dataset.size, replicas, directory.read_decisions())
    schedule = Schedule.from_config(resolved, num_levels)
    _check_frozen(resolved, schedule, num_levels, directory)
    shares = Shares.of(resolved, replicas, devices.cores_of_a_device(strategy))
    shares.check(schedule, directory.newest_images_seen())
    source, start = _find_source(config, directory, dry_run)
    with strategy.scope():
        state = TrainState(resolved, num_levels, dataset.num_classes, policy)
        if source:
            start = initialize(state, read_networks(source), dataset.label_names)
    evaluator = make_evaluator(instruments, image_set, strategy)
    return Run(
        config,
        directory,
        dataset,
        image_set,
        evaluator,
        strategy,
        schedule,
        shares,
        state,
        augmentation,
        devices.choose_jit(config.run.jit_compile),
        start,
    )


def _find_source(config: TrainConfig, directory: RunDirectory, dry_run: bool) -> tuple[str, str]:
    """What a new run starts from, if it does, and what a plan says where a dry run leaves that to be prepared."""
    given = config.run.initialize_from
    if not given or directory.newest_checkpoint() is not None:
        return "", ""
    if Path(given).exists() or not is_published(given):
        return given, ""
    published = PublishedSource(given, config.data.cache_dir)
    if dry_run and not published.converted:
        return "", published.describe()
    published.prepare()
    return str(published.run), ""


def _check_frozen(config: ResolvedConfig, schedule: Schedule, num_levels: int, directory: RunDirectory) -> None:
    """Raises UserError when the layers of the critic that should stay are not there, or nothing is."""
    count = config.optimizer.freeze_critic
    if not count:
        return
    require(
        count < num_levels,
        f"freeze_critic must be below {num_levels}, the number of resolutions, since the smallest one always trains",
        count,
    )
    first, last = schedule.periods[0].size, level_size(config.base_size, num_levels - 1)
    require(
        first == last,
        f"freeze_critic needs a run that starts at its last resolution; add --start_resolution={min(last)}",
        f"start_resolution={config.schedule.start_resolution}",
    )
    require(
        bool(config.run.initialize_from) or directory.newest_checkpoint() is not None,
        "freeze_critic keeps what a critic has learned; give its run with --initialize_from",
        "none",
    )


def _read_images(config: TrainConfig, dry_run: bool) -> ImageSet:
    data = config.data
    size = parse_size(data.resolution, "resolution") if data.resolution else None
    if size is not None:
        config.num_levels_for(size)
        require(
            data.data != BUILT_IN or max(size) <= BUILT_IN_SIZE,
            f"the built-in portraits are {BUILT_IN_SIZE}x{BUILT_IN_SIZE}; give larger images with --data",
            f"resolution={size[0]}x{size[1]}",
        )
    settings = DataSettings(
        data.data,
        size,
        config.base_size,
        data.channels,
        data.use_labels,
        data.crop,
        data.background,
        data.on_error,
        data.cache_dir,
    )
    with ProgressLine("Reading the data") as progress:
        image_set = load_image_set(settings, prepare_large=not dry_run, progress=progress, with_notes=True)
    if isinstance(image_set, UnreadImageSet):
        print(f"{data.data} is not prepared yet; training would prepare it in {image_set.directory}")
    elif isinstance(image_set, PreparedImageSet) and not is_prepared(data.data):
        print(f"{data.data} is prepared in {image_set.directory}")
    return image_set


def data_notes(run: Run) -> tuple[str, ...]:
    """What a plan says of the pictures besides their number and size."""
    image_set, config = run.image_set, run.config
    unaugmented = config.augment.augment == "off"
    return (
        *image_set.form_notes,
        *(note.removesuffix(".") for note in image_set.label_notes if config.data.use_labels),
        *(set_notes(image_set) if not isinstance(image_set, UnreadImageSet) else ()),
        *(repetition_notes(len(image_set), config.data.mirror, run.schedule.total_images) if unaugmented else ()),
    )


def make_objective(loss: ResolvedLoss, over_kimg: Mapping[str, tf.Variable] = types.MappingProxyType({})) -> Objective:
    """The losses of settings with nothing left open.

    Args:
        loss: The settings.
        over_kimg: Variables of those that are tables over kimg, by name.
    """

    def weight(name: str) -> Any:
        return over_kimg.get(name, getattr(loss, name))

    penalty: CriticPenalty = ZeroCentered(weight("r1_gamma"), weight("r2_gamma"))
    if loss.loss == "wgan-gp":
        penalty = GradientPenalty(weight("gradient_penalty_weight"), loss.gradient_penalty_target)
    drift = loss.drift_weight if loss.loss in WASSERSTEIN_LOSSES else 0.0
    return Objective(ADVERSARIAL_LOSSES[loss.loss], penalty, drift, loss.label_loss_weight)


def make_augmentation(augment: AugmentConfig, loss: str) -> AnyAugmentation | None:
    """The augmentation of settings, or None.

    Args:
        augment: The settings.
        loss: Beside them.

    Raises:
        ValueError: For unknown transforms, or when its strength should follow signs that the loss does not give.
    """
    if augment.augment == "off":
        return None
    telling = [name for name, known in ADVERSARIAL_LOSSES.items() if known.sign_tells_reals]
    require(
        augment.augment != "adaptive" or loss in telling,
        f"augment=adaptive reads the sign of scores, which goes with loss={' or '.join(telling)}; choose one, or "
        "--augment=fixed",
        f"loss={loss}",
    )
    name = "diffaugment_transforms" if augment.augment == "diffaugment" else "augment_transforms"
    made = DiffAugment if augment.augment == "diffaugment" else Augmentation
    try:
        return made.from_groups(getattr(augment, name))
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error
