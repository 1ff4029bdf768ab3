"""What happens beside the steps: small objects that say when they are due, run, and finish."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import tensorflow as tf

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.schedule import Schedule, Stage
from stylegan_tf.progress import format_seconds, is_live, live_line
from stylegan_tf.training.devices import memory_used
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.statistics import Statistics, StatisticsReader
from stylegan_tf.training.summaries import write_scalars


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

    def finish(self, loop: LoopState) -> None:
        """Does what is left at the end of a run that took a step, and then ended by itself or by a request to stop.

        It is called once. After an error it is not: what it would save or show is not sound, or the disk is full. What
        must be given back then, too, is a context manager besides, as `Profile` is.
        """
        return None


def crosses(before: int, now: int, interval_kimg: float) -> bool:
    """Whether a multiple of the interval lies in (before, now]."""
    interval = interval_kimg * 1000
    return math.floor(now / interval) > math.floor(before / interval)


class IntervalAction(Action):
    """What is done at every multiple of an interval, and at the end for what came after the last one.

    Args:
        interval_kimg: Of the clock.
    """

    def __init__(self, interval_kimg: float) -> None:
        self.interval_kimg = interval_kimg
        self._done_at = -1

    def due(self, before: int, now: int) -> bool:
        """At every interval."""
        return crosses(before, now, self.interval_kimg)

    def run(self, loop: LoopState) -> None:
        """Does it; it counts as done when it came to its end."""
        self._work(loop)
        self._done_at = loop.images_seen

    def _work(self, loop: LoopState) -> None:
        raise NotImplementedError

    def finish(self, loop: LoopState) -> None:
        """Does it, if the last step was not the end of an interval, or if that was broken off."""
        if self._done_at != loop.images_seen:
            self.run(loop)


class StatusLine(Action):
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


class TensorBoardScalars(IntervalAction):
    """Writes scalars, against images seen.

    Args:
        writer: The summary writer.
        config: Tells the interval, and which curves there are.
        statistics: Of the steps.
    """

    def __init__(self, writer: tf.summary.SummaryWriter, config: TrainConfig, statistics: StatisticsReader) -> None:
        super().__init__(config.run.tensorboard_interval_kimg)
        self.writer = writer
        self.config = config
        self.statistics = statistics

    def _work(self, loop: LoopState) -> None:
        """Writes means over the steps since the last point."""
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
