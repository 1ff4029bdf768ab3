"""What happens beside the steps: small objects that say when they are due, run, and finish."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import tensorflow as tf

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.schedule import Schedule, Stage
from stylegan_tf.evaluation.results import Result
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
        scores: What the first metric gave so far, in the order of the images seen.
    """

    state: TrainState
    schedule: Schedule
    statistics: Statistics
    stage: Stage
    images_seen: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    report: Mapping[str, tf.Tensor] = dataclasses.field(default_factory=dict)
    scores: Sequence[Result] = ()

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
            values["loss/r2_penalty"] = statistics["gradient_penalty_fakes"]
        return values

    def _state_values(self, state: TrainState) -> dict[str, float]:
        values = {}
        if self.config.loss.path_length_weight > 0:
            values["path_length/running_mean"] = float(state.path_length_mean.numpy())
        if self.config.augment.has_strength:
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
        values |= {f"progress/{name}": value for name, value in stage.settings.items()}
        if grows or loop.schedule.rates_move:
            values["progress/learning_rate"] = stage.learning_rate
            if loop.schedule.rates_differ:
                values["progress/critic_learning_rate"] = stage.critic_learning_rate
        return values
