"""How a training stands, for whoever looks at its terminal or its log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from stylegan_tf import live
from stylegan_tf.evaluation.results import Result, best, number
from stylegan_tf.progress import format_seconds
from stylegan_tf.training.actions import Action, LoopState
from stylegan_tf.training.statistics import StatisticsReader

if TYPE_CHECKING:
    from rich.console import RenderableType


class Status(Action):
    """How the training stands: a few rows at the end of a terminal, and a log line every so many seconds.

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
        self.live = live.is_live()
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
        words = self._words(loop, statistics)
        if self.live:
            live.show(self._rows(loop, words))
        if not self.live or now - self._last_logged >= self.log_interval_s:
            self._last_logged = now
            self.log(words.line())

    def text(self, loop: LoopState, statistics: Mapping[str, float]) -> str:
        """The line of a log."""
        return self._words(loop, statistics).line()

    def _words(self, loop: LoopState, statistics: Mapping[str, float]) -> _Words:
        period = loop.stage.period
        fading = f" fading in {loop.stage.fade_in:4.0%}" if period.fading else ""
        return _Words(
            size=f"{period.size[0]}x{period.size[1]}{fading}",
            kimg=f"{loop.images_seen / 1000:.1f} of {self.total_images / 1000:g}",
            speed=f"{loop.images_per_second:.0f} images/s",
            losses=f"critic {statistics['critic_loss']:.2f} generator {statistics['generator_loss']:.2f}",
            augment=f"augment {float(loop.state.augment_p.numpy()):.3f}" if self.show_augmentation else "",
            left=f"{format_seconds(time_left(loop, self.total_images))} left",
        )

    def _rows(self, loop: LoopState, words: _Words) -> RenderableType:
        from rich.console import Group

        rows: list[Any] = [
            live.Bar(words.size, loop.images_seen / self.total_images, f"{words.kimg} kimg"),
            live.Row([words.speed, words.left, words.losses, words.augment]),
        ]
        if loop.scores:
            rows.append(_course(loop.scores))
        return Group(*rows)


class _Words(NamedTuple):
    """What a line and the rows of a terminal tell alike."""

    size: str
    kimg: str
    speed: str
    losses: str
    augment: str
    left: str

    def line(self) -> str:
        """All of them, for a log."""
        kimg = f"kimg {self.kimg}"
        return " | ".join(filter(None, (self.size, kimg, self.speed, self.losses, self.augment, self.left)))


def _course(scores: Sequence[Result]) -> live.Sparkline:
    """The first metric's newest value, those before, and the best."""
    newest, name = scores[-1], scores[-1].protocol
    top = best(scores, name)
    numbers = "" if top is None else f"best {number(top.value)} at {(top.images_seen or 0) / 1000:g} kimg"
    return live.Sparkline(
        f"{name} {number(newest.value)}", [score.value for score in scores if math.isfinite(score.value)], numbers
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
