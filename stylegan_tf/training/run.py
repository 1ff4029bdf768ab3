"""A whole run, from a configuration to a finished run directory."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import signal
import sys

import tensorflow as tf

from stylegan_tf.augment.pipeline import Augmentation
from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.resolutions import parse_size
from stylegan_tf.configuration.resolve import ResolvedConfig, resolve
from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.configuration.sections import parse_profile_steps
from stylegan_tf.data.image_set import ImageSet
from stylegan_tf.data.loading import DataSettings, UnreadImageSet, load_image_set
from stylegan_tf.data.pipeline import ImagePipeline
from stylegan_tf.data.prepared import PreparedImageSet, is_prepared
from stylegan_tf.data.sources.arrays import BUILT_IN, BUILT_IN_SIZE
from stylegan_tf.errors import UserError, require
from stylegan_tf.evaluation.evaluator import Evaluator
from stylegan_tf.files import DiskError
from stylegan_tf.images import save_png
from stylegan_tf.losses.objectives import ADVERSARIAL_LOSSES, R1, CriticPenalty, GradientPenalty, Objective
from stylegan_tf.printing import printable
from stylegan_tf.progress import ProgressLine, is_live
from stylegan_tf.training import devices
from stylegan_tf.training.actions import (
    Action,
    Progress,
    SampleGrid,
    StatusLine,
    TensorBoardScalars,
    readable_grid,
    write_progress_animation,
)
from stylegan_tf.training.augmentation_actions import AugmentationControl, AugmentedReals
from stylegan_tf.training.batch_checks import check_batches, images_at_once
from stylegan_tf.training.checkpoint_actions import Checkpoints
from stylegan_tf.training.checkpoints import tell_passed_over
from stylegan_tf.training.ending import summary, tell_stop
from stylegan_tf.training.gpu_diagnosis import missing_gpu
from stylegan_tf.training.log import Logger
from stylegan_tf.training.loop import Breakable, StopRequest, stop_on_signals, train
from stylegan_tf.training.memory import FullMemoryError, advice_when_full, plan_memory, warning_before
from stylegan_tf.training.metric_actions import Metrics, make_evaluator, prepare_instruments
from stylegan_tf.training.plan import describe_plan
from stylegan_tf.training.profile import Profile
from stylegan_tf.training.run_directory import DatasetInfo, RunDirectory
from stylegan_tf.training.soundness import advice_after_breakdown
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.statistics import NonFiniteError
from stylegan_tf.training.steps import TrainingStep
from stylegan_tf.training.summaries import write_start
from stylegan_tf.training.transfer import initialize, read_networks

GRID_IMAGES = 64


@dataclasses.dataclass(frozen=True)
class Run:
    """What a configuration becomes before training starts; made by `prepare_run`.

    Attributes:
      config: as it is saved. What it leaves open (`configuration.resolve`) is filled in the state's configuration.
      evaluator: of the metrics; None without.
      start: what was taken from another run's networks.
    """

    config: TrainConfig
    directory: RunDirectory
    dataset: DatasetInfo
    image_set: ImageSet
    evaluator: Evaluator | None
    num_levels: int
    strategy: tf.distribute.Strategy
    schedule: Schedule
    state: TrainState
    augmentation: Augmentation | None
    jit: str
    start: str = ""


def run_training(config: TrainConfig, *, dry_run: bool = False) -> int:
    """Trains as configured, resuming what the run directory holds.

    Args:
      config: validated.
      dry_run: print the plan and write nothing.

    Returns:
      The process's exit code: 0, or 128 + the signal's number when it was stopped by one.

    Raises:
      ValueError: for what a user can mend: data, sizes, directories.
      NonFiniteError, FullMemoryError: when training broke down; the message says from where to go on.
    """
    # Grappler's remapper fails on the second-order gradients of a biased leaky ReLU, with a page of warnings.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    warning = missing_gpu()
    if warning:
        warning = f"WARNING: training on the CPU, no GPU is used: {warning}."
        print(warning, file=sys.stderr, flush=True)
    directory = RunDirectory(config.run.run_dir)
    if not dry_run:
        directory.check_free()
    run = prepare_run(config, dry_run=dry_run)
    with contextlib.nullcontext() if dry_run else directory.locked():
        checkpoints = Checkpoints(run.state, directory, run.config)
        with run.strategy.scope():
            images_seen = checkpoints.restore()
            if config.augment.augment == "fixed":  # where an adaptive strength went on before, in a converted run
                run.state.augment_p.assign(config.augment.augment_p)
        memory, too_much = _plan_memory(run, images_seen)
        if too_much:
            print(too_much, file=sys.stderr, flush=True)
        notes = [warning, tell_passed_over(checkpoints.newest), too_much]
        plan = describe_plan(
            run.state, run.schedule, run.dataset, directory, devices.describe_devices(run.strategy), run.jit,
            run.image_set.ignored, memory, run.strategy.num_replicas_in_sync,
        )
        plan = f"{plan}\n{run.start}" if run.start else plan
        print(plan, flush=True)
        if dry_run:
            return 0
        directory.prepare(run.config, run.state.config, run.dataset)
        log = Logger(directory)
        log.to_file("\n".join([*filter(None, notes), plan]))
        return _train(run, log, plan, checkpoints, images_seen)


def _plan_memory(run: Run, images_seen: int) -> tuple[str, str]:
    """What the largest step to come needs, and a warning where that is too much; nothing for a finished run."""
    if images_seen >= run.schedule.total_images:
        return "", ""
    config, replicas = run.state.config, run.strategy.num_replicas_in_sync
    on_gpu, total = bool(tf.config.list_physical_devices("GPU")), devices.memory_total(replicas)
    plan = plan_memory(run.state, run.schedule, replicas, images_seen, total, on_gpu, config)
    return str(plan), warning_before(plan, run.state, config, run.schedule, replicas, images_seen)


def prepare_run(config: TrainConfig, *, dry_run: bool = False) -> Run:
    """Reads the data and builds the state. Raises ValueError when something does not fit.

    Nothing is written, but large sets are prepared into the cache, without `dry_run`.
    """
    augmentation = make_augmentation(config)
    strategy = devices.choose_strategy(config.run.num_devices)
    instruments = prepare_instruments(config, strategy)
    image_set = _read_images(config, dry_run)
    height, width, channels = image_set.image_shape()
    config = config.replace({
        "resolution": str(height) if height == width else f"{height}x{width}", "channels": channels,
    })
    fingerprint = image_set.fingerprint
    if config.data.use_labels and fingerprint:
        fingerprint = f"{fingerprint}-{image_set.labels_fingerprint}"
    dataset = DatasetInfo(
        config.data.data, len(image_set), (height, width), channels, fingerprint,
        tuple(image_set.label_names) if config.data.use_labels else (),
    )
    num_levels = config.num_levels_for(dataset.size)
    policy = devices.choose_dtype_policy(config.run.dtype_policy)
    config = config.replace({"dtype_policy": policy})
    directory, replicas = RunDirectory(config.run.run_dir), strategy.num_replicas_in_sync
    directory.check(config, dataset)
    resolved = resolve(config, dataset.size, replicas, directory.read_decisions())
    schedule = Schedule.from_config(resolved, num_levels)
    check_batches(resolved, schedule, replicas, directory.newest_images_seen())
    start = ""
    with strategy.scope():
        state = TrainState(resolved, num_levels, dataset.num_classes, policy)
        if config.run.initialize_from and directory.newest_checkpoint() is None:
            start = initialize(state, read_networks(config.run.initialize_from), dataset.label_names)
    evaluator = make_evaluator(config, instruments, image_set, strategy)
    return Run(
        config, directory, dataset, image_set, evaluator, num_levels, strategy, schedule, state,
        augmentation, devices.choose_jit(config.run.jit_compile), start,
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
        data.data, size, config.base_size, data.channels, data.use_labels, data.crop, data.background, data.on_error,
        data.cache_dir,
    )
    with ProgressLine("Reading the data") as progress:
        image_set = load_image_set(settings, prepare_large=not dry_run, progress=progress)
    for note in image_set.label_notes if data.use_labels else ():
        print(f"train: note: {printable(note).removesuffix('.')}.", file=sys.stderr, flush=True)
    if isinstance(image_set, UnreadImageSet):
        print(f"{data.data} is not prepared yet; training would prepare it in {image_set.directory}")
    elif isinstance(image_set, PreparedImageSet) and not is_prepared(data.data):
        print(f"{data.data} is prepared in {image_set.directory}")
    return image_set


def make_objective(config: ResolvedConfig) -> Objective:
    """The losses of a configuration with nothing left open."""
    loss = config.loss
    penalty: CriticPenalty = R1(loss.r1_gamma)
    if loss.loss == "wgan-gp":
        penalty = GradientPenalty(loss.gradient_penalty_weight, loss.gradient_penalty_target)
    drift = loss.drift_weight if loss.loss == "wgan-gp" else 0.0
    return Objective(ADVERSARIAL_LOSSES[loss.loss], penalty, drift, loss.label_loss_weight)


def make_augmentation(config: TrainConfig) -> Augmentation | None:
    """The augmentation of a configuration, or None.

    Raises:
      ValueError: for unknown transforms, or when its strength should follow signs that the loss does not give.
    """
    if config.augment.augment == "off":
        return None
    telling = [name for name, loss in ADVERSARIAL_LOSSES.items() if loss.sign_tells_reals]
    require(
        config.augment.augment == "fixed" or config.loss.loss in telling,
        f"augment=adaptive reads the sign of scores, which goes with loss={' or '.join(telling)}; choose one, or "
        "--augment=fixed", f"loss={config.loss.loss}",
    )
    try:
        return Augmentation.from_groups(config.augment.augment_transforms)
    except ValueError as error:
        raise UserError(f"augment_transforms: {error}") from error


def _train(run: Run, log: Logger, plan: str, checkpoints: Checkpoints, images_seen: int) -> int:
    config, directory, state = run.config, run.directory, run.state
    if images_seen >= run.schedule.total_images:
        if not directory.progress_file.exists():  # a signal came while it was drawn
            write_progress_animation(directory)
        log(f"This run is finished at {images_seen / 1000:g} kimg; raise --total_kimg to train on.")
        return 0
    if images_seen and checkpoints.newest:
        log(f"Resuming at {images_seen / 1000:g} kimg from {checkpoints.newest.prefix}")
    elif checkpoints.newest:
        log(f"Starting from the converted networks in {checkpoints.newest.prefix}")
    elif directory.sample_grids():
        log(f"There is no checkpoint in {directory.checkpoints}: training starts again at 0 kimg.")
    writer = tf.summary.create_file_writer(str(directory.tensorboard))
    pipeline = ImagePipeline(
        run.image_set, seed=config.run.seed, mirror=config.data.mirror, random_crop=config.data.random_crop,
        use_labels=config.data.use_labels,
    )
    augmentation = run.augmentation
    if not images_seen or augmentation is not None:
        reals, _ = pipeline.sample(GRID_IMAGES)
    if not images_seen:
        picture = readable_grid(reals)
        save_png(directory.samples / "reals.png", picture)
        write_start(writer, config, state.config, plan, picture)
    step = TrainingStep(
        state, make_objective(state.config), run.strategy, augmentation=augmentation, jit_compile=run.jit,
        images_at_once=functools.partial(images_at_once, state.config, replicas=run.strategy.num_replicas_in_sync),
        tell=log,
    )
    scalars = TensorBoardScalars(writer, config)
    grid = SampleGrid(config, directory, writer, run.dataset.num_classes)
    with (
        contextlib.closing(step), devices.rounding_allowed(config.run.tf32),
        contextlib.ExitStack() as profiling, stop_on_signals() as stop,
    ):
        actions: list[Action] = [
            StatusLine(
                run.schedule.total_images, config.run.status_interval_s, log.to_file if is_live() else log,
                show_augmentation=augmentation is not None,
            ),
            scalars,
            Breakable(grid, stop),
            checkpoints,
        ]
        if augmentation is not None:
            actions.insert(0, Breakable(AugmentedReals(config, augmentation, reals, directory, writer), stop))
        if config.augment.augment == "adaptive":
            actions.insert(0, AugmentationControl(state.config))  # first: others show and save what it sets
        metrics = None
        if run.evaluator is not None:
            metrics = Metrics(config, run.evaluator, state, directory, writer, log, stop)
            actions.append(metrics)  # last: what takes longest, and may fail, comes after the checkpoint
        if config.run.profile_steps:
            steps = parse_profile_steps(config.run.profile_steps)
            actions.insert(0, profiling.enter_context(Profile(steps, directory.tensorboard, log)))
        try:
            progress = train(
                state, run.schedule, step, pipeline, actions, images_seen=images_seen, stop=stop
            )
            profiling.close()
            if progress.images_seen == images_seen:
                return tell_stop(stop, log, f"before the first step, at {images_seen / 1000:g} kimg")
            checkpoints.run(progress)
        except (NonFiniteError, FullMemoryError) as error:
            newest = checkpoints.newest.prefix if checkpoints.newest else None
            message = f"training broke down: {error}. {_advice(run, error, images_seen, newest)}"
            with contextlib.suppress(DiskError):  # which would hide the reason
                log.to_file(message)
            raise type(error)(message) from error
        scalars.run(progress)
        _draw_the_end(grid, directory, progress, stop)
        if metrics is not None and stop.signal is None:
            metrics.run(progress)
        writer.close()
        if stop.signal is not None:
            return tell_stop(stop, log, f"and saved at {progress.images_seen / 1000:g} kimg")
    newest = checkpoints.newest.prefix if checkpoints.newest else "none"
    log(summary(run.directory, progress, newest, metrics.summary() if metrics is not None else ""))
    return 0


def _advice(run: Run, error: NonFiniteError | FullMemoryError, images_seen: int, checkpoint: str | None) -> str:
    if isinstance(error, NonFiniteError):
        return advice_after_breakdown(run.config, checkpoint, run.directory.free_neighbour())
    replicas = run.strategy.num_replicas_in_sync
    return advice_when_full(run.state.config, run.schedule, replicas, images_seen, checkpoint)


def _draw_the_end(grid: SampleGrid, directory: RunDirectory, progress: Progress, stop: StopRequest) -> None:
    """The last grid and the animation; for Ctrl-C, too: somebody is there to look at them, or to press it again."""

    def draw() -> None:
        grid.run(progress)
        write_progress_animation(directory)

    if stop.signal == signal.SIGINT:
        draw()
    else:
        stop.breakable(draw)
