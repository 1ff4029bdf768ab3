"""What happens beside the steps: small objects that say when they are due, and run."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from PIL import Image

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.schedule import Schedule, Stage
from stylegan_tf.images import enlarge, image_grid, save_animation, save_png, to_uint8
from stylegan_tf.networks.styles import truncate
from stylegan_tf.ops.resample import upsample_nearest_to
from stylegan_tf.progress import format_seconds, is_live, live_line
from stylegan_tf.training.devices import memory_used, rounding_allowed
from stylegan_tf.training.run_directory import RunDirectory
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.statistics import Statistics, StatisticsReader
from stylegan_tf.training.summaries import write_picture, write_scalars

GRID_COLUMNS = 8
SMALLEST_GRID_PIXELS = 512
LARGEST_FRAME_PIXELS = 1024
FRAME_MS = 250


@dataclasses.dataclass
class LoopState:
    """What the loop knows besides the weights, and actions look at: the run so far.

    Attributes:
        state, schedule, statistics: Of the run.
        stage: Of the step that just ended; before the first, of that one.
        images_seen: After that step.
        seconds: Spent in training, earlier runs of the same directory not counted.
        images_per_second: Over the last status interval.
        report: Of the step that just ended: scalars by name, still on the device.
    """

    state: TrainState
    schedule: Schedule
    statistics: Statistics
    stage: Stage
    images_seen: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    report: Mapping[str, tf.Tensor] = dataclasses.field(default_factory=dict)

    @classmethod
    def at(cls, images_seen: int, state: TrainState, schedule: Schedule) -> LoopState:
        """Before the first step of a process, `state` being that of so many images seen."""
        statistics = Statistics(loss_scaling=state.dtype_policy == "mixed_float16")
        return cls(state, schedule, statistics, schedule.at(images_seen), images_seen)


class Action(Protocol):
    """Something done now and then during training."""

    def due(self, before: int, now: int) -> bool:
        """Whether it is time, the last step having moved the clock from `before` to `now` images. Changes nothing."""

    def run(self, loop: LoopState) -> None:
        """Does it."""


def crosses(before: int, now: int, interval_kimg: float) -> bool:
    """Whether a multiple of the interval lies in (before, now]."""
    interval = interval_kimg * 1000
    return math.floor(now / interval) > math.floor(before / interval)


class StatusLine:
    """One live line on a terminal; elsewhere a log line every so many seconds.

    Args:
        total_images: At which the run ends.
        interval_s: Seconds between log lines.
        log: Writes a line to the log.
        statistics: Of the steps.
        show_augmentation: Whether the line tells the augmentation's strength.
    """

    LIVE_INTERVAL_S = 1.0

    def __init__(
        self,
        total_images: int,
        interval_s: float,
        log: Callable[[str], None],
        statistics: StatisticsReader,
        show_augmentation: bool = False,
    ) -> None:
        self.show_augmentation = show_augmentation
        self.total_images = total_images
        self.live = is_live()
        self.interval_s = self.LIVE_INTERVAL_S if self.live else interval_s
        self.log_interval_s = interval_s
        self.log = log
        self.statistics = statistics
        self._last: tuple[float, int] | None = None
        self._last_logged = 0.0

    def due(self, before: int, now: int) -> bool:
        """After the first step, from which the time counts, then at every interval and at the end."""
        return self._last is None or self._has_passed(self._last[0], now)

    def _has_passed(self, since: float, now: int) -> bool:
        return time.monotonic() - since >= self.interval_s or now >= self.total_images

    def run(self, loop: LoopState) -> None:
        """Shows the line; after the first step, which is traced and says nothing about speed, only starts the time."""
        if self._last is None:
            self._last = (time.monotonic(), loop.images_seen)
            if not self._has_passed(self._last[0], loop.images_seen):
                return
        statistics = self.statistics.means()
        (then, seen), now = self._last, time.monotonic()
        loop.images_per_second = (loop.images_seen - seen) / max(now - then, 1e-6)
        self._last = (now, loop.images_seen)
        line = self.text(loop, statistics)
        if self.live:
            print(live_line(line), end="", flush=True)
        if not self.live or now - self._last_logged >= self.log_interval_s:
            self._last_logged = now
            self.log(line)

    def text(self, loop: LoopState, statistics: Mapping[str, float]) -> str:
        """The line."""
        period = loop.stage.period
        fading = f" fading in {loop.stage.fade_in:4.0%}" if period.fading else ""
        augment = f" | augment {float(loop.state.augment_p.numpy()):.3f}" if self.show_augmentation else ""
        return (
            f"{period.size[0]}x{period.size[1]}{fading} | kimg {loop.images_seen / 1000:.1f} of "
            f"{self.total_images / 1000:g} | {loop.images_per_second:.0f} images/s | critic "
            f"{statistics['critic_loss']:.2f} generator {statistics['generator_loss']:.2f}{augment} | "
            f"{format_seconds(time_left(loop, self.total_images))} left"
        )


def time_left(loop: LoopState, total_images: int) -> float:
    """Seconds to the end, supposing that a step's time grows like the number of pixels."""
    speed = loop.images_per_second
    if loop.images_seen >= total_images:
        return 0.0
    if speed <= 0:
        return math.inf
    here = loop.stage.period
    seconds = 0.0
    for period in loop.schedule.periods[here.index :]:
        end = min(period.start + period.length, total_images)
        images = max(0.0, end - max(period.start, loop.images_seen))
        seconds += images / speed * math.prod(period.size) / math.prod(here.size)
    return seconds


class TensorBoardScalars:
    """Writes scalars, against images seen.

    Args:
        writer: The summary writer.
        config: Tells the interval, and which curves there are.
        statistics: Of the steps.
    """

    def __init__(self, writer: tf.summary.SummaryWriter, config: TrainConfig, statistics: StatisticsReader) -> None:
        self.writer = writer
        self.config = config
        self.statistics = statistics
        self.interval_kimg = config.run.tensorboard_interval_kimg
        self._written_at = -1

    def due(self, before: int, now: int) -> bool:
        return crosses(before, now, self.interval_kimg)

    def run(self, loop: LoopState) -> None:
        """Writes means over the steps since the last point, unless that was done at this very moment."""
        if loop.images_seen == self._written_at:
            return
        self._written_at = loop.images_seen
        values = {
            **self._measured_values(self.statistics.means()),
            **self._state_values(loop.state),
            **self._schedule_values(loop),
            "speed/images_per_second": loop.images_per_second or math.nan,
            "speed/memory_gib": memory_used() / 2**30,
        }
        with self.writer.as_default(step=loop.images_seen):
            write_scalars({name: value for name, value in values.items() if math.isfinite(value)})  # else not measured
        self.writer.flush()

    def _measured_values(self, statistics: Mapping[str, float]) -> dict[str, float]:
        values = {
            "loss/critic": statistics["critic_loss"],
            "loss/generator": statistics["generator_loss"],
            "loss/path_length_penalty": statistics["path_length_penalty"],
            "loss/critic_labels": statistics["critic_label_loss"],
            "loss/generator_labels": statistics["generator_label_loss"],
            "scores/real": statistics["real_scores"],
            "scores/fake": statistics["fake_scores"],
            "scores/real_signs": statistics["real_signs"],
            "path_length/batch": statistics["path_length"],
            "gradients/critic_norm": statistics["critic_gradient_norm"],
            "gradients/critic_weights": statistics["critic_weight_gradient_norm"],
            "gradients/generator_weights": statistics["generator_weight_gradient_norm"],
        }
        if self.config.loss.loss == "wgan-gp":
            values["loss/gradient_penalty"] = statistics["gradient_penalty"]
            values["loss/wasserstein_estimate"] = statistics["real_scores"] - statistics["fake_scores"]
        else:
            values["loss/r1_penalty"] = statistics["gradient_penalty"]
        return values

    def _state_values(self, state: TrainState) -> dict[str, float]:
        values = {}
        if self.config.loss.path_length_weight > 0:
            values["path_length/running_mean"] = float(state.path_length_mean.numpy())
        if self.config.augment.augment != "off":
            values["augment/p"] = float(state.augment_p.numpy())
        return values

    def _schedule_values(self, loop: LoopState) -> dict[str, float]:
        """Of a schedule, only what it changes."""
        stage, grows = loop.stage, len(loop.schedule.periods) > 1
        values = {"progress/kimg": loop.images_seen / 1000}
        if grows:
            values["progress/fade_in"] = stage.fade_in
            values["progress/resolution"] = float(stage.period.size[0])
            values["progress/batch_size"] = float(stage.batch_size)
        if grows or self.config.schedule.learning_rate_rampup_kimg > 0:
            values["progress/learning_rate"] = stage.learning_rate
            if loop.schedule.rates_differ:
                values["progress/critic_learning_rate"] = stage.critic_learning_rate
        return values


class SampleGrid:
    """Draws the averaged generator's images of the same latents and the same noise, as PNG and in TensorBoard.

    Args:
        config: Tells interval, truncation and seed.
        directory: Where the PNGs go.
        writer: The summary writer.
        num_classes: Rows cycle through the classes.
    """

    def __init__(
        self, config: TrainConfig, directory: RunDirectory, writer: tf.summary.SummaryWriter, num_classes: int
    ) -> None:
        self.config = config
        self.directory = directory
        self.writer = writer
        count = GRID_COLUMNS**2
        seed = [config.run.seed % 2**31, 1]
        self.latents = tf.random.stateless_normal([count, config.network.z_size], seed)
        classes = tf.range(count) // GRID_COLUMNS % max(num_classes, 1)
        self.labels = tf.one_hot(classes, num_classes) if num_classes else None
        self._compiled: dict[int, Any] = {}
        self._drawn_at = -1

    def due(self, before: int, now: int) -> bool:
        return crosses(before, now, self.config.run.grid_interval_kimg)

    def run(self, loop: LoopState) -> None:
        """Draws and writes, unless that was done at this very moment."""
        if loop.images_seen == self._drawn_at:
            return
        images = self.images(loop.state, loop.schedule.at(loop.images_seen))
        path = self.directory.samples / f"kimg_{loop.images_seen / 1000:09.2f}.png"
        grid = readable_grid(images)
        save_png(path, grid)
        self._drawn_at = loop.images_seen
        with self.writer.as_default(step=loop.images_seen):
            write_picture("images/generator_ema", grid, "The averaged generator's images, always of the same latents.")
        self.writer.flush()

    def images(self, state: TrainState, stage: Stage) -> np.ndarray:
        """uint8 [64, H, W, C] at full resolution: what this stage makes, enlarged."""
        if stage.level not in self._compiled:
            self._compiled[stage.level] = tf.function(
                lambda latents, labels, fade_in: self._generate(state, stage.level, latents, labels, fade_in)
            )
        generate, rows = self._compiled[stage.level], []
        for start in range(0, len(self.latents), GRID_COLUMNS):
            part = slice(start, start + GRID_COLUMNS)
            labels = None if self.labels is None else self.labels[part]
            with rounding_allowed(False):
                rows.append(generate(self.latents[part], labels, tf.constant(stage.fade_in, tf.float32)).numpy())
        return np.concatenate(rows)

    def _generate(self, state: TrainState, level: int, latents: Any, labels: Any, fade_in: Any) -> Any:
        generator, run = state.generator_ema, self.config.run
        ws = truncate(
            generator.map(latents, labels), generator.w_average, run.truncation_psi, run.truncation_cutoff or None
        )
        images = generator.synthesis(ws, level=level, fade_in=fade_in, noise="fixed")
        return to_uint8(upsample_nearest_to(images, generator.synthesis.size(generator.synthesis.num_levels - 1)[0]))


def readable_grid(images: np.ndarray) -> np.ndarray:
    """A grid of eight columns, small images enlarged until it is at least 512 pixels wide."""
    factor = max(1, -(-SMALLEST_GRID_PIXELS // (GRID_COLUMNS * images.shape[2])))
    return image_grid(enlarge(images, factor), GRID_COLUMNS)


def write_progress_animation(directory: RunDirectory) -> bool:
    """Joins the sample grids to an animation; the last one stays longer. False when there are none yet."""
    files = directory.sample_grids()
    if not files:
        return False
    frames = [_read_rgb(file) for file in files]
    save_animation(directory.progress_file, frames, [FRAME_MS] * (len(frames) - 1) + [8 * FRAME_MS])
    return True


def _read_rgb(file: Path) -> np.ndarray:
    with Image.open(file) as picture:
        small = picture.convert("RGB")
    small.thumbnail((LARGEST_FRAME_PIXELS, LARGEST_FRAME_PIXELS), Image.Resampling.BOX)
    return np.asarray(small)
