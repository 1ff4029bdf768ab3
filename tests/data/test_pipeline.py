"""The real images a training run sees are a function of the seed and of how many it has seen."""

import gc
import itertools
import subprocess
import sys
import weakref

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.data.pipeline import ImagePipeline, image_pyramid
from stylegan_tf.data.sources import ImageSet

COUNT = 10


def random_images(count: int = COUNT, size: tuple[int, int] = (8, 8), channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *size, channels)).astype(np.uint8)


@pytest.fixture
def image_set() -> ImageSet:
    return ImageSet(random_images(), np.arange(COUNT, dtype=np.int32) % 3, ("a", "b", "c"))


def take(
    pipeline: ImagePipeline, batches: int, batch_size: int, position: int = 0, level: int = 0
) -> np.ndarray:
    """Reads the images of some batches in a row."""
    data = pipeline.batches(level, batch_size, position).take(batches)
    return np.concatenate([images for images, _ in data.as_numpy_iterator()])


class TestPyramid:
    def test_equals_naive_mean_over_boxes(self):
        images = random_images(3, (16, 24))
        for level, halved in enumerate(image_pyramid(images, 4)):
            box = 2**level
            expected = np.zeros((3, 16 // box, 24 // box, 3))
            for y, x in itertools.product(range(16 // box), range(24 // box)):
                pixels = images[:, y * box : (y + 1) * box, x * box : (x + 1) * box].astype(np.float64)
                expected[:, y, x] = pixels.mean(axis=(1, 2))
            assert halved.dtype == np.uint8
            np.testing.assert_array_equal(halved, np.rint(expected))

    def test_is_not_rounded_between_levels(self):
        image = np.zeros((1, 4, 4, 1), np.uint8)
        image[0, :2, :2, 0] = [[2, 2], [2, 1]]  # mean 1.75, rounded to 2
        image[0, :2, 2:, 0] = [[1, 1], [0, 0]]  # mean 0.5, rounded half to even, to 0
        _, halved, quartered = image_pyramid(image, 3)
        assert halved[0, :, :, 0].tolist() == [[2, 0], [0, 0]]
        assert quartered.item() == 1  # 9 / 16; the mean of the rounded level would be 0.5, rounded to 0

    def test_chunks_do_not_show(self, monkeypatch):
        images = random_images(7)
        whole = image_pyramid(images, 3)
        monkeypatch.setattr("stylegan_tf.data.pipeline._PYRAMID_CHUNK_BYTES", 2 * images[0].size)
        for level, expected in zip(image_pyramid(images, 3), whole, strict=True):
            np.testing.assert_array_equal(level, expected)

    @pytest.mark.parametrize("num_levels", [0, 4, 10])
    def test_impossible_numbers_of_levels(self, num_levels):
        with pytest.raises(ValueError, match=f"num_levels must be.*Received: num_levels={num_levels}"):
            image_pyramid(random_images(1, (8, 12)), num_levels)


class TestOrder:
    def test_each_epoch_is_a_permutation(self, image_set):
        indices, _ = ImagePipeline(image_set, seed=3).draw(0, 4 * COUNT)
        epochs = indices.reshape(4, COUNT)
        for epoch in epochs:
            assert sorted(epoch) == list(range(COUNT))
        assert len({tuple(epoch) for epoch in epochs}) == 4

    def test_every_order_is_as_likely(self):
        """Chi-squared over the six orders of three images, 1,200 epochs; 99.9% lie below 20.5."""
        pipeline = ImagePipeline(ImageSet(random_images(3)), seed=1)
        epochs = pipeline.draw(0, 3600)[0].reshape(1200, 3)
        _, counts = np.unique(epochs, axis=0, return_counts=True)
        assert len(counts) == 6
        assert ((counts - 200.0) ** 2 / 200).sum() < 20.5

    def test_order_is_the_same_on_every_machine(self):
        """Written down once: a change here would change what every resumed run sees."""
        indices, mirrored = ImagePipeline(ImageSet(random_images()), seed=7, mirror=True).draw(5, 10)
        assert indices.tolist() == [2, 7, 5, 9, 0, 3, 9, 1, 6, 2]
        assert mirrored.astype(int).tolist() == [1, 0, 0, 1, 0, 0, 1, 1, 0, 0]

    @pytest.mark.parametrize("position", [0, 1, 9, 10, 37])
    def test_any_position_continues_the_sequence(self, image_set, position):
        pipeline = ImagePipeline(image_set, seed=5, mirror=True)
        whole = take(pipeline, batches=60, batch_size=1)
        np.testing.assert_array_equal(
            take(pipeline, batches=3, batch_size=7, position=position), whole[position:][:21]
        )

    def test_batch_size_does_not_change_the_sequence(self, image_set):
        pipeline = ImagePipeline(image_set, seed=5, mirror=True)
        whole = take(pipeline, batches=2, batch_size=24)  # a batch larger than the set
        np.testing.assert_array_equal(take(pipeline, batches=16, batch_size=3), whole)
        switched = np.concatenate(
            [take(pipeline, 3, batch_size=4), take(pipeline, 18, batch_size=2, position=12)]
        )
        np.testing.assert_array_equal(switched, whole)

    def test_seeds_differ(self, image_set):
        first, second = (ImagePipeline(image_set, seed=seed).draw(0, 3 * COUNT)[0] for seed in (0, 1))
        assert (first != second).any()

    def test_no_mirror_draws_none(self, image_set):
        assert not ImagePipeline(image_set).draw(0, 100)[1].any()

    def test_mirror_is_a_fair_coin_and_differs_between_epochs(self, image_set):
        mirrored = ImagePipeline(image_set, mirror=True).draw(0, 4000)[1]
        assert 0.45 < mirrored.mean() < 0.55
        assert len(np.unique(mirrored.reshape(400, COUNT), axis=0)) > 200


class TestBatches:
    def test_images_and_labels_are_those_drawn(self, image_set):
        pipeline = ImagePipeline(image_set, num_levels=3, seed=2, mirror=True)
        levels = image_pyramid(image_set.images, 3)
        for level in range(3):
            images, labels = next(pipeline.batches(level, 16, position=40).as_numpy_iterator())
            indices, mirrored = pipeline.draw(40, 16)
            assert 0 < mirrored.sum() < 16
            for row, (index, flip) in enumerate(zip(indices, mirrored, strict=True)):
                expected = levels[level][index]
                np.testing.assert_array_equal(images[row], expected[:, ::-1] if flip else expected)
                np.testing.assert_array_equal(labels[row], np.eye(3)[image_set.labels[index]])
        np.testing.assert_array_equal(levels[0], random_images())  # the set itself stays as it was

    def test_shapes_are_static(self, image_set):
        pipeline = ImagePipeline(image_set, num_levels=2)
        images, labels = pipeline.batches(1, 4).element_spec
        assert images == tf.TensorSpec((4, 4, 4, 3), tf.uint8)
        assert labels == tf.TensorSpec((4, 3), tf.float32)
        assert pipeline.image_shape(1) == (4, 4, 3)
        assert pipeline.num_levels == 2

    def test_without_labels_they_are_empty(self):
        data = ImagePipeline(ImageSet(random_images())).batches(0, 4)
        assert data.element_spec[1].shape == (4, 0)
        assert next(iter(data))[1].shape == (4, 0)

    def test_images_are_freed_with_the_pipeline(self):
        images = random_images()
        pipeline = ImagePipeline(ImageSet(images))
        take(pipeline, 2, 4)
        freed = weakref.ref(pipeline)
        del pipeline
        gc.collect()
        assert freed() is None

    def test_an_iterator_keeps_its_images(self):
        batches = iter(ImagePipeline(ImageSet(random_images())).batches(0, 4).map(lambda x, _: x).take(9))
        gc.collect()
        assert sum(len(batch) for batch in batches) == 36

    def test_distributed_batches_hold_the_same_images(self):
        """Two replicas share each global batch. In a process of its own, for devices are set once."""
        script = """
import numpy as np, tensorflow as tf
from stylegan_tf.data import ImagePipeline, ImageSet
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
images = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3)).astype(np.uint8)
data = ImagePipeline(ImageSet(images), mirror=True).batches(0, 6, position=3)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for whole, parts in zip(data.take(5), strategy.experimental_distribute_dataset(data)):
    parts = strategy.experimental_local_results(parts[0])
    assert [part.shape for part in parts] == [(3, 4, 4, 3)] * 2, parts
    np.testing.assert_array_equal(whole[0], np.concatenate(parts))
print("same")
"""
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
        assert result.stdout.endswith("same\n"), result.stderr

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((2, 4, 0), "halvings must be from 0 to 1. Received: halvings=2"),
            ((-1, 4, 0), "halvings must be from 0 to 1"),
            ((0, 0, 0), "number of images 1 or above"),
            ((0, 4, -1), "position must be 0 or above.*position=-1"),
        ],
    )
    def test_impossible_arguments(self, image_set, arguments, message):
        with pytest.raises(ValueError, match=message):
            ImagePipeline(image_set, num_levels=2).batches(*arguments)

    def test_impossible_seed(self, image_set):
        with pytest.raises(ValueError, match=r"seed must be.*Received: seed=-1"):
            ImagePipeline(image_set, seed=-1)


class TestSample:
    def test_same_images_at_every_level(self, image_set):
        pipeline = ImagePipeline(image_set, num_levels=2, seed=1, mirror=True)
        full, labels = pipeline.sample(6, seed=4)
        half, _ = pipeline.sample(6, halvings=1, seed=4)
        np.testing.assert_array_equal(image_pyramid(full, 2)[1], half)
        assert len(np.unique(full.reshape(6, -1), axis=0)) == 6
        for image, label in zip(full, labels, strict=True):
            index = (image_set.images == image).all(axis=(1, 2, 3)).argmax()
            assert label.argmax() == image_set.labels[index]

    def test_depends_on_its_own_seed_alone(self, image_set):
        first = ImagePipeline(image_set, seed=1, mirror=True).sample(6, seed=4)[0]
        np.testing.assert_array_equal(first, ImagePipeline(image_set, seed=2).sample(6, seed=4)[0])
        assert (first != ImagePipeline(image_set, seed=1).sample(6, seed=5)[0]).any()

    def test_more_than_there_are_repeats(self, image_set):
        images, _ = ImagePipeline(image_set).sample(25)
        assert images.shape == (25, 8, 8, 3)
        assert len(np.unique(images[:COUNT].reshape(COUNT, -1), axis=0)) == COUNT

    def test_impossible_number(self, image_set):
        with pytest.raises(ValueError, match="Received: n=0"):
            ImagePipeline(image_set).sample(0)
