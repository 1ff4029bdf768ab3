"""Actions that belong to augmentation: moving its strength, and showing what the critic sees."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from stylegan_tf.augment.base import AnyAugmentation
from stylegan_tf.augment.strength import adjusted_strength
from stylegan_tf.configuration.resolve import ResolvedAugment
from stylegan_tf.configuration.sections import RunConfig
from stylegan_tf.images import save_png, to_float, to_uint8
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.actions import Action, LoopState, crosses
from stylegan_tf.training.draws import draw_augmentation_pair, step_key
from stylegan_tf.training.grid_actions import readable_grid
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.summaries import write_picture

_GRID_STREAM = 100  # beside those of the phases


class AugmentationControl(Action):
    """Moves the strength so that the critic's mean sign on reals comes to its target.

    It adds up signs on the device, in the state, and does not wait for a step. What it divides by, and when it
    adjusts, follows from the steps that it really added up: an interval goes on where the schedule changes the
    resolution and the batch size.

    Args:
        settings: With nothing left open (`configuration.resolve`).
        begin: Images seen from which on it does so. A critic of a growing network wins early at small resolutions,
            which its signs cannot tell from overfitting.

    Reference: Karras et al. 2020 (ADA), section 3.1.
    """

    def __init__(self, settings: ResolvedAugment, begin: float = 0.0) -> None:
        self.settings = settings
        self.begin = begin
        self._add_on_device = tf.function(self._add, autograph=False)

    def due(self, before: int, now: int) -> bool:
        """After every step that began where it may adjust."""
        return before >= self.begin

    def run(self, loop: LoopState) -> None:
        """Adds the step's signs, and adjusts the strength when the interval is over."""
        images = tf.constant(loop.stage.batch_size, tf.int64)
        self._add_on_device(loop.state, loop.report["real_signs"], images)

    def _add(self, state: TrainState, sign_mean: tf.Tensor, batch: tf.Tensor) -> None:
        # A sum without a count comes from a checkpoint of a version that kept none: nobody knows of how many steps.
        before = tf.where(state.sign_steps > 0, state.sign_sum, 0.0)
        total = before + sign_mean * tf.cast(batch, tf.float32)
        steps, images = state.sign_steps + 1, state.sign_images + batch
        mean = tf.cast(total, tf.float64) / tf.cast(images, tf.float64)
        adjusted = adjusted_strength(
            state.augment_p, mean, target=self.settings.augment_target, images=images, kimg=self.settings.augment_kimg
        )
        over = steps >= self.settings.augment_interval
        state.augment_p.assign(tf.where(over, adjusted, state.augment_p))
        state.sign_sum.assign(tf.where(over, 0.0, total))
        state.sign_steps.assign(tf.where(over, tf.zeros_like(steps), steps))
        state.sign_images.assign(tf.where(over, tf.zeros_like(images), images))


class AugmentedReals(Action):
    """Draws the same reals as the critic sees them now, as PNG and in TensorBoard.

    Args:
        settings: Tell interval and seed.
        augmentation: Of the run.
        reals: uint8 [N, H, W, C].
        directory: Where the PNG goes; the newest replaces the one before.
        writer: The summary writer.
    """

    def __init__(
        self,
        settings: RunConfig,
        augmentation: AnyAugmentation,
        reals: np.ndarray,
        directory: RunDirectory,
        writer: tf.summary.SummaryWriter,
    ) -> None:
        self.settings = settings
        self.reals = reals
        self.augmentation = augmentation
        self.path = directory.samples / "augmented_reals.png"
        self.writer = writer
        self._augment = tf.function(
            lambda images, draws, p: to_uint8(augmentation(to_float(images), draws, p)), autograph=False
        )

    def due(self, before: int, now: int) -> bool:
        """With the sample grids."""
        return crosses(before, now, self.settings.grid_interval_kimg)

    def run(self, loop: LoopState) -> None:
        """Draws and writes."""
        key = step_key(self.settings.seed, tf.constant(loop.images_seen, tf.int64), 0, _GRID_STREAM)
        draws, _ = draw_augmentation_pair(self.augmentation, key, len(self.reals), self.reals.shape[1:])
        grid = readable_grid(self._augment(self.reals, draws, loop.state.augment_p).numpy())
        save_png(self.path, grid)
        with self.writer.as_default(step=loop.images_seen):
            write_picture("images/augmented_reals", grid, "The same pictures as the critic sees them at this moment.")
