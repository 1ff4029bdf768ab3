"""Sliced Wasserstein distance between the patches of two sets of images, by level of a Laplacian pyramid.

It needs no feature network: small distances at a level mean that details of that size vary alike in both sets.

References: Karras et al., "Progressive Growing of GANs for Improved Quality, Stability, and Variation",
https://arxiv.org/abs/1710.10196, Section 5; Rabin, Peyre, Delon and Bernot, "Wasserstein Barycenter and its Application
to Texture Mixing", SSVM 2011; Burt and Adelson, "The Laplacian Pyramid as a Compact Image Code", 1983.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from stylegan_tf.errors import UserError

PATCH_SIZE = 7  # pixels
SMALLEST_LEVEL = 16  # pixels of the smaller side
_BINOMIAL = np.array([1.0, 4.0, 6.0, 4.0, 1.0], np.float32) / 16.0
_DIRECTIONS_AT_ONCE = 16


def sliced_wasserstein(
    real_batches: Iterable[np.ndarray],
    fake_batches: Iterable[np.ndarray],
    num_images: int,
    patches_per_image: int = 128,
    direction_sets: int = 4,
    directions_per_set: int = 128,
    draw_size: int = 64,
    seed: int = 0,
) -> dict[int, float]:
    """Computes the distance of each level, times 1,000.

    Patches of 7 x 7 pixels are cut at random places of each level; each set and channel of them is brought to mean 0
    and deviation 1. What is kept are the patches: `num_images * patches_per_image * 588` bytes for each set and level
    in colour. How the images are split into batches does not matter.

    Args:
        real_batches: uint8 `[n, height, width, channels]`, sides of 16 pixels or more, of any n; what exceeds
            `num_images` is left alone.
        fake_batches: Likewise, images of the same size.
        num_images: How many of each set take part, at least 1.
        patches_per_image: Patches of each image and level.
        direction_sets: How many times directions are drawn.
        directions_per_set: Directions that patches are projected onto at each draw.
        draw_size: Images whose places are drawn together, level by level; part of what a seed means.
        seed: Of places and directions, from one `np.random.RandomState`.

    Returns:
        The distance by the height of the level in pixels, finest first. Published tables add their mean.

    Raises:
        ValueError: There are too few images, or images are of the wrong type, shape or size.

    Reference: "Progressive Growing of GANs", Section 5: 16,384 images, 128 patches, 4 times 128 directions.
    """
    if num_images < 1:
        raise ValueError(f"num_images must be at least 1. Received: num_images={num_images}.")
    random = np.random.RandomState(seed)
    patches = []
    for batches in (real_batches, fake_batches):
        patches.append(_patches_by_level(batches, num_images, patches_per_image, draw_size, random))
        # Directions are drawn after each set, as in the published program; those after the fakes are used.
        directions = {
            shape: [random_directions(level.shape[1], directions_per_set, random) for _ in range(direction_sets)]
            for shape, level in patches[-1].items()
        }
    real, fake = patches
    if list(real) != list(fake):
        raise ValueError(f"Images of both sets must have one size. Received: levels of {list(real)} and {list(fake)}.")
    distances = {}
    for shape, level_directions in directions.items():
        normalize_patches(real[shape])
        normalize_patches(fake[shape])
        each = [projected_distance(real[shape], fake[shape], chosen) for chosen in level_directions]
        distances[shape[0]] = 1000.0 * float(np.mean(each))
    return distances


def laplacian_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """Splits images into what each halving of the resolution loses, and the small image that is left.

    Args:
        images: Floats `[N, height, width, channels]`.

    Returns:
        The levels, finest first, float32; each has half the sides of the one before, and the last sides that are odd or
        would be below 16 pixels when halved. Each level enlarged and added to the next finer one gives the images back.

    Reference: Burt and Adelson 1983; the filter is the binomial 1 4 6 4 1, edges are mirrored without repeating them.
    """
    levels = []
    rest = np.asarray(images, np.float32)
    while not (rest.shape[1] % 2 or rest.shape[2] % 2) and min(rest.shape[1:3]) // 2 >= SMALLEST_LEVEL:
        smaller = reduce_by_two(rest)
        levels.append(rest - expand_by_two(smaller))
        rest = smaller
    return [*levels, rest]


def reduce_by_two(images: np.ndarray) -> np.ndarray:
    """`[N, H, W, C]` blurred, every second row and column kept: `[N, H / 2, W / 2, C]`."""
    return _blurred(images)[:, ::2, ::2]


def expand_by_two(images: np.ndarray) -> np.ndarray:
    """`[N, H, W, C]` interpolated by the same filter: `[N, 2 H, 2 W, C]`."""
    count, height, width, channels = images.shape
    spread = np.zeros([count, 2 * height, 2 * width, channels], np.float32)
    spread[:, ::2, ::2] = images
    return 4.0 * _blurred(spread)  # three of four pixels are 0


def cut_patches(level: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Cuts patches out of the images of one level.

    Args:
        level: `[N, H, W, C]`.
        places: Centres (x, y) in pixels, 3 or more from every edge, `[N * patches, 2]`; those of an image follow each
            other.

    Returns:
        `[N * patches, C * 49]`, by channel, x and y.
    """
    offsets = np.arange(PATCH_SIZE) - PATCH_SIZE // 2
    numbers = np.repeat(np.arange(len(level)), len(places) // len(level))[:, None, None]
    columns = places[:, 0, None, None] + offsets[:, None]
    rows = places[:, 1, None, None] + offsets
    patches = level[numbers, rows, columns]  # [patches, x, y, C]
    return np.moveaxis(patches, -1, 1).reshape(len(places), -1)


def normalize_patches(patches: np.ndarray) -> None:
    """Brings each channel of a set `[count, C * 49]` to mean 0 and deviation 1, in place; a constant one to 0."""
    by_channel = patches.reshape(len(patches), -1, PATCH_SIZE**2)
    for channel in range(by_channel.shape[1]):
        values = by_channel[:, channel]
        values -= np.mean(values, dtype=np.float64).astype(np.float32)
        values /= max(float(np.std(values)), 1e-8)


def random_directions(size: int, count: int, random: np.random.RandomState) -> np.ndarray:
    """Directions of length 1, evenly distributed: float32 `[size, count]`."""
    directions = random.randn(size, count)
    return (directions / np.linalg.norm(directions, axis=0)).astype(np.float32)


def projected_distance(first: np.ndarray, second: np.ndarray, directions: np.ndarray) -> float:
    """Mean distance of the sorted projections of two sets of equal size, which is their Wasserstein-1 distance.

    Args:
        first: float32 `[count, size]`.
        second: Likewise.
        directions: `[size, directions]`, each of length 1.
    """
    sums = []
    for start in range(0, directions.shape[1], _DIRECTIONS_AT_ONCE):
        chosen = directions[:, start : start + _DIRECTIONS_AT_ONCE].T
        difference = np.sort(chosen @ first.T, axis=1) - np.sort(chosen @ second.T, axis=1)
        sums.append(np.sum(np.mean(np.abs(difference), axis=1, dtype=np.float64)))
    return float(np.sum(sums)) / directions.shape[1]


def _blurred(images: np.ndarray) -> np.ndarray:
    height, width = images.shape[1:3]
    # numpy's "reflect" does not repeat the edge
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)], mode="reflect")
    vertical = np.zeros([len(images), height, *padded.shape[2:]], np.float32)
    for index, weight in enumerate(_BINOMIAL):
        vertical += weight * padded[:, index : index + height]
    both = np.zeros_like(images)
    for index, weight in enumerate(_BINOMIAL):
        both += weight * vertical[:, :, index : index + width]
    return both


def _patches_by_level(
    batches: Iterable[np.ndarray],
    num_images: int,
    patches_per_image: int,
    draw_size: int,
    random: np.random.RandomState,
) -> dict[tuple[int, ...], np.ndarray]:
    """Patches of all images by (height, width, channels) of the level: float32 `[images * patches, C * 49]`."""
    patches: dict[tuple[int, ...], np.ndarray] = {}
    done = 0
    for images in _regrouped(batches, num_images, draw_size):
        for level in laplacian_pyramid(images):
            height, width, channels = shape = level.shape[1:]
            if shape not in patches:
                patches[shape] = np.empty([num_images * patches_per_image, channels * PATCH_SIZE**2], np.float32)
            margin, count = PATCH_SIZE // 2, len(images) * patches_per_image
            x, y = (random.randint(margin, side - margin, size=count) for side in (width, height))
            start = done * patches_per_image
            patches[shape][start : start + count] = cut_patches(level, np.stack([x, y], axis=1))
        done += len(images)
    return patches


def _regrouped(batches: Iterable[np.ndarray], num_images: int, group_size: int) -> Iterator[np.ndarray]:
    """The first `num_images` in groups of one size, the last of what is left."""
    waiting: np.ndarray | None = None
    done = 0
    for batch in batches:
        _check_images(batch, waiting)
        waiting = batch if waiting is None else np.concatenate([waiting, batch])
        waiting = waiting[: num_images - done]
        while len(waiting) >= group_size or (len(waiting) and done + len(waiting) == num_images):
            group, waiting = waiting[:group_size], waiting[group_size:]
            done += len(group)
            yield group
        if done == num_images:
            return
    raise UserError(
        f"Each set must hold {num_images} images. Received: {done + (0 if waiting is None else len(waiting))}."
    )


def _check_images(images: np.ndarray, earlier: np.ndarray | None) -> None:
    if (
        images.dtype != np.uint8
        or images.ndim != 4
        or min(images.shape[1:3]) < SMALLEST_LEVEL
        or (earlier is not None and images.shape[1:] != earlier.shape[1:])
    ):
        raise UserError(
            "Images must be uint8 [n, height, width, channels] of one size, with sides of 16 pixels or more. "
            f"Received: {images.dtype} {images.shape}."
        )
