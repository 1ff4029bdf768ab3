"""The action that draws sample grids, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from stylegan_tf.configuration.schedule import Stage
from stylegan_tf.configuration.sections import RunConfig
from stylegan_tf.images import enlarge, image_grid, save_animation, save_png, to_uint8
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.networks.generator import Generator
from stylegan_tf.ops.resample import upsample_nearest_to
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.actions import IntervalAction, LoopState
from stylegan_tf.training.devices import rounding_allowed
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.summaries import write_picture

GRID_COLUMNS = 8
SMALLEST_GRID_PIXELS = 512
LARGEST_FRAME_PIXELS = 1024
FRAME_MS = 250


class SampleGrid(IntervalAction):
    """Draws the averaged generator's images of the same latents and the same noise, as PNG and in TensorBoard.

    Args:
        settings: Tell interval, truncation and seed.
        generator: Tells the size of its latents, and the classes, through which rows cycle.
        directory: Where the PNGs go.
        writer: The summary writer.
    """

    def __init__(
        self, settings: RunConfig, generator: Generator, directory: RunDirectory, writer: tf.summary.SummaryWriter
    ) -> None:
        super().__init__(settings.grid_interval_kimg)
        self.settings = settings
        self.directory = directory
        self.writer = writer
        count = GRID_COLUMNS**2
        seed = [settings.seed % 2**31, 1]
        self.latents = tf.random.stateless_normal([count, generator.z_size], seed)
        num_classes = generator.mapping.num_classes
        classes = tf.range(count) // GRID_COLUMNS % max(num_classes, 1)
        self.labels = tf.one_hot(classes, num_classes) if num_classes else None
        self._compiled: dict[int, Any] = {}

    def _work(self, loop: LoopState) -> None:
        images = self.images(loop.state, loop.schedule.at(loop.images_seen))
        grid = readable_grid(images)
        save_png(self.directory.sample_grid(loop.images_seen), grid)
        with self.writer.as_default(step=loop.images_seen):
            write_picture("images/generator_ema", grid, "The averaged generator's images, always of the same latents.")
        self.writer.flush()

    def finish(self, loop: LoopState) -> None:
        """Draws the last grid, and joins all to an animation."""
        super().finish(loop)
        write_progress_animation(self.directory)

    def images(self, state: TrainState, stage: Stage) -> np.ndarray:
        """uint8 [64, H, W, C] at full resolution: what this stage makes, enlarged."""
        if stage.level not in self._compiled:
            self._compiled[stage.level] = tf.function(
                lambda latents, labels, fade_in: self._generate(state, stage.level, latents, labels, fade_in),
                autograph=False,
            )
        generate, rows = self._compiled[stage.level], []
        for start in range(0, len(self.latents), GRID_COLUMNS):
            part = slice(start, start + GRID_COLUMNS)
            labels = None if self.labels is None else self.labels[part]
            with rounding_allowed(False):
                rows.append(generate(self.latents[part], labels, tf.constant(stage.fade_in, tf.float32)).numpy())
        return np.concatenate(rows)

    def _generate(self, state: TrainState, level: int, latents: Any, labels: Any, fade_in: Any) -> Any:
        generator = GeneratorAtLevel(state.generator_ema, level, fade_in)
        cutoff = self.settings.truncation_cutoff or None
        ws = generator.truncate(generator.map(latents, labels), self.settings.truncation_psi, cutoff)
        return to_uint8(upsample_nearest_to(generator.synthesize(ws), generator.full_size[0]))


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
