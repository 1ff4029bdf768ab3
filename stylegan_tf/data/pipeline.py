"""Batches of real images as a function of the number of images seen: no shuffle buffer, no state to save.

Sample number i (counted from 0 over the whole training) is decided by the seed and i alone (`order.py`). Every epoch is
a new permutation of the set, so a run that stops and reads on from its `images_seen` gets the very next batch, whatever
the batch sizes before and after. Only the images of a batch are read, at the resolution that is asked for.
"""

from __future__ import annotations

import atexit
import dataclasses
import threading
import time
import weakref

import numpy as np
import tensorflow as tf
from PIL import Image

from stylegan_tf.data import order, workers
from stylegan_tf.data.image_set import ImageSet
from stylegan_tf.errors import UserError
from stylegan_tf.pictures import as_picture

# Small pieces are read together, up to so many images and bytes: a call from TensorFlow to Python costs as much as
# reading 30 small images.
_READ_AT_ONCE = 64
_READ_AT_ONCE_BYTES = 2**22
_QUIET_S = 0.05
_LONGEST_WAIT_S = 30.0
# The first epoch of the order that `sample` takes from, beyond any that training reaches.
_SAMPLE_EPOCH = 2**32


class _Reading:
    """Counts the calls from TensorFlow into Python, and lets no new one begin when Python ends.

    A thread that calls Python while it shuts down never returns, and TensorFlow, deleting the iterator, would wait for
    it for ever. No exit waits longer than `_LONGEST_WAIT_S` for a thread that is stuck.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = self._running = 0
        self._ended = False
        atexit.register(self._end)

    def __enter__(self) -> None:
        with self._lock:
            self._calls += 1
            if self._ended:
                raise StopIteration  # ends the data set
            self._running += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._running -= 1

    def _end(self) -> None:
        self._ended = True
        calls, longest = -1 if self._calls else 0, time.monotonic() + _LONGEST_WAIT_S
        while (self._running or calls != self._calls) and time.monotonic() < longest:  # until nobody calls for a moment
            calls = self._calls
            time.sleep(_QUIET_S)


_reading = _Reading()


@dataclasses.dataclass(frozen=True)
class _Pieces:
    """A worker's pieces of all batches.

    Attributes:
        first: Number of the sample that its first piece begins with.
        batch_size: Images in a batch, over all workers.
        replicas: Pieces of a batch that are the worker's, one after the other.
        piece: Images in a piece.
        together: Pieces that are read at once.
    """

    first: int
    batch_size: int
    replicas: int
    piece: int
    together: int

    def samples(self, number: int) -> np.ndarray:
        """Numbers of the samples of the pieces that are read at once for this time, counted from 0: int64 `[n]`."""
        places = np.arange(number * self.together, (number + 1) * self.together)
        firsts = self.first + places // self.replicas * self.batch_size + places % self.replicas * self.piece
        return np.add.outer(firsts, np.arange(self.piece)).reshape(-1)


class _PieceReader:
    """What a data set calls for its next pieces, from a thread of its own.

    TensorFlow keeps every NumPy function until the process ends, and would keep the images with it: so this one only
    knows where the pipeline is as long as somebody else keeps it.
    """

    def __init__(self, pipeline: ImagePipeline, halvings: int, pieces: _Pieces) -> None:
        self._pipeline, self._halvings, self._pieces = weakref.ref(pipeline), halvings, pieces
        self._failed = False

    def __call__(self, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with _reading:
            if self._failed:
                raise StopIteration  # ends the data set: its thread is not to run on behind an error
            owner = self._pipeline()
            if owner is None:
                raise RuntimeError("The pipeline was deleted while its data set was read; keep one of both.")
            try:
                images, labels = owner._read(self._halvings, self._pieces.samples(int(number)))
            except (ValueError, OSError) as error:
                self._failed = True
                owner._failure = error
                raise
            pieces = self._pieces
            group = (pieces.together,) if pieces.together > 1 else ()
            shape = (*group, pieces.piece)
            return images.reshape(*shape, *images.shape[1:]), labels.reshape(*shape, labels.shape[1])


class ImagePipeline:
    """Reads batches of real images at any of their sizes, from any position.

    Levels are named by the number of halvings: 0 is the full size.

    Args:
        image_set: The real images.
        seed: Decides order, mirroring and cropping, from 0 to 2^63 - 1.
        mirror: Whether a sample is flipped left to right with probability one half.
        random_crop: Share of height and width that is cut off, at random on either side, each time an image is shown;
            what is left is enlarged to the full size. At every resolution the same part of the image is left.
        use_labels: Whether the set's labels are given; without, it has no classes.

    Raises:
        ValueError: The seed or the share is out of range.
    """

    def __init__(
        self,
        image_set: ImageSet,
        *,
        seed: int = 0,
        mirror: bool = False,
        random_crop: float = 0.0,
        use_labels: bool = True,
    ) -> None:
        if not 0 <= random_crop < 1:
            raise UserError(f"random_crop must be 0 or more, and below 1. Received: random_crop={random_crop}.")
        self.image_set = image_set
        self._failure: ValueError | OSError | None = None
        self._seed = _checked_seed(seed)
        self._mirror = mirror
        self._random_crop = random_crop
        self.num_classes = image_set.num_classes if use_labels else 0

    def batches(
        self,
        halvings: int,
        batch_size: int,
        position: int = 0,
        *,
        worker: int = 0,
        num_workers: int = 1,
        replicas: int = 1,
    ) -> tf.data.Dataset:
        """Makes an endless data set of batches, starting anywhere.

        Workers share the samples: of every `batch_size` of them each takes its part, so that together they see what
        one alone would see, and no image twice in an epoch.

        Args:
            halvings: Number of halvings, 0 for full size.
            batch_size: Images in a batch, over all workers.
            position: Number of real images used so far, over all workers; the first batch holds the samples that come
                next.
            worker: Number of this worker, from 0.
            num_workers: Number of workers.
            replicas: Pieces into which a worker's part of each batch is cut; they come one after the other.

        Returns:
            A data set of pairs: images, uint8 `[piece, height, width, channels]`, and one-hot labels, float32
            `[piece, num_classes]`, where `num_classes` is 0 for a set without labels, and `piece` is `batch_size` over
            the numbers of workers and replicas.

        Raises:
            ValueError: Halvings, batch size, position or worker out of range, or a batch that cannot be shared.
        """
        image_shape, num_classes = self.image_set.image_shape(halvings), self.num_classes
        if position < 0 or batch_size < 1:
            raise UserError(
                "position must be 0 or above, and batch_size 1 or above. "
                f"Received: position={position}, batch_size={batch_size}."
            )
        if not 0 <= worker < num_workers or batch_size % (num_workers * replicas):
            raise UserError(
                "worker must be below num_workers, and batch_size a multiple of num_workers * replicas. "
                f"Received: worker={worker}, num_workers={num_workers}, replicas={replicas}, batch_size={batch_size}."
            )
        piece = batch_size // (num_workers * replicas)
        together = max(1, min(_READ_AT_ONCE, _READ_AT_ONCE_BYTES // int(np.prod(image_shape))) // piece)
        first = position + worker * replicas * piece
        read = _PieceReader(self, halvings, _Pieces(first, batch_size, replicas, piece, together))
        group = (together,) if together > 1 else ()

        @tf.autograph.experimental.do_not_convert
        def to_tensors(number: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
            # A NumPy function keeps the images out of the graph, which would copy them.
            images, labels = tf.numpy_function(read, [number], [tf.uint8, tf.float32])
            images.set_shape((*group, piece, *image_shape))
            labels.set_shape((*group, piece, num_classes))
            return (images, labels) if num_classes else images

        # One call at a time: parallel calls of NumPy functions can wait for ever when their iterator is deleted
        # (TensorFlow 2.21). What can be done in parallel is so inside of `read`.
        data = tf.data.Dataset.counter().map(to_tensors)
        if group:
            data = data.unbatch()
        if not num_classes:  # empty labels crash unbatch
            data = tf.data.Dataset.zip((data, tf.data.Dataset.from_tensors(tf.zeros([piece, 0])).repeat()))
        # TensorFlow's search for the best number of batches ahead sleeps for up to a minute, also where its iterator
        # is being deleted, which waits for it (TensorFlow 2.21): a run would stand still at each new resolution.
        options = tf.data.Options()
        options.autotune.enabled = False
        data = data.prefetch(max(2, together)).with_options(options)
        data.pipeline = self  # whatever is made from the data set keeps it, and so the images
        return data

    def distributed_batches(
        self, strategy: tf.distribute.Strategy, halvings: int, batch_size: int, position: int = 0
    ) -> tf.distribute.DistributedDataset:
        """As `batches`, with each global batch spread over a strategy's replicas, and prefetched to their devices.

        With several input workers (one for each host) each reads its own part.
        """

        def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return self.batches(
                halvings,
                batch_size,
                position,
                worker=context.input_pipeline_id,
                num_workers=context.num_input_pipelines,
                replicas=context.num_replicas_in_sync // context.num_input_pipelines,
            )

        return strategy.distribute_datasets_from_function(of_worker)

    def take_failure(self) -> ValueError | OSError | None:
        """Why images could not be read, after a batch failed; TensorFlow makes an error of its own of it.

        It is given away once. Who raises it adds frames to it, and with them the iterator: kept here, it would be
        dropped by the thread that reads, which would then wait for its own end.
        """
        failure, self._failure = self._failure, None
        return failure

    def sample(self, n: int, halvings: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Picks real images to look at: always the same ones for a seed, at every level, never mirrored or cropped.

        Args:
            n: Number of images, at least 1; they repeat only where `n` is above the size of the set.
            halvings: Number of halvings, 0 for full size.
            seed: Decides the choice, from 0 to 2^63 - 1; the order of training has no part in it.

        Returns:
            Images, uint8 `[n, height, width, channels]`, and one-hot labels, float32 `[n, num_classes]`.

        Raises:
            ValueError: Halvings, number or seed out of range.
        """
        if n < 1:
            raise UserError(f"The number of images must be 1 or above. Received: n={n}.")
        indices = order.draw_indices(_checked_seed(seed), np.arange(n), len(self.image_set), first_epoch=_SAMPLE_EPOCH)
        images, labels = self.image_set.read(halvings, indices)
        return images, self._one_hot(labels, n)

    def _read(self, halvings: int, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images and one-hot labels of the samples of these numbers."""
        images, labels = self.image_set.read(halvings, order.draw_indices(self._seed, numbers, len(self.image_set)))
        mirrored = order.coins(self._seed, numbers) & self._mirror
        places = order.places(self._seed, numbers) if self._random_crop else ()

        def change(number: int) -> None:
            if self._random_crop:
                images[number] = _cut(images[number], self._random_crop, places[number])
            if mirrored[number]:
                _mirror(images[number])

        if self._random_crop or self._mirror:
            workers.for_each(change, len(images), in_threads=images.nbytes >= workers.WORTH_THREADS_BYTES)
        return images, self._one_hot(labels, len(numbers))

    def _one_hot(self, labels: np.ndarray | None, count: int) -> np.ndarray:
        one_hot = np.zeros((count, self.num_classes), np.float32)
        if self.num_classes:
            one_hot[np.arange(count), labels] = 1.0
        return one_hot


def _mirror(image: np.ndarray) -> None:
    """Flips an image left to right; a channel at a time is more than twice as fast as all at once."""
    flipped = np.empty_like(image)
    for channel in range(image.shape[2]):
        flipped[:, :, channel] = image[:, ::-1, channel]
    image[:] = flipped


def _cut(image: np.ndarray, share: float, place: np.ndarray) -> np.ndarray:
    """Cuts `share` of height and width off, split between the sides as `place` (two numbers in [0, 1)) says."""
    height, width = image.shape[:2]
    top, left = place * share * (height, width)
    box = (left, top, left + (1 - share) * width, top + (1 - share) * height)
    picture = as_picture(image)
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC, box=box)).reshape(image.shape)


def _checked_seed(seed: int) -> int:
    if not 0 <= seed < 2**63:
        raise UserError(f"seed must be from 0 to 2^63 - 1. Received: seed={seed}.")
    return seed
