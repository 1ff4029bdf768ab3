"""The one clock: everything that changes during training, as a function of the number of images seen.

Progressive growing (Karras et al. 2018), section 2 and appendix A.1: each resolution is trained for a while, then
the next one is faded in.
"""

from __future__ import annotations

import bisect
import dataclasses
import math

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.resolutions import level_size
from stylegan_tf.configuration.resolve import ResolvedConfig, ResolvedSchedule
from stylegan_tf.errors import UserError

WASSERSTEIN_LEARNING_RATE_LIMIT = 0.002  # Karras et al. 2019, appendix C: higher rates need another loss


@dataclasses.dataclass(frozen=True)
class Period:
    """A stretch of the schedule.

    Attributes:
        index: Position in the schedule.
        level: Level of the networks.
        size: Image height and width.
        fading: Whether the level is being faded in.
        start, length: Images seen at its start, and images it lasts; the last period's length is what remains.
        batch_size: Images a step, over all devices.
        learning_rate, critic_learning_rate: Of the generator, and of the critic.
    """

    index: int
    level: int
    size: tuple[int, int]
    fading: bool
    start: float
    length: float
    batch_size: int
    learning_rate: float
    critic_learning_rate: float


@dataclasses.dataclass(frozen=True)
class Stage:
    """What holds at one moment: the period, how far this level is faded in (0 to 1), and the learning rates."""

    period: Period
    fade_in: float
    learning_rate: float
    critic_learning_rate: float

    @property
    def level(self) -> int:
        """Level of the networks."""
        return self.period.level

    @property
    def batch_size(self) -> int:
        """Images a step, over all devices."""
        return self.period.batch_size

    def step_at(self, images_seen: int) -> int:
        """Whole steps since the period began, which may be in the middle of a step."""
        return (images_seen - round(self.period.start)) // self.period.batch_size


class Schedule:
    """The periods of a run; `at` says where a number of images seen lies in them.

    Args:
        config: The schedule's settings, batch sizes included.
        base_size: Image height and width at level 0.
        num_levels: Number of levels of the networks.
        grows: Whether it begins at a small resolution; otherwise all of it is one period at the last.
        learning_rate_limit: No learning rate is higher, of either network.

    Raises:
        ValueError: When no period is left.
    """

    def __init__(
        self,
        config: ResolvedSchedule,
        base_size: tuple[int, int],
        num_levels: int,
        grows: bool = True,
        learning_rate_limit: float = float("inf"),
    ) -> None:
        self.config = config
        self.total_images = int(round(config.total_kimg * 1000))
        self.periods: list[Period] = []
        start = 0.0
        high_enough = (n for n in range(num_levels) if min(level_size(base_size, n)) >= config.start_resolution)
        first = next(high_enough, num_levels - 1) if grows else num_levels - 1
        for level in range(first, num_levels):
            size = level_size(base_size, level)
            for fading in [True, False] if level > first else [False]:
                length = 1000.0 * (config.fade_kimg if fading else config.stage_kimg).at(size)
                if not fading and level == num_levels - 1:
                    length = max(self.total_images - start, 0.0)
                if length > 0:
                    rates = [
                        min(table.at(size), learning_rate_limit)
                        for table in (config.learning_rate, config.critic_learning_rate)
                    ]
                    batch_size = int(config.batch_size.at(size))
                    self.periods.append(
                        Period(len(self.periods), level, size, fading, start, length, batch_size, *rates)
                    )
                start += length
        if not self.periods:
            raise UserError("the schedule must have a period; raise total_kimg or stage_kimg. Received: none.")

    @classmethod
    def from_config(cls, config: ResolvedConfig, num_levels: int) -> Schedule:
        """The schedule of a whole configuration; WGAN-GP limits the learning rates."""
        return cls(config.schedule, config.base_size, num_levels, config.grows, learning_rate_limit(config))

    def reached(self, images_seen: int = 0) -> list[Period]:
        """The periods that still get a step: none that the run ends before, or that a step before it leaps over."""
        found = []
        while images_seen < self.total_images:
            period = self.at(images_seen).period
            found.append(period)
            if period is self.periods[-1]:
                break
            left = math.floor(period.start + period.length) - images_seen  # at its very end a period has one more step
            images_seen += (left // period.batch_size + 1) * period.batch_size
        return found

    def faded_in(self, resolution: int) -> float:
        """Images seen when the first resolution that is at least this high is faded in; infinity when none is."""
        starts = (period.start for period in self.periods if not period.fading and min(period.size) >= resolution)
        return next(starts, math.inf) if resolution > 0 else 0.0

    @property
    def rates_differ(self) -> bool:
        """Whether generator and critic ever learn at rates apart."""
        return any(period.learning_rate != period.critic_learning_rate for period in self.reached())

    def at(self, images_seen: int) -> Stage:
        """What holds after `images_seen` real images."""
        index = bisect.bisect_left([period.start for period in self.periods], images_seen) - 1
        period = self.periods[max(index, 0)]
        fade_in = (images_seen - period.start) / period.length if period.fading else 1.0
        rampup = self.config.learning_rate_rampup_kimg * 1000
        factor = min(images_seen / rampup, 1.0) if rampup > 0 else 1.0
        return Stage(period, fade_in, period.learning_rate * factor, period.critic_learning_rate * factor)


def learning_rate_limit(config: TrainConfig) -> float:
    """Above which no learning rate goes, whatever the tables say."""
    return WASSERSTEIN_LEARNING_RATE_LIMIT if config.loss.loss == "wgan-gp" else float("inf")
