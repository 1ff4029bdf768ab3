"""The one clock: everything that changes during training, as a function of the number of images seen.

Progressive growing (Karras et al. 2018), section 2 and appendix A.1: each resolution is trained for a while, then
the next one is faded in.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
import types
from collections.abc import Mapping

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.kimg_tables import KimgTable
from stylegan_tf.configuration.resolutions import ResolutionTable, level_size
from stylegan_tf.configuration.resolve import ResolvedConfig, ResolvedSchedule
from stylegan_tf.errors import UserError


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
        learning_rate, critic_learning_rate: Of the generator, and of the critic, when it begins.
        into_level: Images of this level and fading before its start, in which the batch size was another.
        of_level: Images that this level's training, or fading, lasts in all.
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
    into_level: float = 0.0
    of_level: float = 0.0


@dataclasses.dataclass(frozen=True)
class Stage:
    """What holds at one moment.

    Attributes:
        period: Where it lies.
        fade_in: How far the level is faded in, 0 to 1.
        learning_rate, critic_learning_rate: Of the generator, and of the critic.
        settings: Values of the settings that are tables over kimg, by name.
    """

    period: Period
    fade_in: float
    learning_rate: float
    critic_learning_rate: float
    settings: Mapping[str, float] = dataclasses.field(default_factory=dict)

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
        over_kimg: Settings of other sections that change over the run, by name.

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
        over_kimg: Mapping[str, KimgTable] = types.MappingProxyType({}),
    ) -> None:
        self.config = config
        self.learning_rate_limit = learning_rate_limit
        self.over_kimg = over_kimg
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
                    self._append(level, size, fading, start, length)
                start += length
        if not self.periods:
            raise UserError("the schedule must have a period; raise total_kimg or stage_kimg. Received: none.")

    def _append(self, level: int, size: tuple[int, int], fading: bool, start: float, length: float) -> None:
        """A level's training or fading, in as many periods as there are batch sizes in it."""
        batch, total = self.config.batch_size, self.config.total_kimg
        changes = [1000.0 * kimg for kimg in batch.changes(total)] if isinstance(batch, KimgTable) else []
        places = [start, *(place for place in changes if start < place < start + length), start + length]
        for begin, end in itertools.pairwise(places):
            # In its middle: at its beginning, rounding may miss a step of the table.
            batch_size = int(self._value(batch, size, (begin + end) / 2))
            rate, critic_rate = self._rates(size, begin)
            self.periods.append(
                Period(
                    len(self.periods),
                    level,
                    size,
                    fading,
                    begin,
                    end - begin,
                    batch_size,
                    rate,
                    critic_rate,
                    into_level=begin - start,
                    of_level=length,
                )
            )

    @property
    def _rate_tables(self) -> tuple[ResolutionTable | KimgTable, ResolutionTable | KimgTable]:
        return self.config.learning_rate, self.config.critic_learning_rate

    def _rates(self, size: tuple[int, int], images_seen: float) -> tuple[float, float]:
        """Of the generator and of the critic."""
        generator, critic = (
            min(self._value(table, size, images_seen), self.learning_rate_limit) for table in self._rate_tables
        )
        return generator, critic

    def _value(self, table: ResolutionTable | KimgTable, size: tuple[int, int], images_seen: float) -> float:
        if isinstance(table, KimgTable):
            return table.at(images_seen / 1000.0, self.config.total_kimg)
        return table.at(size)

    @classmethod
    def from_config(cls, config: ResolvedConfig, num_levels: int) -> Schedule:
        """The schedule of a whole configuration; WGAN-GP limits the learning rates."""
        over_kimg = {
            name: value
            for section in (config.loss, config.augment, config.optimizer)
            for name, value in vars(section).items()
            if isinstance(value, KimgTable)
        }
        return cls(config.schedule, config.base_size, num_levels, config.grows, learning_rate_limit(config), over_kimg)

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
        tables, over_kimg = self._rate_tables, any(isinstance(table, KimgTable) for table in self._rate_tables)
        if over_kimg and tables[0] != tables[1]:
            return True
        return any(period.learning_rate != period.critic_learning_rate for period in self.reached())

    @property
    def rates_move(self) -> bool:
        """Whether learning rates change within a period."""
        over_kimg = any(isinstance(table, KimgTable) for table in self._rate_tables)
        return over_kimg or self.config.learning_rate_rampup_kimg > 0

    def ends_at(self, period: Period) -> float:
        """The images seen when it ends, with the run if not before."""
        return min(period.start + period.length, self.total_images)

    def rates_at_end(self, period: Period) -> tuple[float, float]:
        """Both learning rates when a period ends."""
        return self._rates(period.size, self.ends_at(period))

    def at(self, images_seen: int) -> Stage:
        """What holds after `images_seen` real images."""
        index = bisect.bisect_left([period.start for period in self.periods], images_seen) - 1
        period = self.periods[max(index, 0)]
        fade_in = (period.into_level + images_seen - period.start) / period.of_level if period.fading else 1.0
        rampup = self.config.learning_rate_rampup_kimg * 1000
        factor = min(images_seen / rampup, 1.0) if rampup > 0 else 1.0
        rate, critic_rate = self._rates(period.size, images_seen)
        settings = {name: self._value(table, period.size, images_seen) for name, table in self.over_kimg.items()}
        return Stage(period, fade_in, rate * factor, critic_rate * factor, settings)


def learning_rate_limit(config: TrainConfig) -> float:
    """Above which no learning rate goes, whatever the tables say."""
    return config.schedule.learning_rate_limit if config.loss.loss == "wgan-gp" else float("inf")
