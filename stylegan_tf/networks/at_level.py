"""A generator at the resolution that its training has come to: what drawing, measuring and serving work with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stylegan_tf.networks.generator import Generator
from stylegan_tf.networks.sizes import checked_level
from stylegan_tf.networks.styles import truncate


class GeneratorAtLevel:
    """A generator, the level that it runs at, and how far that level is faded in.

    Its weights are read at every call, so that it may be one in training.

    Args:
        generator: Built.
        level: The resolution; None for the largest, the only one of a network that does not grow.
        fade_in: Share of this level's image, in [0, 1], a number or a scalar tensor; None when it is fully grown.

    Attributes:
        network: The generator.
        size: Height and width of the images.
        full_size: Height and width of those of the last level.
        channels: Of the images.
        z_size, w_size: Sizes of the latents.
        num_ws: Layers that take part, each with a w of its own.
        num_classes: Size of the one-hot labels; 0 without.
        has_noise, has_styles: Whether layers add noise, and whether each has a style.

    Raises:
        ValueError: For a level that the generator does not have.
    """

    def __init__(self, generator: Generator, level: int | None = None, fade_in: Any = None) -> None:
        synthesis, mapping = generator.synthesis, generator.mapping
        self.network = generator
        self.level = checked_level(level, synthesis.num_levels, synthesis.grows)
        self.fade_in = fade_in
        self.size: tuple[int, int] = synthesis.size(self.level)
        self.full_size: tuple[int, int] = synthesis.size(synthesis.num_levels - 1)
        self.channels: int = synthesis.channels
        self.z_size: int = generator.z_size
        self.w_size: int = mapping.output_size
        self.num_ws: int = synthesis.active_ws(self.level)
        self.num_classes: int = mapping.num_classes
        self.has_noise: bool = synthesis.has_noise
        self.has_styles: bool = synthesis.has_styles

    @property
    def noise_sizes(self) -> list[tuple[int, int]]:
        """Height and width of each noise image that takes part."""
        return self.network.synthesis.noise_sizes(self.level)

    def size_of_w(self, index: int) -> tuple[int, int]:
        """Height and width of the features that a w, counted from 0, styles."""
        synthesis = self.network.synthesis
        return synthesis.size(synthesis.level_of_w(index))

    def map(self, z: Any, labels: Any = None) -> Any:
        """z [N, z_size], and one-hot labels where there are classes, to ws [N, num_ws, w_size], not truncated."""
        return self.network.map(z, labels)[:, : self.num_ws]

    def truncate(self, ws: Any, psi: Any, cutoff: int | None = None) -> Any:
        """ws moved towards their average, see `networks.styles.truncate`."""
        return truncate(ws, self.network.w_average, psi, cutoff)

    def synthesize(self, ws: Any, noise: str | Sequence[Any] = "fixed") -> Any:
        """ws [N, num_ws, w_size] to images [N, H, W, channels] float32, about [-1, 1].

        Args:
            ws: Of `map`.
            noise: "fixed", the generator's own; "none"; or tensors [N, H, W, 1] of the sizes of `noise_sizes`.
        """
        return self.network.synthesis(ws, level=self.level, fade_in=self.fade_in, noise=noise)
