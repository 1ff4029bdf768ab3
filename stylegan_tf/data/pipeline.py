"""Batches of real images as a function of the number of images seen: no shuffle buffer, no state to save.

Sample number i (counted from 0 over the whole training) is decided by the seed and i alone. Every epoch is a
new permutation of the set, so a run that stops and reads on from its `images_seen` gets the very next batch,
whatever the batch sizes before and after.
"""

import functools
import weakref

import numpy as np
import tensorflow as tf

from stylegan_tf.data.sources import ImageSet

# The first epoch of the order that `sample` takes from, beyond any that training reaches.
_SAMPLE_EPOCH = 2**63
_PYRAMID_CHUNK_BYTES = 2**24


def image_pyramid(images: np.ndarray, num_levels: int) -> list[np.ndarray]:
    """Halves images again and again by averaging 2x2 pixels.

    As in the published training data, the averages are not rounded on the way: level k is the mean over
    `2^k x 2^k` pixels of the full image, rounded to the nearest integer (half to even).

    Args:
        images: uint8, `[N, height, width, channels]`.
        num_levels: Number of levels, at least 1 and at most 9.

    Returns:
        uint8 arrays `[N, height / 2^k, width / 2^k, channels]` for k = 0 .. num_levels - 1; the first is
        `images`.

    Raises:
        ValueError: the sides cannot be halved so many times.

    Reference: Karras et al., "Progressive Growing of GANs", https://arxiv.org/abs/1710.10196, Section 2.
    """
    height, width = images.shape[1:3]
    factor = 2 ** (num_levels - 1) if 1 <= num_levels <= 9 else 0
    if not factor or height % factor or width % factor:
        raise ValueError(
            "num_levels must be from 1 to 9, and height and width must be multiples of 2^(num_levels - 1). "
            f"Received: num_levels={num_levels}, height={height}, width={width}."
        )
    levels = [images] + [
        np.empty((len(images), height >> level, width >> level, images.shape[3]), np.uint8)
        for level in range(1, num_levels)
    ]
    chunk = max(1, _PYRAMID_CHUNK_BYTES // images[0].size)
    for start in range(0, len(images) if num_levels > 1 else 0, chunk):
        mean = images[start : start + chunk].astype(np.float32)
        for level in levels[1:]:
            # Exact in float32: sums of at most 4^8 bytes, divided by powers of two.
            mean = mean[:, 0::2, 0::2] + mean[:, 0::2, 1::2] + mean[:, 1::2, 0::2] + mean[:, 1::2, 1::2]
            mean *= 0.25
            level[start : start + chunk] = np.rint(mean)
    return levels


@functools.lru_cache(maxsize=4)
def _epoch_order(seed: int, epoch: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Permutation of `size` images and one coin for each place in it.

    Made from the raw numbers of a counter-based generator, which NumPy promises never to change, and a stable
    sort.
    """
    raw = np.random.Philox(key=np.array([seed, epoch], np.uint64)).random_raw(2 * size)
    return np.argsort(raw[:size], kind="stable"), (raw[size:] & 1).astype(bool)


def _draw(seed: int, position: int, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Image indices and coins of the samples number `position` to `position + count - 1`, across epochs."""
    indices, coins = [], []
    while count:
        epoch, rank = divmod(position, size)
        order, coin = _epoch_order(seed, epoch, size)
        taken = min(count, size - rank)
        indices.append(order[rank : rank + taken])
        coins.append(coin[rank : rank + taken])
        position, count = position + taken, count - taken
    return np.concatenate(indices), np.concatenate(coins)


class ImagePipeline:
    """Reads batches of real images at any level of their pyramid, from any position.

    Levels are named by the number of halvings: 0 is the full size. The pyramid is held in memory and adds
    up to a third to the image set.

    Args:
        image_set: The real images.
        num_levels: Number of levels that will be asked for, at least 1.
        seed: Decides the order and the mirroring, from 0 to 2^63 - 1.
        mirror: Whether a sample is flipped left to right with probability one half.

    Raises:
        ValueError: the images cannot be halved so many times, or the seed is out of range.
    """

    def __init__(
        self, image_set: ImageSet, num_levels: int = 1, *, seed: int = 0, mirror: bool = False
    ) -> None:
        self._seed = _checked_seed(seed)
        self._mirror = mirror
        self._levels = image_pyramid(image_set.images, num_levels)
        self._labels = image_set.labels
        self._num_classes = image_set.num_classes

    @property
    def num_levels(self) -> int:
        """Number of levels; the last one is the smallest."""
        return len(self._levels)

    def image_shape(self, halvings: int = 0) -> tuple[int, int, int]:
        """Height, width and channels of the images at a level."""
        _, height, width, channels = self._images(halvings).shape
        return height, width, channels

    def draw(self, position: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Tells which images the samples number `position` to `position + count - 1` are.

        Args:
            position: Number of the first sample, from 0.
            count: Number of samples, at least 1.

        Returns:
            int64 `[count]`, indices into the image set, and bool `[count]`, whether the sample is mirrored.

        Raises:
            ValueError: a position or count out of range.
        """
        if position < 0 or count < 1:
            raise ValueError(
                "position must be 0 or above and the number of images 1 or above. "
                f"Received: position={position}, count={count}."
            )
        indices, coins = _draw(self._seed, position, count, len(self._levels[0]))
        return indices, coins & self._mirror

    def batches(self, halvings: int, batch_size: int, position: int = 0) -> tf.data.Dataset:
        """Makes an endless data set of batches, starting anywhere.

        Under `strategy.experimental_distribute_dataset` the batch is the global one and is split over the
        replicas.

        Args:
            halvings: Number of halvings, 0 for full size.
            batch_size: Images in a batch.
            position: Number of real images used so far; the first batch holds the samples that come next.

        Returns:
            A data set of pairs: images, uint8 `[batch_size, height, width, channels]`, and one-hot labels,
            float32 `[batch_size, num_classes]` (`[batch_size, 0]` for a set without labels).

        Raises:
            ValueError: halvings, batch size or position out of range.
        """
        image_shape, num_classes = self.image_shape(halvings), self._num_classes
        self.draw(position, batch_size)  # fails here rather than inside TensorFlow
        # TensorFlow keeps every NumPy function until the process ends, and would keep the images with it.
        pipeline = weakref.ref(self)

        def read(first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            owner = pipeline()
            if owner is None:
                raise RuntimeError("The pipeline was deleted while its data set was read; keep one of both.")
            return owner._batch(halvings, int(first), batch_size)

        def to_tensors(first: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            # A NumPy function keeps the images out of the graph, which would copy them.
            images, labels = tf.numpy_function(read, [first], [tf.uint8, tf.float32])
            images.set_shape((batch_size, *image_shape))
            labels.set_shape((batch_size, num_classes))
            return images, labels

        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        starts = tf.data.Dataset.counter(start=position, step=batch_size)
        data = starts.map(to_tensors).prefetch(tf.data.AUTOTUNE).with_options(options)
        data.pipeline = self  # whatever is made from the data set keeps it, and so the images
        return data

    def sample(self, n: int, halvings: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Picks real images to look at: always the same ones for a seed, at every level, never mirrored.

        Args:
            n: Number of images, at least 1; they repeat only where `n` is above the size of the set.
            halvings: Number of halvings, 0 for full size.
            seed: Decides the choice, from 0 to 2^63 - 1; the order of training has no part in it.

        Returns:
            Images, uint8 `[n, height, width, channels]`, and one-hot labels, float32 `[n, num_classes]`.

        Raises:
            ValueError: halvings, number or seed out of range.
        """
        images = self._images(halvings)
        if n < 1:
            raise ValueError(f"The number of images must be 1 or above. Received: n={n}.")
        size = len(images)
        indices, _ = _draw(_checked_seed(seed), _SAMPLE_EPOCH * size, n, size)
        return images[indices], self._one_hot(indices)

    def _batch(self, halvings: int, position: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        indices, mirrored = self.draw(position, batch_size)
        images = self._levels[halvings][indices]
        images[mirrored] = images[mirrored, :, ::-1]
        return images, self._one_hot(indices)

    def _one_hot(self, indices: np.ndarray) -> np.ndarray:
        one_hot = np.zeros((len(indices), self._num_classes), np.float32)
        if self._labels is not None:
            one_hot[np.arange(len(indices)), self._labels[indices]] = 1.0
        return one_hot

    def _images(self, halvings: int) -> np.ndarray:
        if not 0 <= halvings < len(self._levels):
            raise ValueError(f"halvings must be from 0 to {len(self._levels) - 1}. Received: halvings={halvings}.")
        return self._levels[halvings]


def _checked_seed(seed: int) -> int:
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed must be from 0 to 2^63 - 1. Received: seed={seed}.")
    return seed
