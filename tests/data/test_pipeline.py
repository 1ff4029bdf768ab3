"""The real images a training run sees are a function of the seed and of how many it has seen."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest
import tensorflow as tf
import warm_python

from stylegan_tf.data import order
from stylegan_tf.data.image_set import ArrayImageSet
from stylegan_tf.data.pipeline import ImagePipeline
from stylegan_tf.data.pyramid import image_pyramid

COUNT = 10


def random_images(count: int = COUNT, size: tuple[int, int] = (8, 8), channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *size, channels)).astype(np.uint8)


@pytest.fixture
def image_set() -> ArrayImageSet:
    return ArrayImageSet(random_images(), np.arange(COUNT, dtype=np.int32) % 3, ("a", "b", "c"))


def numbered_set(count: int) -> ArrayImageSet:
    """Every pixel of an image is the image's number."""
    return ArrayImageSet(np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2))


def drawn(seed: int, position: int, count: int, size: int = COUNT) -> np.ndarray:
    """Which images some samples in a row are."""
    return order.draw_indices(seed, np.arange(position, position + count), size)


def flipped(seed: int, position: int, count: int) -> np.ndarray:
    """Which of some samples in a row are mirrored, where that is wanted."""
    return order.coins(seed, np.arange(position, position + count))


def take(
    pipeline: ImagePipeline, batches: int, batch_size: int, position: int = 0, halvings: int = 0, **sharing: int
) -> np.ndarray:
    """Reads the images of some batches in a row."""
    data = pipeline.batches(halvings, batch_size, position, **sharing).take(batches)
    return np.concatenate([images for images, _ in data.as_numpy_iterator()])


class TestOrder:
    def test_each_epoch_holds_every_image_once(self):
        epochs = take(ImagePipeline(numbered_set(COUNT), seed=3), batches=8, batch_size=5)[:, 0, 0, 0].reshape(4, COUNT)
        for epoch in epochs:
            assert sorted(epoch) == list(range(COUNT))
        assert len({tuple(epoch) for epoch in epochs}) == 4

    def test_numbers_written_down(self):
        """These must never change: a run that is resumed would see other images than it would have seen."""
        images = np.zeros((COUNT, 4, 4, 1), np.uint8)
        images[:, :, 0, 0] = np.arange(COUNT)[:, None]  # the left column tells the image's number, but for 0
        found = take(ImagePipeline(ArrayImageSet(images), seed=7, mirror=True), 3, 4, position=5)[:, 0, :, 0]
        assert found.max(axis=1).tolist() == [9, 2, 7, 1, 6, 4, 8, 3, 9, 7, 0, 6]
        assert (found[:, 3] > 0).astype(int).tolist() == [1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0]

    @pytest.mark.parametrize("position", [0, 1, 9, 10, 37])
    def test_any_position_continues_the_sequence(self, image_set, position):
        pipeline = ImagePipeline(image_set, seed=5, mirror=True, random_crop=0.2)
        whole = take(pipeline, batches=60, batch_size=1)
        np.testing.assert_array_equal(take(pipeline, batches=3, batch_size=7, position=position), whole[position:][:21])

    def test_batch_size_does_not_change_the_sequence(self, image_set):
        pipeline = ImagePipeline(image_set, seed=5, mirror=True, random_crop=0.2)
        whole = take(pipeline, batches=2, batch_size=24)  # a batch larger than the set
        np.testing.assert_array_equal(take(pipeline, batches=16, batch_size=3), whole)
        switched = np.concatenate([take(pipeline, 3, batch_size=4), take(pipeline, 18, batch_size=2, position=12)])
        np.testing.assert_array_equal(switched, whole)

    def test_seeds_differ(self, image_set):
        first, second = (take(ImagePipeline(image_set, seed=seed), 3, COUNT) for seed in (0, 1))
        assert (first != second).any()

    def test_no_mirror_mirrors_none(self, image_set):
        images = take(ImagePipeline(image_set, seed=1), 10, COUNT)
        np.testing.assert_array_equal(images, image_set.images[drawn(1, 0, 10 * COUNT)])

    def test_mirror_is_a_fair_coin_and_differs_between_epochs(self):
        images = np.zeros((COUNT, 4, 4, 1), np.uint8)
        images[:, :, 0] = 1
        mirrored = take(ImagePipeline(ArrayImageSet(images), mirror=True), 40, 100)[:, 0, 3, 0]
        assert 0.45 < mirrored.mean() < 0.55
        assert len(np.unique(mirrored.reshape(400, COUNT), axis=0)) > 200
        indices = drawn(0, 0, 4000)
        for index in range(COUNT):
            assert 0.4 < mirrored[indices == index].mean() < 0.6

    def test_mirror_changes_neither_order_nor_content(self, image_set):
        plain, mirrored = (take(ImagePipeline(image_set, seed=2, mirror=mirror), 1, 50) for mirror in (False, True))
        same = (plain == mirrored).all(axis=(1, 2, 3))
        assert 10 < same.sum() < 40
        np.testing.assert_array_equal(plain[~same], mirrored[~same, :, ::-1])


class TestBatches:
    def test_images_and_labels_are_those_drawn(self, image_set):
        pipeline = ImagePipeline(image_set, seed=2, mirror=True)
        levels = image_pyramid(image_set.images, 3)
        for halvings in range(3):
            images, labels = next(pipeline.batches(halvings, 16, position=40).as_numpy_iterator())
            mirrored = flipped(2, 40, 16)
            assert 0 < mirrored.sum() < 16
            for row, (index, flip) in enumerate(zip(drawn(2, 40, 16), mirrored, strict=True)):
                expected = levels[halvings][index]
                np.testing.assert_array_equal(images[row], expected[:, ::-1] if flip else expected)
                np.testing.assert_array_equal(labels[row], np.eye(3)[image_set.labels[index]])
        np.testing.assert_array_equal(levels[0], random_images())  # the set itself stays as it was

    def test_shapes_are_static(self, image_set):
        images, labels = ImagePipeline(image_set).batches(1, 4).element_spec
        assert images == tf.TensorSpec((4, 4, 4, 3), tf.uint8)
        assert labels == tf.TensorSpec((4, 3), tf.float32)

    def test_without_labels_they_are_empty(self):
        pipeline = ImagePipeline(ArrayImageSet(random_images()))
        data = pipeline.batches(0, 4)
        assert pipeline.num_classes == 0
        assert data.element_spec[1].shape == (4, 0)
        assert next(iter(data))[1].shape == (4, 0)

    def test_labels_can_be_left_out(self, image_set):
        labelled, pipeline = ImagePipeline(image_set), ImagePipeline(image_set, use_labels=False)
        assert (labelled.num_classes, pipeline.num_classes) == (3, 0)
        images, labels = next(iter(pipeline.batches(0, 4)))
        assert labels.shape == (4, 0)
        np.testing.assert_array_equal(images, take(labelled, 1, 4))
        assert pipeline.sample(4)[1].shape == (4, 0)

    def test_only_what_a_batch_holds_is_read(self):
        """Sets may be far larger than memory."""

        class Watched(ArrayImageSet):
            def __init__(self, images: np.ndarray) -> None:
                super().__init__(images)
                self.asked: list[tuple[int, np.ndarray]] = []

            def read(self, halvings: int, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
                self.asked.append((halvings, indices))
                return super().read(halvings, indices)

        watched = Watched(random_images(5000))
        take(ImagePipeline(watched, seed=1), 2, 32, position=80, halvings=1)
        # TensorFlow reads some batches ahead, with several threads at once, but every one for itself.
        following = drawn(1, 80, 5000, 5000).tolist()
        assert len(watched.asked) > 0
        for halvings, indices in watched.asked:
            assert halvings == 1
            assert 32 <= len(indices) <= 64
            first = following.index(indices[0])
            assert indices.tolist() == following[first : first + len(indices)]

    @pytest.mark.parametrize(("batch_size", "size"), [(1, 4), (3, 4), (7, 4), (64, 4), (100, 4), (2, 1024)])
    def test_batches_that_are_read_together_or_alone(self, batch_size, size):
        """Small pieces are read together, large ones alone; it does not show."""
        images = np.zeros((COUNT, size, size, 3), np.uint8)
        images[:] = np.arange(COUNT, dtype=np.uint8)[:, None, None, None]
        pipeline = ImagePipeline(ArrayImageSet(images), seed=3)
        batches = max(3, 150 // batch_size) if size == 4 else 4
        found = np.stack(
            [batch[:, 0, 0, 0] for batch, _ in pipeline.batches(0, batch_size, 11).take(batches).as_numpy_iterator()]
        )
        assert found.shape == (batches, batch_size)
        np.testing.assert_array_equal(found.reshape(-1), drawn(3, 11, found.size))

    def test_nothing_sleeps_that_its_deletion_would_wait_for(self, image_set):
        """Autotuning does, for up to a minute."""
        assert not ImagePipeline(image_set).batches(0, 4).options().autotune.enabled

    @pytest.mark.slow
    def test_images_are_freed_with_the_pipeline(self):
        image_set = ArrayImageSet(random_images())
        pipeline = ImagePipeline(image_set)
        take(pipeline, 2, 4)
        freed = [weakref.ref(pipeline), weakref.ref(image_set)]
        del pipeline, image_set
        gc.collect()
        assert [reference() for reference in freed] == [None, None]

    @pytest.mark.slow
    def test_an_iterator_keeps_its_images(self):
        batches = iter(ImagePipeline(ArrayImageSet(random_images())).batches(0, 4).map(lambda x, _: x).take(9))
        gc.collect()
        assert sum(len(batch) for batch in batches) == 36

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((4, 4, 0), r"halvings must be from 0 to 3\. Received: halvings=4"),
            ((-1, 4, 0), "halvings must be from 0 to 3"),
            ((0, 0, 0), "batch_size 1 or above.*batch_size=0"),
            ((0, 4, -1), "position must be 0 or above.*position=-1"),
        ],
    )
    def test_impossible_arguments(self, image_set, arguments, message):
        with pytest.raises(ValueError, match=message):
            ImagePipeline(image_set).batches(*arguments)

    @pytest.mark.parametrize("seed", [-1, 2**63])
    def test_impossible_seed(self, image_set, seed):
        with pytest.raises(ValueError, match=rf"seed must be.*Received: seed={seed}"):
            ImagePipeline(image_set, seed=seed)
        with pytest.raises(ValueError, match=rf"seed must be.*Received: seed={seed}"):
            ImagePipeline(image_set).sample(1, seed=seed)


class TestSharing:
    def test_workers_together_see_what_one_sees(self, image_set):
        pipeline = ImagePipeline(image_set, seed=4, mirror=True, random_crop=0.1)
        whole = take(pipeline, 6, batch_size=8, position=3).reshape(6, 8, 8, 8, 3)
        first, second = (
            take(pipeline, 6, batch_size=8, position=3, worker=worker, num_workers=2).reshape(6, 4, 8, 8, 3)
            for worker in (0, 1)
        )
        np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)

    def test_no_image_twice_in_an_epoch(self):
        pipeline = ImagePipeline(numbered_set(24), seed=4)
        for epoch in range(3):
            seen = [
                take(pipeline, 4, batch_size=6, position=24 * epoch, worker=worker, num_workers=3)[:, 0, 0, 0]
                for worker in range(3)
            ]
            assert [len(part) for part in seen] == [8, 8, 8]
            assert sorted(np.concatenate(seen)) == list(range(24))

    def test_pieces_of_replicas_come_in_order(self, image_set):
        """Two workers with two replicas each: pieces 0 and 1 of each batch are the first worker's."""
        pipeline = ImagePipeline(image_set, seed=4)
        whole = take(pipeline, 3, batch_size=12, position=7).reshape(3, 4, 3, 8, 8, 3)
        for worker in (0, 1):
            data = pipeline.batches(0, 12, 7, worker=worker, num_workers=2, replicas=2)
            assert data.element_spec[0].shape == (3, 8, 8, 3)
            assert data.element_spec[1].shape == (3, 3)
            pieces = np.stack([images for images, _ in data.take(6).as_numpy_iterator()]).reshape(3, 2, 3, 8, 8, 3)
            np.testing.assert_array_equal(pieces, whole[:, 2 * worker : 2 * worker + 2])

    @pytest.mark.parametrize(
        ("sharing", "received"),
        [
            ({"worker": 2, "num_workers": 2}, "worker=2, num_workers=2"),
            ({"worker": -1, "num_workers": 2}, "worker=-1"),
            ({"num_workers": 3}, "num_workers=3, replicas=1, batch_size=4"),
            ({"num_workers": 2, "replicas": 4}, "num_workers=2, replicas=4, batch_size=4"),
        ],
    )
    def test_what_cannot_be_shared(self, image_set, sharing, received):
        with pytest.raises(ValueError, match=rf"a multiple of num_workers \* replicas\. Received: .*{received}"):
            ImagePipeline(image_set).batches(0, 4, **sharing)

    def test_each_host_of_a_strategy_reads_its_part(self, image_set):
        class TwoHosts:
            """As a strategy of two hosts with three replicas each calls the function that makes data sets."""

            def distribute_datasets_from_function(self, function):
                return [function(tf.distribute.InputContext(2, host, 6)) for host in range(2)]

        pipeline = ImagePipeline(image_set, seed=4)
        whole = take(pipeline, 2, batch_size=12, position=5).reshape(2, 2, 3, 2, 8, 8, 3)  # step, host, replica, image
        for host, data in enumerate(pipeline.distributed_batches(TwoHosts(), 0, 12, 5)):
            pieces = np.stack([images for images, _ in data.take(6).as_numpy_iterator()])
            np.testing.assert_array_equal(pieces.reshape(2, 3, 2, 8, 8, 3), whole[:, host])

    @pytest.mark.slow
    def test_distributed_batches_hold_the_same_images(self):
        """Two replicas share each global batch. In a process of its own, for devices are set once."""
        script = """
import gc
import numpy as np, tensorflow as tf
from stylegan_tf.data.image_set import ArrayImageSet
from stylegan_tf.data.pipeline import ImagePipeline
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
images = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3)).astype(np.uint8)
labels = np.arange(10, dtype=np.int32) % 2
def pipeline():
    return ImagePipeline(ArrayImageSet(images, labels, ("a", "b")), seed=1, mirror=True)
whole = list(pipeline().batches(1, 6, position=3).take(5).as_numpy_iterator())
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
batches = iter(pipeline().distributed_batches(strategy, 1, 6, position=3))  # nothing else keeps this pipeline
gc.collect()
for expected in whole:
    for batch, values in zip(expected, next(batches), strict=True):
        parts = strategy.experimental_local_results(values)
        assert [len(part) for part in parts] == [3, 3], parts
        np.testing.assert_array_equal(batch, np.concatenate(parts))
print("same")
"""
        result = warm_python.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
        assert result.stdout.endswith("same\n"), result.stderr


def gradient_set(side: int = 64) -> ArrayImageSet:
    """One image: red is three times the column, green three times the row, blue is 77."""
    image = np.full((1, side, side, 3), 77, np.uint8)
    image[..., 0], image[..., 1] = 3 * np.arange(side), 3 * np.arange(side)[:, None]
    return ArrayImageSet(image)


class TestRandomCrop:
    @staticmethod
    def corner(image: np.ndarray, halvings: int, share: float) -> np.ndarray:
        """Top and left of the part that was left, in pixels of the full image of `gradient_set`.

        Pixel j of an image that was halved k times shows the full image at left + (j + 0.5) 2^k (1 - share), and there,
        but for the edges, red is 3 times as much, less 1.5, as a pixel's value is that of its middle.
        """
        inside = np.arange(len(image))[3:-3]
        places = (inside + 0.5) * 2**halvings * (1 - share)
        top = (image[3:-3, len(image) // 2, 1] + 1.5) / 3 - places
        left = (image[len(image) // 2, 3:-3, 0] + 1.5) / 3 - places
        assert np.ptp(top) < 0.7  # two roundings to whole values, at most 1/3 of a pixel each
        assert np.ptp(left) < 0.7
        return np.array([top.mean(), left.mean()])

    def test_same_part_at_every_size(self):
        share, count = 0.25, 40
        pipeline = ImagePipeline(gradient_set(), seed=6, random_crop=share)
        corners = np.stack(
            [
                [self.corner(image, halvings, share) for image in take(pipeline, 1, count, 17, halvings)]
                for halvings in range(4)
            ]
        )
        for smaller in corners[1:]:
            np.testing.assert_allclose(smaller, corners[0], atol=0.4)
        np.testing.assert_allclose(corners[0], order.places(6, np.arange(17, 17 + count)) * share * 64, atol=0.4)
        # All of what there is comes up, and nothing beyond: the part lies within the image.
        assert corners.min() > -0.4
        assert corners.max() < 16.4
        assert (corners[0].min(axis=0) < 1).all()
        assert (corners[0].max(axis=0) > 15).all()

    def test_nothing_else_changes(self):
        images = take(ImagePipeline(gradient_set(), random_crop=0.25), 2, 8)
        assert (images[..., 2] == 77).all()
        assert len(np.unique(images, axis=0)) == 16  # one image, another part each time

    def test_off_is_identity(self, image_set):
        images = take(ImagePipeline(image_set, seed=3, random_crop=0.0), 1, COUNT)
        np.testing.assert_array_equal(images, random_images()[drawn(3, 0, COUNT)])
        cropped = take(ImagePipeline(image_set, seed=3, random_crop=0.3), 1, COUNT)
        assert (cropped != images).any(axis=(1, 2, 3)).all()

    def test_the_set_itself_stays_as_it_was(self, image_set):
        take(ImagePipeline(image_set, random_crop=0.3, mirror=True), 2, COUNT)
        np.testing.assert_array_equal(image_set.images, random_images())

    def test_values_do_not_wrap_around_at_sharp_edges(self):
        """Enlarging overshoots beside an edge; what goes beyond black or white stays black or white."""
        image = np.zeros((1, 32, 32, 1), np.uint8)
        image[:, :, 16:] = 255
        images = take(ImagePipeline(ArrayImageSet(image), random_crop=0.4), 1, 20).astype(int)
        assert (np.diff(images[..., 0], axis=2) >= 0).all()
        assert (images[:, :, 0] == 0).all()
        assert (images[:, :, -1] == 255).all()

    def test_cut_first_then_mirrored(self):
        plain = ImagePipeline(gradient_set(), seed=6, random_crop=0.25)
        mirrored = ImagePipeline(gradient_set(), seed=6, random_crop=0.25, mirror=True)
        coins = flipped(6, 0, 16)
        assert 0 < coins.sum() < 16
        expected = take(plain, 1, 16)
        expected[coins] = expected[coins, :, ::-1]
        np.testing.assert_array_equal(take(mirrored, 1, 16), expected)

    @pytest.mark.parametrize("channels", [1, 3, 4])
    @pytest.mark.parametrize("random_crop", [1e-9, 0.5, 0.95])
    def test_any_channels_sizes_and_shares(self, channels, random_crop):
        pipeline = ImagePipeline(ArrayImageSet(random_images(3, (8, 16), channels)), random_crop=random_crop)
        for halvings in range(4):
            assert take(pipeline, 2, 4, halvings=halvings).shape == (8, 8 >> halvings, 16 >> halvings, channels)

    @pytest.mark.parametrize("random_crop", [-0.1, 1.0, float("nan")])
    def test_impossible_shares(self, image_set, random_crop):
        with pytest.raises(ValueError, match=rf"random_crop must be.*Received: random_crop={random_crop}"):
            ImagePipeline(image_set, random_crop=random_crop)


class TestSample:
    def test_same_images_at_every_level(self, image_set):
        pipeline = ImagePipeline(image_set, seed=1, mirror=True, random_crop=0.3)
        full, labels = pipeline.sample(6, seed=4)
        half, _ = pipeline.sample(6, halvings=1, seed=4)
        np.testing.assert_array_equal(image_pyramid(full, 2)[1], half)
        assert len(np.unique(full.reshape(6, -1), axis=0)) == 6
        for image, label in zip(full, labels, strict=True):
            matches = (image_set.images == image).all(axis=(1, 2, 3))
            assert matches.sum() == 1
            assert label.argmax() == image_set.labels[matches.argmax()]

    def test_depends_on_its_own_seed_alone(self, image_set):
        first = ImagePipeline(image_set, seed=1, mirror=True).sample(6, seed=4)[0]
        np.testing.assert_array_equal(first, ImagePipeline(image_set, seed=2).sample(6, seed=4)[0])
        assert (first != ImagePipeline(image_set, seed=1).sample(6, seed=5)[0]).any()

    def test_choice_written_down(self):
        """Figures of merit compare with these images."""
        images = np.arange(COUNT, dtype=np.uint8).repeat(16).reshape(COUNT, 4, 4, 1)
        assert ImagePipeline(ArrayImageSet(images)).sample(6, seed=4)[0][:, 0, 0, 0].tolist() == [7, 5, 8, 3, 0, 9]

    def test_of_a_huge_set(self, image_set):
        class Huge(ArrayImageSet):
            def __len__(self) -> int:
                return 2**40

            def read(self, halvings: int, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
                asked.append(indices)
                return super().read(halvings, indices % COUNT)

        asked: list[np.ndarray] = []
        ImagePipeline(Huge(image_set.images)).sample(100)
        assert len(np.unique(asked[0])) == 100
        assert asked[0].max() < 2**40

    def test_more_than_there_are_repeats(self, image_set):
        images, _ = ImagePipeline(image_set).sample(25)
        assert images.shape == (25, 8, 8, 3)
        assert len(np.unique(images[:COUNT].reshape(COUNT, -1), axis=0)) == COUNT

    def test_impossible_number(self, image_set):
        with pytest.raises(ValueError, match="Received: n=0"):
            ImagePipeline(image_set).sample(0)

    def test_impossible_size(self, image_set):
        with pytest.raises(ValueError, match="Received: halvings=4"):
            ImagePipeline(image_set).sample(1, halvings=4)


@pytest.mark.slow
@pytest.mark.parametrize("batches", [30, 31, 32])
def test_python_ends_while_images_are_read(batches):
    """An iterator that is alive at the end must not wait for a thread that Python has stopped, as it often would."""
    script = f"""
import numpy as np
from stylegan_tf.data.image_set import ArrayImageSet
from stylegan_tf.data.pipeline import ImagePipeline
images = ArrayImageSet(np.zeros((10, 256, 256, 3), np.uint8))
batches = iter(ImagePipeline(images, mirror=True).batches(0, 32))
for _ in range({batches}):
    next(batches)
print("read")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.returncode) == ("read\n", 0), result.stderr


@pytest.mark.slow
def test_python_ends_after_images_could_not_be_read():
    """What was raised holds the iterator; the thread that goes on reading must not be the one to drop it."""
    script = """
import numpy as np
import tensorflow as tf
from stylegan_tf.data.image_set import ArrayImageSet
from stylegan_tf.data.pipeline import ImagePipeline, _reading
from stylegan_tf.training.loop import read_batches
import time

class Broken(ArrayImageSet):
    reads = 0
    def read(self, halvings, indices):
        self.reads += 1
        if self.reads > 2:
            raise ValueError("broken")
        return super().read(halvings, indices)

def fail():
    images = Broken(np.zeros((100, 256, 256, 3), np.uint8))
    pipeline = ImagePipeline(images)
    period = type("Period", (), {"size": (256, 256), "batch_size": 32})
    try:
        for _ in read_batches(pipeline, tf.distribute.get_strategy(), period, 0):
            pass
    except ValueError as error:
        assert str(error) == "broken", error
    return pipeline

for _ in range(20):
    kept = fail()
    time.sleep(0.02)
time.sleep(0.2)
assert not _reading._running, _reading._running
print("failed")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.returncode) == ("failed\n", 0), result.stderr
