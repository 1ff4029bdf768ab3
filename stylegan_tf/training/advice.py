"""Whether a training goes wrong in a way that has a name, and what to try: said when it begins, and when it is over."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from PIL import Image

from stylegan_tf.configuration.resolve import ResolvedConfig
from stylegan_tf.images import to_uint8
from stylegan_tf.metrics.ms_ssim import ms_ssim
from stylegan_tf.metrics.sliced_wasserstein import SMALLEST_LEVEL
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.pictures import as_picture
from stylegan_tf.training.actions import IntervalAction, LoopState
from stylegan_tf.training.statistics import StatisticsReader

# Healthy runs of the small presets have mean signs of at most 0.86, scores of 0.5 to 3 either side of zero, and the
# same similarity as the pictures to 0.03 (docs/results.md): these limits are far from that.
_SURE_SIGN = 0.95
_FAR_SCORE = 20.0
_LITTLE_APART = 0.1
_ALIKE = 0.15
_FAR_FROM_TARGET = 0.5  # mean of (norm / target - 1)^2
# Before this share of the run, and this many images, scores settle and images are alike because they are blurred: in a
# healthy run at 32x32 by 0.23 at 4 kimg, and no more at 12.
_SETTLED, _SETTLED_IMAGES = 0.2, 20_000

_IMAGES = 16  # compared pair by pair
_COMPARED_PIXELS = 64


def similarity(images: np.ndarray) -> float:
    """Mean MS-SSIM of all pairs of images, 1 for equal ones, each made no larger than 64 pixels.

    Args:
        images: uint8 [N, H, W, C], sides of 16 pixels or more.
    """
    height, width = images.shape[1:3]
    factor = max(1, min(height, width) // _COMPARED_PIXELS)
    size = (width // factor, height // factor)
    small = [np.asarray(as_picture(image).resize(size, Image.Resampling.BOX)) for image in images]
    stack = np.stack(small).reshape(len(images), size[1], size[0], images.shape[3])
    first, second = zip(*itertools.combinations(range(len(images)), 2), strict=True)
    return float(np.mean(ms_ssim(stack[list(first)], stack[list(second)])))


def advise(means: Mapping[str, float], config: ResolvedConfig, alike: tuple[float, float] | None) -> dict[str, str]:
    """What goes wrong, by a short name, each with a sentence that says what to try.

    Args:
        means: Of what the steps measured.
        config: The run's.
        alike: Similarity of generated images and of pictures; None where it is not known.
    """
    loss = config.loss
    weight = "gradient_penalty_weight" if loss.loss == "wgan-gp" else "r1_gamma"
    found = {}
    if means["real_signs"] >= _SURE_SIGN and config.augment.augment == "off" and loss.loss in ("logistic", "hinge"):
        found["overfitting"] = (
            f"the critic is sure of {0.5 + means['real_signs'] / 2:.0%} of the pictures, and begins to know them by "
            "heart; try --augment=adaptive, or more pictures"
        )
    if alike is not None and alike[0] - alike[1] >= _ALIKE:
        found["collapse"] = (
            f"generated images resemble each other more than the pictures do (MS-SSIM {alike[0]:.2f}, pictures "
            f"{alike[1]:.2f}); try a lower --learning_rate or a larger --{weight}, from an earlier checkpoint"
        )
    apart = means["real_scores"] - means["fake_scores"]
    if loss.loss == "wgan-gp":
        if means["gradient_penalty"] > _FAR_FROM_TARGET:
            found["weak penalty"] = (
                f"the critic's gradients are far from {loss.gradient_penalty_target:g}; try a larger --{weight}"
            )
    elif loss.loss != "wasserstein":
        if abs(means["real_scores"]) + abs(means["fake_scores"]) > 2 * _FAR_SCORE:
            found["weak penalty"] = (
                f"scores run away ({means['real_scores']:.0f} and {means['fake_scores']:.0f}); try a larger --{weight}"
            )
        elif abs(apart) < _LITTLE_APART and loss.loss != "relativistic":
            found["strong penalty"] = (
                f"the critic hardly tells generated images from pictures (scores differ by {apart:.2f}); "
                f"try a smaller --{weight}"
            )
    return found


class Advice(IntervalAction):
    """Looks for what has a name at every sample grid, and says so once, and once when it is over.

    Args:
        config: The run's.
        statistics: Of the steps.
        sample: Picks so many pictures, uint8 [N, H, W, C] at full resolution, and their labels.
        writer: The summary writer.
        tell: Is given lines for the log.
    """

    def __init__(
        self,
        config: ResolvedConfig,
        statistics: StatisticsReader,
        sample: Callable[[int], tuple[np.ndarray, np.ndarray]],
        writer: tf.summary.SummaryWriter,
        tell: Callable[[str], None],
    ) -> None:
        super().__init__(config.run.grid_interval_kimg)
        self.config = config
        self.statistics = statistics
        self.sample = sample
        self.writer = writer
        self.tell = tell
        self._of_reals = float("nan")
        self._told: dict[str, str] = {}

    def _work(self, loop: LoopState) -> None:
        means = self.statistics.means()
        last = loop.schedule.periods[-1]
        if loop.images_seen < max(_SETTLED * loop.schedule.total_images, _SETTLED_IMAGES, last.start):
            return
        found = advise(means, self.config, self._similarities(loop))
        lines = [f"Advice: {text}." for name, text in found.items() if name not in self._told]
        lines += [f"Advice: no more {name}." for name in self._told if name not in found]
        for line in lines:
            self.tell(line)
        if lines:
            with self.writer.as_default(step=loop.images_seen):
                tf.summary.text("run/advice", "\n\n".join(lines))
        self._told = found

    def _similarities(self, loop: LoopState) -> tuple[float, float] | None:
        generator = GeneratorAtLevel(loop.state.generator_ema)
        if min(generator.full_size) < SMALLEST_LEVEL:
            return None
        if np.isnan(self._of_reals):
            self._of_reals = similarity(self.sample(_IMAGES)[0])
        latents = tf.random.stateless_normal([_IMAGES, generator.z_size], [self.config.run.seed % 2**31, 2])
        count = generator.num_classes
        labels = tf.one_hot(tf.range(_IMAGES) % count, count) if count else None
        images = to_uint8(generator.synthesize(generator.map(latents, labels)))
        return similarity(images.numpy()), self._of_reals
