"""A whole run, from a configuration to a finished run directory."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from stylegan_tf import live
from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.sections import parse_profile_steps
from stylegan_tf.data.pipeline import ImagePipeline
from stylegan_tf.files import DiskError
from stylegan_tf.images import save_png
from stylegan_tf.quiet import no_remapper
from stylegan_tf.runs.checkpoints import tell_passed_over
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training import devices
from stylegan_tf.training.actions import Action, LoopState, TensorBoardScalars
from stylegan_tf.training.advice import Advice
from stylegan_tf.training.augmentation_actions import AugmentationControl, AugmentedReals
from stylegan_tf.training.checkpoint_actions import Checkpoints
from stylegan_tf.training.ending import describe_end, tell_stop
from stylegan_tf.training.gpu_diagnosis import missing_gpu
from stylegan_tf.training.grid_actions import SampleGrid, readable_grid, write_progress_animation
from stylegan_tf.training.log import Logger
from stylegan_tf.training.loop import Breakable, StopRequest, stop_on_signals, train
from stylegan_tf.training.memory import FullMemoryError, advice_when_full, plan_memory, warning_before
from stylegan_tf.training.metric_actions import Metrics
from stylegan_tf.training.plan import Plan, make_plan
from stylegan_tf.training.preparation import Run, data_notes, make_objective, prepare_run
from stylegan_tf.training.profile import Profile
from stylegan_tf.training.soundness import advice_after_breakdown
from stylegan_tf.training.statistics import NonFiniteError
from stylegan_tf.training.status import Status
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
    no_remapper()
    warning = missing_gpu()
    if warning:
        warning = f"WARNING: training on the CPU, no GPU is used: {warning}."
        print(warning, file=sys.stderr, flush=True)
    directory = RunDirectory(config.run.run_dir)
    if not dry_run:
        directory.check_free()
    run = prepare_run(config, dry_run=dry_run)
    with contextlib.nullcontext() if dry_run else directory.locked():
        checkpoints = Checkpoints(run.state, directory, run.config.run)
        images_seen = _restore(run, checkpoints)
        memory, too_much = _plan_memory(run, images_seen)
        if too_much:
            print(too_much, file=sys.stderr, flush=True)
        notes = [warning, tell_passed_over(checkpoints.newest), too_much]
        plan = _plan(run, memory)
        width = live.width()
        print(plan.fitted(width) if width else plan, flush=True)
        if dry_run:
            return 0
        directory.prepare(run.config, run.state.config, run.dataset)
        log = Logger(directory)
        log.to_file("\n".join([*filter(None, notes), str(plan)]))
        return _train(run, log, str(plan), checkpoints, images_seen)


def _restore(run: Run, checkpoints: Checkpoints) -> int:
    """Brings the state to where the run stopped, and returns the images seen there."""
    augment = run.config.augment
    with run.strategy.scope():
        images_seen = checkpoints.restore()
        # An adaptive strength may have gone on before, in a converted run; tables over kimg set it before every step.
        if augment.augment == "fixed" and isinstance(augment.augment_p, float):
            run.state.augment_p.assign(augment.augment_p)
    return images_seen


def _plan_memory(run: Run, images_seen: int) -> tuple[str, str]:
    """What the largest step to come needs, and a warning where that is too much; nothing for a finished run."""
    if images_seen >= run.schedule.total_images:
        return "", ""
    on_gpu, total = bool(tf.config.list_physical_devices("GPU")), devices.memory_total(run.shares.replicas)
    plan = plan_memory(run.state, run.schedule, run.shares, images_seen, total, on_gpu)
    return str(plan), warning_before(plan, run.state, run.schedule, run.shares, images_seen)


def _parts(run: Run) -> str:
    """Into how many parts a CPU's cores divide batches."""
    batches = {period.batch_size for period in run.schedule.periods}
    most = max(run.shares.parts_at_once(run.shares.images_at_once(batch)) for batch in batches)
    return f", {most} parts of a batch at once" if most > 1 else ""


def _plan(run: Run, memory: str) -> Plan:
    return make_plan(
        run.state,
        run.schedule,
        run.dataset,
        run.directory,
        devices.describe_devices(run.strategy) + _parts(run),
        run.jit,
        run.image_set.ignored,
        data_notes(run),
        memory,
        run.strategy.num_replicas_in_sync,
        run.start,
    )


def _train(run: Run, log: Logger, plan: str, checkpoints: Checkpoints, images_seen: int) -> int:
    """Trains from a restored state, and returns the exit code."""
    if images_seen >= run.schedule.total_images:
        return _leave_finished(run, log, images_seen)
    _tell_beginning(run, log, checkpoints, images_seen)
    writer = tf.summary.create_file_writer(str(run.directory.tensorboard))
    pipeline = _make_pipeline(run)
    reals = pipeline.sample(GRID_IMAGES)[0] if not images_seen or run.augmentation is not None else None
    if not images_seen and reals is not None:
        _write_start(run, writer, plan, reals)
    loop = LoopState.at(images_seen, run.state, run.schedule)
    with (
        contextlib.closing(_make_step(run, log)) as step,
        devices.rounding_allowed(run.config.run.tf32),
        contextlib.ExitStack() as profiling,
        stop_on_signals() as stop,
    ):
        actions = _make_actions(run, loop, writer, log, checkpoints, pipeline, reals, stop, profiling)
        try:
            _show("Preparing the first step")
            for action in actions.before_all:
                action.run(loop)
            train(loop, step, pipeline, actions.after_a_step, stop=stop)
            if loop.images_seen == images_seen:  # the weights may be in the middle of a step
                profiling.close()
                return tell_stop(stop, log, f"before the first step, at {images_seen / 1000:g} kimg")
            _show("Saving, and drawing the last samples")
            for action in actions.at_the_end:
                action.finish(loop)
        except (NonFiniteError, FullMemoryError) as error:
            raise _told(error, run, log, checkpoints, images_seen) from error
        writer.close()
        if stop.signal is not None:
            return tell_stop(stop, log, f"and saved at {loop.images_seen / 1000:g} kimg")
    newest = checkpoints.newest.prefix if checkpoints.newest else "none"
    log(describe_end(run.directory, loop, newest, actions.metrics.describe_best() if actions.metrics else ""))
    return 0


def _show(doing: str) -> None:
    """On a terminal, what takes long and has no number yet; what is printed next takes it away."""
    if live.is_live():
        live.show(live.Row([f"{doing} ..."]))


class _Actions(NamedTuple):
    """Those of a run, in their orders; and the metrics, where there are any, which know the best state."""

    before_all: list[Action]
    after_a_step: list[Action]
    at_the_end: list[Action]
    metrics: Metrics | None


def _make_actions(
    run: Run,
    loop: LoopState,
    writer: tf.summary.SummaryWriter,
    log: Logger,
    checkpoints: Checkpoints,
    pipeline: ImagePipeline,
    reals: np.ndarray | None,
    stop: StopRequest,
    profiling: contextlib.ExitStack,
) -> _Actions:
    """All actions of a run, in order.

    What profiles or sets something comes before what shows and saves it: a profile holds steps alone, and what is shown
    is what is saved. After a step, a checkpoint comes after what is shown: a run that is killed in between shows it
    again. At the end it comes before, so that a second Ctrl-C, or a kill, costs pictures only. Metrics come last, since
    they take longest, and may fail.
    """
    config, directory = run.config, run.directory
    first: list[Action | None] = [_make_profile(run, log, profiling), _make_control(run)]
    augmented = _make_augmented_reals(run, writer, reals, stop)
    grid = Breakable(SampleGrid(config.run, run.state.generator_ema, directory, writer), stop)
    shown: list[Action | None] = [
        augmented,
        Status(
            run.schedule.total_images,
            config.run.status_interval_s,
            log.to_file if live.is_live() else log,
            loop.statistics.reader(),
            show_augmentation=config.augment.has_strength,
        ),
        TensorBoardScalars(writer, config, loop.statistics.reader()),
        grid,
        Breakable(Advice(run.state.config, loop.statistics.reader(), pipeline.sample, writer, log), stop),
    ]
    metrics = _make_metrics(run, writer, log, stop)
    if metrics:
        loop.scores = metrics.scores
    after_a_step = [*first, *shown, checkpoints, metrics]
    at_the_end = [*first, checkpoints, *shown, metrics]
    before_all = [augmented, grid if not loop.images_seen else None]
    return _Actions(_given(before_all), _given(after_a_step), _given(at_the_end), metrics)


def _given(actions: Sequence[Action | None]) -> list[Action]:
    return [action for action in actions if action]


def _make_metrics(run: Run, writer: tf.summary.SummaryWriter, log: Logger, stop: StopRequest) -> Metrics | None:
    if run.evaluator is None:
        return None
    interval = run.config.run.metrics_interval_kimg
    return Metrics(interval, run.evaluator, run.state, run.directory, writer, log, stop)


def _make_profile(run: Run, log: Logger, profiling: contextlib.ExitStack) -> Profile | None:
    if not run.config.run.profile_steps:
        return None
    steps = parse_profile_steps(run.config.run.profile_steps)
    return profiling.enter_context(Profile(steps, run.directory.tensorboard, log))


def _make_control(run: Run) -> AugmentationControl | None:
    augment = run.state.config.augment
    if augment.augment != "adaptive":
        return None
    return AugmentationControl(augment, run.schedule.faded_in(augment.augment_from))


def _make_augmented_reals(
    run: Run, writer: tf.summary.SummaryWriter, reals: np.ndarray | None, stop: StopRequest
) -> Breakable | None:
    if run.augmentation is None or reals is None:
        return None
    return Breakable(AugmentedReals(run.config.run, run.augmentation, reals, run.directory, writer), stop)


def _make_pipeline(run: Run) -> ImagePipeline:
    data = run.config.data
    return ImagePipeline(
        run.image_set,
        seed=run.config.run.seed,
        mirror=data.mirror,
        random_crop=data.random_crop,
        use_labels=data.use_labels,
    )


def _make_step(run: Run, log: Logger) -> TrainingStep:
    config = run.state.config
    return TrainingStep(
        run.state,
        make_objective(config.loss, run.state.weights_over_kimg),
        run.strategy,
        augmentation=run.augmentation,
        jit_compile=run.jit,
        images_at_once=run.shares.images_at_once,
        parts_at_once=run.shares.parts_at_once,
        tell=log,
    )


def _write_start(run: Run, writer: tf.summary.SummaryWriter, plan: str, reals: np.ndarray) -> None:
    picture = readable_grid(reals)
    save_png(run.directory.samples / "reals.png", picture)
    write_start(writer, run.config, run.state.config, plan, picture)


def _leave_finished(run: Run, log: Logger, images_seen: int) -> int:
    """What can be done without a step: the metrics that were asked for, and an animation that was broken off."""
    if not run.directory.progress_file.exists():  # a signal came while it was drawn
        write_progress_animation(run.directory)
    log(f"This run is finished at {images_seen / 1000:g} kimg; raise --total_kimg to train on.")
    if run.config.run.profile_steps:
        log("--profile_steps records steps of a training, of which there are none to come.")
    with (
        contextlib.closing(tf.summary.create_file_writer(str(run.directory.tensorboard))) as writer,
        stop_on_signals() as stop,
    ):
        metrics = _make_metrics(run, writer, log, stop)
        if metrics is not None and not metrics.tell_measured(images_seen):
            metrics.evaluator.quiet = False  # there is no status that shows that something is done
            metrics.finish(LoopState.at(images_seen, run.state, run.schedule))
        return tell_stop(stop, log, "while the metrics were measured") if stop.signal is not None else 0


def _tell_beginning(run: Run, log: Logger, checkpoints: Checkpoints, images_seen: int) -> None:
    if images_seen and checkpoints.newest:
        log(f"Resuming at {images_seen / 1000:g} kimg from {checkpoints.newest.prefix}")
    elif checkpoints.newest:
        log(f"Starting from the converted networks in {checkpoints.newest.prefix}")
    elif run.directory.begun():
        log(f"There is no checkpoint in {run.directory.checkpoints}: training starts again at 0 kimg.")


def _told(
    error: NonFiniteError | FullMemoryError, run: Run, log: Logger, checkpoints: Checkpoints, images_seen: int
) -> NonFiniteError | FullMemoryError:
    """The error with what to do about it, which is written to the log."""
    newest = checkpoints.newest.prefix if checkpoints.newest else None
    if isinstance(error, NonFiniteError):
        advice = advice_after_breakdown(run.config, newest, run.directory.free_neighbour())
    else:
        advice = advice_when_full(run.schedule, run.shares, images_seen, newest)
    message = f"training broke down: {error}. {advice}"
    with contextlib.suppress(DiskError):  # which would hide the reason
        log.to_file(message)
    return type(error)(message)
