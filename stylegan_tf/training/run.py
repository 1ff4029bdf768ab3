"""A whole run, from a configuration to a finished run directory."""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
from typing import Any, NamedTuple

import tensorflow as tf

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.sections import parse_profile_steps
from stylegan_tf.data.pipeline import ImagePipeline
from stylegan_tf.files import DiskError
from stylegan_tf.images import save_png
from stylegan_tf.progress import is_live
from stylegan_tf.training import devices
from stylegan_tf.training.actions import (
    Action,
    LoopState,
    SampleGrid,
    StatusLine,
    TensorBoardScalars,
    readable_grid,
    write_progress_animation,
)
from stylegan_tf.training.augmentation_actions import AugmentationControl, AugmentedReals
from stylegan_tf.training.batch_checks import images_at_once
from stylegan_tf.training.checkpoint_actions import Checkpoints
from stylegan_tf.training.checkpoints import tell_passed_over
from stylegan_tf.training.ending import summary, tell_stop
from stylegan_tf.training.gpu_diagnosis import missing_gpu
from stylegan_tf.training.log import Logger
from stylegan_tf.training.loop import Breakable, StopRequest, stop_on_signals, train
from stylegan_tf.training.memory import FullMemoryError, advice_when_full, plan_memory, warning_before
from stylegan_tf.training.metric_actions import Metrics
from stylegan_tf.training.plan import describe_plan
from stylegan_tf.training.preparation import Run, make_objective, prepare_run
from stylegan_tf.training.profile import Profile
from stylegan_tf.training.run_directory import RunDirectory
from stylegan_tf.training.soundness import advice_after_breakdown
from stylegan_tf.training.statistics import NonFiniteError
from stylegan_tf.training.steps import TrainingStep
from stylegan_tf.training.summaries import write_start

GRID_IMAGES = 64


def run_training(config: TrainConfig, *, dry_run: bool = False) -> int:
    """Trains as configured, resuming what the run directory holds.

    Args:
        config: Validated.
        dry_run: Print the plan and write nothing.

    Returns:
        The process's exit code: 0, or 128 + the signal's number when it was stopped by one.

    Raises:
        ValueError: For what a user can mend: data, sizes, directories.
        NonFiniteError, FullMemoryError: When training broke down; the message says from where to go on.
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
            run.state,
            run.schedule,
            run.dataset,
            directory,
            devices.describe_devices(run.strategy),
            run.jit,
            run.image_set.ignored,
            memory,
            run.strategy.num_replicas_in_sync,
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


def _train(run: Run, log: Logger, plan: str, checkpoints: Checkpoints, images_seen: int) -> int:
    config, directory, state = run.config, run.directory, run.state
    if images_seen >= run.schedule.total_images:
        if not directory.progress_file.exists():  # a signal came while it was drawn
            write_progress_animation(directory)
        log(f"This run is finished at {images_seen / 1000:g} kimg; raise --total_kimg to train on.")
        return 0
    _tell_beginning(run, log, checkpoints, images_seen)
    writer = tf.summary.create_file_writer(str(directory.tensorboard))
    pipeline = ImagePipeline(
        run.image_set,
        seed=config.run.seed,
        mirror=config.data.mirror,
        random_crop=config.data.random_crop,
        use_labels=config.data.use_labels,
    )
    reals = pipeline.sample(GRID_IMAGES)[0] if not images_seen or run.augmentation is not None else None
    if not images_seen and reals is not None:
        picture = readable_grid(reals)
        save_png(directory.samples / "reals.png", picture)
        write_start(writer, config, state.config, plan, picture)
    step = TrainingStep(
        state,
        make_objective(state.config),
        run.strategy,
        augmentation=run.augmentation,
        jit_compile=run.jit,
        images_at_once=functools.partial(images_at_once, state.config, replicas=run.strategy.num_replicas_in_sync),
        tell=log,
    )
    with (
        contextlib.closing(step),
        devices.rounding_allowed(config.run.tf32),
        contextlib.ExitStack() as profiling,
        stop_on_signals() as stop,
    ):
        loop = LoopState.at(images_seen, state, run.schedule)
        actions = _make_actions(run, loop, writer, log, checkpoints, reals, stop, profiling)
        try:
            train(loop, step, pipeline, actions.in_order, stop=stop)
            profiling.close()
            if loop.images_seen == images_seen:
                return tell_stop(stop, log, f"before the first step, at {images_seen / 1000:g} kimg")
            checkpoints.run(loop)
        except (NonFiniteError, FullMemoryError) as error:
            newest = checkpoints.newest.prefix if checkpoints.newest else None
            message = f"training broke down: {error}. {_advice(run, error, images_seen, newest)}"
            with contextlib.suppress(DiskError):  # which would hide the reason
                log.to_file(message)
            raise type(error)(message) from error
        actions.scalars.run(loop)
        _draw_the_end(actions.grid, directory, loop, stop)
        if actions.metrics is not None and stop.signal is None:
            actions.metrics.run(loop)
        writer.close()
        if stop.signal is not None:
            return tell_stop(stop, log, f"and saved at {loop.images_seen / 1000:g} kimg")
    newest = checkpoints.newest.prefix if checkpoints.newest else "none"
    log(summary(directory, loop, newest, actions.metrics.summary() if actions.metrics is not None else ""))
    return 0


def _tell_beginning(run: Run, log: Logger, checkpoints: Checkpoints, images_seen: int) -> None:
    if images_seen and checkpoints.newest:
        log(f"Resuming at {images_seen / 1000:g} kimg from {checkpoints.newest.prefix}")
    elif checkpoints.newest:
        log(f"Starting from the converted networks in {checkpoints.newest.prefix}")
    elif run.directory.sample_grids():
        log(f"There is no checkpoint in {run.directory.checkpoints}: training starts again at 0 kimg.")


class _Actions(NamedTuple):
    """All that are run while training, and those that are run again at its end."""

    in_order: list[Action]
    scalars: TensorBoardScalars
    grid: SampleGrid
    metrics: Metrics | None


def _make_actions(
    run: Run,
    loop: LoopState,
    writer: tf.summary.SummaryWriter,
    log: Logger,
    checkpoints: Checkpoints,
    reals: Any,
    stop: StopRequest,
    profiling: contextlib.ExitStack,
) -> _Actions:
    config, directory = run.config, run.directory
    scalars = TensorBoardScalars(writer, config, loop.statistics.reader())
    grid = SampleGrid(config, directory, writer, run.dataset.num_classes)
    metrics = None
    if run.evaluator is not None:
        metrics = Metrics(config, run.evaluator, run.state, directory, writer, log, stop)
    actions: list[Action] = []
    if config.run.profile_steps:
        steps = parse_profile_steps(config.run.profile_steps)
        actions.append(profiling.enter_context(Profile(steps, directory.tensorboard, log)))
    if config.augment.augment == "adaptive":
        actions.append(AugmentationControl(run.state.config))  # before those that show and save what it sets
    if run.augmentation is not None:
        actions.append(Breakable(AugmentedReals(config, run.augmentation, reals, directory, writer), stop))
    actions += [
        StatusLine(
            run.schedule.total_images,
            config.run.status_interval_s,
            log.to_file if is_live() else log,
            loop.statistics.reader(),
            show_augmentation=run.augmentation is not None,
        ),
        scalars,
        Breakable(grid, stop),
        checkpoints,
    ]
    if metrics is not None:
        actions.append(metrics)  # last: what takes longest, and may fail, comes after the checkpoint
    return _Actions(actions, scalars, grid, metrics)


def _advice(run: Run, error: NonFiniteError | FullMemoryError, images_seen: int, checkpoint: str | None) -> str:
    if isinstance(error, NonFiniteError):
        return advice_after_breakdown(run.config, checkpoint, run.directory.free_neighbour())
    replicas = run.strategy.num_replicas_in_sync
    return advice_when_full(run.state.config, run.schedule, replicas, images_seen, checkpoint)


def _draw_the_end(grid: SampleGrid, directory: RunDirectory, loop: LoopState, stop: StopRequest) -> None:
    """The last grid and the animation; for Ctrl-C, too: somebody is there to look at them, or to press it again."""

    def draw() -> None:
        grid.run(loop)
        write_progress_animation(directory)

    if stop.signal == signal.SIGINT:
        draw()
    else:
        stop.breakable(draw)
