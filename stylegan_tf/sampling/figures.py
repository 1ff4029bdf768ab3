"""Figures of what a generator has learned: each function gives uint8 pictures that explain themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from stylegan_tf.images import enlarge
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.sampling.sampler import Noise, Sampler
from stylegan_tf.sampling.sheet import readable_scale, sheet

PSIS = (1.0, 0.9, 0.7, 0.5, 0.0, -0.5)
SMALLEST_FRAME = 256  # pixels


def grid(
    images: np.ndarray, captions: Sequence[str] = (), columns: int | None = None, scale: int | None = None
) -> np.ndarray:
    """Images beside and below each other, each with its caption.

    Args:
        images: uint8 [N, H, W, channels].
        captions: One an image, or none.
        columns: Images in a row; None makes the grid about square.
        scale: Factor by which images are enlarged; None for one that makes small images readable.

    Returns:
        uint8 [height, width, channels].
    """
    columns = min(columns or math.ceil(math.sqrt(len(images))), len(images))
    rows = math.ceil(len(images) / columns)
    cells = np.full((rows * columns, *images.shape[1:]), 255, np.uint8)
    cells[: len(images)] = images
    return sheet(cells.reshape(rows, columns, *images.shape[1:]), cell_captions=captions, scale=scale)


def truncation(
    sampler: Sampler,
    ws: np.ndarray,
    captions: Sequence[str],
    psis: Sequence[float] = PSIS,
    cutoff: int | None = None,
    noise: Noise = "fixed",
    scale: int | None = None,
) -> np.ndarray:
    """One row for each ws, one column for each psi.

    Karras et al. 2019 (StyleGAN), appendix B, figure 8.

    Args:
        sampler: Makes the images.
        ws: [N, num_ws, w_size], not truncated.
        captions: Of the rows.
        psis: Of the columns; 0 is the average, a negative psi the opposite.
        cutoff: Layers, from the first, that are truncated; None for all.
        noise: "fixed", "none", or a seed a row.
        scale: As of `grid`.

    Returns:
        uint8 [height, width, channels].
    """
    rows, columns = len(ws), len(psis)
    repeated = np.repeat(ws, columns, axis=0)
    truncated = sampler.truncate(repeated, np.tile(np.asarray(psis, np.float32), rows), cutoff)
    images = sampler.synthesize(truncated, noise if isinstance(noise, str) else np.repeat(noise, columns))
    return sheet(_cells(images, rows, columns), captions, [f"psi {psi:g}" for psi in psis], scale=scale)


def style_layers(num_levels: int) -> dict[str, range]:
    """The layers of the coarse, middle and fine styles.

    Karras et al. 2019 (StyleGAN), section 3.1 names 4-8, 16-32 and 64-1024 of nine resolutions; smaller
    networks are split in the same proportion. A network of one resolution has coarse styles only.
    """
    ends = [0, max(1, round(num_levels * 2 / 9)), max(1, round(num_levels * 4 / 9)), num_levels]
    named = zip(("coarse", "middle", "fine"), ends, ends[1:], strict=False)
    return {name: range(2 * start, 2 * end) for name, start, end in named if end > start}


def style_mixing(
    sampler: Sampler,
    top_ws: np.ndarray,
    left_ws: np.ndarray,
    top_captions: Sequence[str],
    left_captions: Sequence[str],
    layers: Mapping[str, range],
    noise: Noise = "fixed",
    scale: int | None = None,
) -> np.ndarray:
    """Images with some layers' styles from the image at the top of the column and the others from the row's.

    Karras et al. 2019 (StyleGAN), section 3.1, figure 3.

    Args:
        sampler: Makes the images.
        top_ws, left_ws: [N, num_ws, w_size] and [M, num_ws, w_size], the sources; they are shown in the first row and
            the first column.
        top_captions, left_captions: Of the sources.
        layers: Layers that are taken from the top, by the name that the rows show; every entry adds M rows.
        noise: "fixed", "none", or M seeds, those of the left sources; the top sources are then shown with fixed noise.
        scale: As of `grid`.

    Returns:
        uint8 [height, width, channels].
    """
    blocks = []
    for chosen in layers.values():
        mixed = np.repeat(left_ws[:, None], len(top_ws), axis=1)  # [M, N, num_ws, w_size]
        mixed[:, :, list(chosen)] = top_ws[None, :, list(chosen)]
        blocks.append(mixed.reshape(-1, *left_ws.shape[1:]))
    noise_of_left = noise if isinstance(noise, str) else np.asarray(noise)
    noise_of_mixed = noise_of_left
    if not isinstance(noise_of_left, str):
        noise_of_mixed = np.tile(np.repeat(noise_of_left, len(top_ws)), len(layers))
    top = sampler.synthesize(top_ws, noise if isinstance(noise, str) else "fixed")
    left = sampler.synthesize(left_ws, noise_of_left)
    mixed_images = sampler.synthesize(np.concatenate(blocks), noise_of_mixed)

    rows, columns = len(layers) * len(left_ws), len(top_ws)
    cells = np.full((rows + 1, columns + 1, *top.shape[1:]), 255, np.uint8)
    cells[0, 1:] = top
    cells[1:, 0] = np.tile(left, (len(layers), 1, 1, 1))
    cells[1:, 1:] = _cells(mixed_images, rows, columns)
    row_captions = [f"{name}\n{caption}" for name in layers for caption in left_captions]
    corner = "top: these\nlayers' styles\nleft: the rest"
    return sheet(cells, ["", *row_captions], ["", *top_captions], corner=corner, scale=scale)


def noise(
    sampler: Sampler,
    ws: np.ndarray,
    captions: Sequence[str],
    columns: int = 4,
    realisations: int = 100,
    scale: int | None = None,
) -> np.ndarray:
    """One row for each ws: without noise, with several noises, and how much each pixel varies with the noise.

    Karras et al. 2019 (StyleGAN), section 3.2, figure 4. The grey picture is the standard deviation of a pixel over
    the realisations, averaged over the channels; its white is the largest one of the figure,
    which the caption gives in steps of 255.

    Args:
        sampler: Makes the images.
        ws: [N, num_ws, w_size].
        captions: Of the rows.
        columns: Number of noises that are shown, those of the seeds 0, 1, ...
        realisations: Number of noises that are measured.
        scale: As of `grid`.

    Returns:
        uint8 [height, width, channels].
    """
    with_noise = sampler.synthesize(np.repeat(ws, columns, axis=0), np.tile(np.arange(columns), len(ws)))
    without = sampler.synthesize(ws, "none")
    deviations = np.stack([noise_stddev(sampler, w, realisations) for w in ws])
    largest = float(deviations.max())
    grey = np.round(deviations * (255.0 / largest if largest else 0.0)).astype(np.uint8)[..., None]
    channels = without.shape[-1]
    if channels == 4:
        grey = np.concatenate([np.repeat(grey, 3, axis=-1), np.full_like(grey, 255)], axis=-1)
    grey = np.broadcast_to(grey, without.shape)
    cells = np.concatenate([without[:, None], _cells(with_noise, len(ws), columns), grey[:, None]], axis=1)
    names = ["no noise", *(f"noise {index}" for index in range(columns)), f"deviation\nwhite: {largest:.1f}"]
    return sheet(cells, captions, names, scale=scale)


def noise_stddev(sampler: Sampler, w: np.ndarray, realisations: int = 100) -> np.ndarray:
    """Standard deviation of each pixel over noises, in steps of 255 and averaged over the channels.

    Args:
        sampler: Makes the images.
        w: [num_ws, w_size].
        realisations: Number of noises, those of the seeds 0, 1, ...

    Returns:
        float64 [H, W].
    """
    total, squares = 0, 0  # whole numbers, so that equal images have a deviation of exactly zero
    ws = np.broadcast_to(w, (realisations, *w.shape))
    for images in sampler.synthesize_batches(ws, np.arange(realisations)):
        wide = images.astype(np.int64)
        total, squares = total + wide.sum(axis=0), squares + np.square(wide).sum(axis=0)
    variance = (realisations * squares - np.square(total)) / realisations**2
    return np.sqrt(variance).mean(axis=-1)


def interpolation(sampler: Sampler, path: np.ndarray, noise: Noise = "fixed", scale: int | None = None) -> np.ndarray:
    """The frames of an animation along a path of ws.

    Args:
        sampler: Makes the images.
        path: [frames, num_ws, w_size], such as `loop_through` gives.
        noise: "fixed", "none", or the seed of one noise for all frames, in a sequence.
        scale: Factor by which frames are enlarged; None for one that makes small frames readable.

    Returns:
        uint8 [frames, height, width, channels].
    """
    if not isinstance(noise, str):
        noise = np.broadcast_to(noise, len(path))
    images = sampler.synthesize(path, noise)
    return enlarge(images, readable_scale(sampler.size, SMALLEST_FRAME) if scale is None else scale)


def describe_layers(layers: range, generator: GeneratorAtLevel) -> str:
    """The resolutions of a generator's layers, such as "4x4-8x8"."""
    first, last = (generator.size_of_w(layer) for layer in (layers[0], layers[-1]))
    texts = [f"{height}x{width}" for height, width in (first, last)]
    return texts[0] if first == last else "-".join(texts)


def _cells(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return images.reshape(rows, columns, *images.shape[1:])
