"""The door for programs: the generator of a run, of a converted network, of an export or of a hub, and its images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from stylegan_tf.errors import UserError, require
from stylegan_tf.evaluation.exported import ExportImages
from stylegan_tf.exports.layout import is_export
from stylegan_tf.hub.address import is_hub_address
from stylegan_tf.hub.read import load_networks
from stylegan_tf.runs.averages import EMA
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.runs.load import LoadedRun
from stylegan_tf.sampling.latents import check_classes, classes_from_seeds, one_hot_labels
from stylegan_tf.sampling.sampler import Sampler


class _Source(Protocol):
    size: tuple[int, int]
    channels: int
    z_size: int
    psi: float
    label_names: tuple[str, ...]
    num_classes: int

    def images(self, seeds: np.ndarray, classes: np.ndarray | None, psi: float) -> np.ndarray:
        """uint8 [N, H, W, channels]."""


class LoadedGenerator:
    """A generator that is ready to draw; made by `load_generator`.

    Attributes:
        size: Height and width of its images.
        channels: 1 grey, 3 RGB, 4 RGBA.
        z_size: Size of the latents.
        num_classes: 0 without labels.
        label_names: Of the classes; empty without, or where an old export does not name them.
        psi: Truncation where none is given: that of its sample grids.
    """

    def __init__(self, source: _Source) -> None:
        self._source = source
        self.size, self.channels, self.z_size = source.size, source.channels, source.z_size
        self.num_classes, self.label_names, self.psi = source.num_classes, source.label_names, source.psi

    def __repr__(self) -> str:
        height, width = self.size
        classes = f", {self.num_classes} classes" if self.num_classes else ""
        return f"<LoadedGenerator of {height}x{width} images with {self.channels} channels{classes}>"

    def images(
        self, seeds: int | Sequence[int] | np.ndarray, psi: float | None = None, classes: Sequence[int] | None = None
    ) -> np.ndarray:
        """Images of seeds. Those of a seed are the same in every order, number and form of the network.

        Args:
            seeds: An integer of 64 bits, or [N].
            psi: Truncation of w: 1 for all the variety, 0 for the mean image; None for the generator's own.
            classes: Numbers [N] of the classes; None for those that the seeds have.

        Returns:
            uint8 [N, H, W, channels]; RGB as Pillow and Matplotlib take it.

        Raises:
            UserError: For no seeds, or classes that there are not.
        """
        numbers = np.atleast_1d(np.asarray(seeds, np.int64))
        if numbers.ndim != 1 or not numbers.size:
            raise UserError(f"seeds must be one or several integers. Received: shape {numbers.shape}.")
        chosen = None
        if self.num_classes:
            chosen = np.asarray(classes_from_seeds(numbers, self.num_classes) if classes is None else classes, np.int64)
            check_classes(chosen, self.num_classes)
        if (classes is not None and not self.num_classes) or (chosen is not None and chosen.shape != numbers.shape):
            raise UserError(
                f"classes must be a number for each of {numbers.size} seeds, of a generator with classes. "
                f"Received: {classes}, with {self.num_classes} classes."
            )
        return self._source.images(numbers, chosen, self.psi if psi is None else float(psi))


class _FromRun:
    def __init__(self, run: LoadedRun) -> None:
        generator, settings = run.generator, run.config.run
        self._sampler = Sampler(generator)
        self._cutoff = settings.truncation_cutoff or None
        self.psi, self.size = settings.truncation_psi, generator.size
        self.channels, self.z_size = generator.channels, generator.z_size
        self.num_classes, self.label_names = run.dataset.num_classes, run.dataset.label_names

    def images(self, seeds: np.ndarray, classes: np.ndarray | None, psi: float) -> np.ndarray:
        labels = None if classes is None else one_hot_labels(classes, self.num_classes)
        return self._sampler.images(seeds, psi, self._cutoff, labels)


def load_generator(path: str | Path, checkpoint: str = "newest", average: str = EMA) -> LoadedGenerator:
    """Loads the averaged generator of a run, of a converted network, of an export, or of a hub.

    Args:
        path: A run's directory; or an export, of which the newest version is taken, or one of its versions; or
            "hf://user/name" or "hf://user/name@revision".
        checkpoint: Of a run: "newest", "best", or a number of kimg.
        average: Of a run: "ema", the average with a half-life; or sigma_rel, such as "0.1", of one by a power function.

    Raises:
        UserError: When none of them is there, or it is damaged; when a hub cannot be reached.
        ImportError: For a hub, without the extra `hub`.

    Example:
        >>> generator = stylegan_tf.load_generator("runs/tiny-stylegan1")
        >>> generator.images([7, 8], psi=0.7).shape
        (2, 32, 32, 3)
    """
    if is_hub_address(path) or RunDirectory(path).config_file.exists():
        return LoadedGenerator(_FromRun(load_networks(path, checkpoint, average)))
    path = Path(path)
    if is_export(path):
        if checkpoint != "newest":
            raise UserError(f"checkpoint belongs to runs; an export has one state. Received: checkpoint={checkpoint}.")
        require(average == EMA, "average belongs to runs; an export has one state", f"average={average}")
        return LoadedGenerator(ExportImages(path))
    raise UserError(
        "path must be the directory of a run, which holds config.json, an export of export.py, or hf://USER/NAME. "
        f"Received: {path}."
    )
