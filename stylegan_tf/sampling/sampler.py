"""Images from a trained generator."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from stylegan_tf.batches import BatchFunction
from stylegan_tf.errors import UserError
from stylegan_tf.images import to_uint8
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.sampling.latents import latents_from_seeds, noise_from_seeds

# "fixed" is each layer's own noise image, "none" no noise; numbers [N] are seeds, one an image.
Noise = str | Sequence[int] | np.ndarray

_MAPPING_BATCH = 16
_PIXELS_IN_A_BATCH = 2**18
_LARGEST_DEFAULT_BATCH = 32


class Sampler:
    """Generates uint8 images that depend on their own seed, label, psi and noise, and on nothing else.

    Matrix products round differently in batches of other sizes, which shows in a few pixels by one step of 255. So
    networks always run on batches of the same size, the last one filled up. With one `batch_size` images are
    equal to the bit in whatever number and order they are asked for. On a CPU they were also measured equal over
    all values of `batch_size`; a GPU may choose another algorithm for another size.

    Args:
        generator: The generator; its weights are read at every call.
        batch_size: Images that the synthesis network runs on at a time, on each device (at least 2: a matrix of one row
            is multiplied by another routine); None for a size that suits the resolution.
        strategy: Its devices share the images; the generator must have been made in its scope. None for one device.
        latents: Gives z of seeds and the size of z.

    Attributes:
        size: Height and width of the images.

    Raises:
        ValueError: For a batch size below 1.
    """

    def __init__(
        self,
        generator: GeneratorAtLevel,
        batch_size: int | None = None,
        strategy: tf.distribute.Strategy | None = None,
        latents: Callable[[Any, int], Any] = latents_from_seeds,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise UserError(f"batch_size must be 1 or more. Received: batch_size={batch_size}.")
        self.generator = generator
        self._latents = latents
        self.size = generator.size
        fitting = min(_PIXELS_IN_A_BATCH // (self.size[0] * self.size[1]), _LARGEST_DEFAULT_BATCH)
        self.batch_size = max(fitting if batch_size is None else batch_size, 2)
        self._map = BatchFunction(generator.map, _MAPPING_BATCH, strategy)
        self._synthesize = {
            noise: BatchFunction(functools.partial(self._pixels, noise), self.batch_size, strategy)
            for noise in ("fixed", "none", "seeds")
        }
        self._synthesize_float = BatchFunction(
            functools.partial(self._synthesize_batch, "fixed"), self.batch_size, strategy
        )

    def map(self, z: Any, labels: Any = None) -> np.ndarray:
        """z [N, z_size], and one-hot labels [N, num_classes] where there are classes, to ws [N, num_ws, w_size].

        Raises:
            ValueError: When labels are missing, or are given to a network without classes.
        """
        num_classes = self.generator.num_classes
        if (labels is None) != (num_classes == 0):
            received = None if labels is None else np.shape(labels)
            raise UserError(f"labels must be one-hot for {num_classes} classes, None for 0. Received: {received}.")
        inputs = [np.asarray(z, np.float32)] + ([] if labels is None else [np.asarray(labels, np.float32)])
        return self._map.whole(*inputs)

    def truncate(self, ws: np.ndarray, psi: Any, cutoff: int | None = None) -> np.ndarray:
        """See `networks.styles.truncate`."""
        return np.asarray(self.generator.truncate(tf.convert_to_tensor(ws), psi, cutoff))

    def z(self, seeds: Any) -> np.ndarray:
        """The latents of seeds: float32 [N, z_size]."""
        return np.asarray(self._latents(seeds, self.generator.z_size))

    def ws(
        self, seeds: Any, truncation_psi: Any = None, truncation_cutoff: int | None = None, labels: Any = None
    ) -> np.ndarray:
        """The ws of seeds: float32 [N, num_ws, w_size]; arguments as of `images`."""
        ws = self.map(self.z(seeds), labels)
        return ws if truncation_psi is None else self.truncate(ws, truncation_psi, truncation_cutoff)

    def synthesize(self, ws: np.ndarray, noise: Noise = "fixed") -> np.ndarray:
        """Images of ws [N, num_ws, w_size]: uint8 [N, H, W, channels]; noise as of `images`."""
        return np.concatenate(list(self.synthesize_batches(ws, noise)))

    def synthesize_batches(self, ws: np.ndarray, noise: Noise = "fixed") -> Iterator[np.ndarray]:
        """`synthesize`, by batches."""
        if isinstance(noise, str):
            if noise not in ("fixed", "none"):
                raise UserError(f"noise must be 'fixed', 'none' or seeds. Received: noise={noise!r}.")
            return self._synthesize[noise](ws)
        noise_seeds = np.asarray(noise, np.int64)
        if noise_seeds.shape != (len(ws),):
            raise UserError(f"noise must be a seed for each of {len(ws)} images. Received: shape {noise_seeds.shape}.")
        return self._synthesize["seeds"](ws, noise_seeds)

    def synthesize_float(self, ws: np.ndarray) -> np.ndarray:
        """Images of ws [N, num_ws, w_size] as the network gives them, about -1 to 1: float32 [N, H, W, channels].

        With the noise that belongs to the generator.
        """
        return self._synthesize_float.whole(ws)

    def images(
        self,
        seeds: Any,
        truncation_psi: Any = None,
        truncation_cutoff: int | None = None,
        labels: Any = None,
        noise: Noise = "fixed",
    ) -> np.ndarray:
        """Images of seeds.

        Args:
            seeds: Integers [N], of 64 bits.
            truncation_psi: Scalar or [N]; None leaves w as it is.
            truncation_cutoff: Layers, from the first, that are truncated; None for all.
            labels: One-hot [N, num_classes]; needed when there are classes.
            noise: "fixed", the noise that belongs to the generator; "none"; or integers [N], the seeds of each
                image's own noise.

        Returns:
            uint8 [N, H, W, channels].

        Raises:
            ValueError: For no seeds, or arguments that do not fit.
        """
        return self.synthesize(self.ws(seeds, truncation_psi, truncation_cutoff, labels), noise)

    def _pixels(self, noise: str, ws: tf.Tensor, seeds: tf.Tensor | None = None) -> tf.Tensor:
        return to_uint8(self._synthesize_batch(noise, ws, seeds))

    def _synthesize_batch(self, noise: str, ws: tf.Tensor, seeds: tf.Tensor | None = None) -> tf.Tensor:
        chosen: Any = noise if seeds is None else noise_from_seeds(seeds, self.generator.noise_sizes)
        return self.generator.synthesize(ws, chosen)
