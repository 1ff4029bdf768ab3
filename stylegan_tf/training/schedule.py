"""The one clock: everything that changes during training, as a function of the number of images seen.

Progressive growing (Karras et al. 2018), section 2 and appendix A.1: each resolution is trained for a while, then
the next one is faded in.
"""

from __future__ import annotations

import bisect
import dataclasses

from stylegan_tf.config import ResolutionTable, ScheduleConfig, TrainConfig
from stylegan_tf.networks.sizes import level_size

WASSERSTEIN_LEARNING_RATE_LIMIT = 0.002  # Karras et al. 2019, appendix C: higher rates need another loss

# Images a step by number of devices and resolution, as published with StyleGAN.
PUBLISHED_BATCH_SIZES = {
    1: "4:128,32:64,64:32,128:16,256:8,512:4",
    2: "4:256,32:128,64:64,128:32,256:16,512:8",
    4: "4:512,32:256,64:128,128:64,256:32,512:16",
    8: "4:512,8:256,16:128,32:64,64:32",
}


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of the schedule.

    Attributes:
      index: position in the schedule.
      level: level of the networks.
      size: image height and width.
      fading: whether the level is being faded in.
      start, length: images seen at its start, and images it lasts; the last phase's length is what remains.
      batch_size: images a step, over all devices.
      learning_rate: of both networks.
    """

    index: int
    level: int
    size: tuple[int, int]
    fading: bool
    start: float
    length: float
    batch_size: int
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class Stage:
    """What holds at one moment: the phase, how far this level is faded in (0 to 1), and the learning rate."""

    phase: Phase
    fade_in: float
    learning_rate: float

    @property
    def level(self) -> int:
        """Level of the networks."""
        return self.phase.level

    @property
    def batch_size(self) -> int:
        """Images a step, over all devices."""
        return self.phase.batch_size


class Schedule:
    """The phases of a run; `at` says where a number of images seen lies in them.

    Args:
      config: the schedule's settings.
      base_size: image height and width at level 0.
      num_levels: number of levels of the networks.
      num_devices: chooses the published batch sizes where the configuration names none.
      learning_rate_limit: no learning rate is higher.
    """

    def __init__(
        self,
        config: ScheduleConfig,
        base_size: tuple[int, int],
        num_levels: int,
        num_devices: int = 1,
        learning_rate_limit: float = float("inf"),
    ) -> None:
        self.config = config
        self.total_images = int(round(config.total_kimg * 1000))
        batch_sizes = config.batch_size or published_batch_sizes(num_devices)
        self.phases: list[Phase] = []
        start = 0.0
        first = next(
            (n for n in range(num_levels) if min(level_size(base_size, n)) >= config.start_resolution), num_levels - 1
        )
        for level in range(first, num_levels):
            size = level_size(base_size, level)
            for fading in ([True, False] if level > first else [False]):
                length = 1000.0 * (config.fade_kimg if fading else config.stage_kimg).at(size)
                if not fading and level == num_levels - 1:
                    length = max(self.total_images - start, 0.0)
                if length > 0:
                    rate = min(config.learning_rate.at(size), learning_rate_limit)
                    batch_size = int(batch_sizes.at(size))
                    self.phases.append(
                        Phase(len(self.phases), level, size, fading, start, length, batch_size, rate)
                    )
                start += length
        if not self.phases:
            raise ValueError("the schedule must have a phase; raise total_kimg or stage_kimg. Received: none.")

    @classmethod
    def from_config(cls, config: TrainConfig, num_levels: int, num_devices: int = 1) -> Schedule:
        """The schedule of a whole configuration; WGAN-GP limits the learning rate."""
        limit = WASSERSTEIN_LEARNING_RATE_LIMIT if config.loss.loss == "wgan-gp" else float("inf")
        return cls(config.schedule, config.base_size, num_levels, num_devices, limit)

    def at(self, images_seen: int) -> Stage:
        """What holds after `images_seen` real images."""
        index = bisect.bisect_left([phase.start for phase in self.phases], images_seen) - 1
        phase = self.phases[max(index, 0)]
        fade_in = (images_seen - phase.start) / phase.length if phase.fading else 1.0
        rampup = self.config.learning_rate_rampup_kimg * 1000
        factor = min(images_seen / rampup, 1.0) if rampup > 0 else 1.0
        return Stage(phase, fade_in, phase.learning_rate * factor)


def published_batch_sizes(num_devices: int) -> ResolutionTable:
    """The published batch sizes for the largest published number of devices that is not above `num_devices`."""
    known = max(number for number in PUBLISHED_BATCH_SIZES if number <= max(num_devices, 1))
    return ResolutionTable.parse(PUBLISHED_BATCH_SIZES[known])
