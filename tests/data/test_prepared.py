"""Reading prepared sets: the right images and labels, by us and by plain TensorFlow, and clear errors."""

import gc
import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stylegan_tf.data.decode import PictureForm, to_pixels
from stylegan_tf.data.image_set import ArrayImageSet
from stylegan_tf.data.loading import find_source, read_into_memory
from stylegan_tf.data.prepare import prepare
from stylegan_tf.data.prepared import (
    ENCODINGS,
    INCOMPLETE,
    MANIFEST,
    DamagedSetError,
    Manifest,
    PreparedImageSet,
    decode_stored_png,
    encode_png,
    is_prepared,
)
from stylegan_tf.data.prepared_source import PreparedSource
from stylegan_tf.data.pyramid import image_pyramid
from stylegan_tf.data.sources.folder import FolderSource

COUNT = 20
EVERYTHING = np.arange(COUNT)
SIZE = (8, 16)
SIZES = ((8, 16), (4, 8), (2, 4))
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# Whose varints take 1, 1, 1, 2, 2, 3 and 3 bytes
LABELS = (0, 1, 127, 128, 16383, 16384, 70000)


@pytest.fixture(autouse=True)
def _small(small_shards):
    with small_shards(8):
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory, write_pictures):
    folder = write_pictures(tmp_path_factory.mktemp("pictures"), COUNT)
    return FolderSource(str(folder), str(folder), use_labels=True)


@pytest.fixture(scope="module")
def directories(tmp_path_factory, source, small_shards):
    """A prepared set in each encoding: three shards, three levels, two classes."""
    root = tmp_path_factory.mktemp("sets")
    with small_shards(8):
        for encoding in ENCODINGS:
            prepare(source, root / encoding, PictureForm(SIZE, 3), 3, encoding=encoding)
    return {encoding: root / encoding for encoding in ENCODINGS}


@pytest.fixture(params=ENCODINGS)
def directory(request, directories):
    return directories[request.param]


def expected_levels(source, form, num_levels):
    """What the set must hold, without any of the code that writes or reads sets."""
    images = []
    for item in source.items():
        with item.open() as picture:
            images.append(to_pixels(picture, form))
    return image_pyramid(np.stack(images), num_levels)


@pytest.mark.parametrize("labels", [False, True], ids=["no labels", "labels"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_level_is_the_mean_of_the_pictures(tmp_path, source, encoding, channels, labels):
    folder = str(tmp_path / "copy")
    shutil.copytree(source.name, folder)
    for number, path in enumerate(sorted(Path(folder).rglob("*.png"))):
        if number % 3 == 0:  # pictures of all kinds in one set
            image = Image.open(path).convert(MODES[channels])
            image.putpixel((number % 5, 3), (0,) * channels if channels > 1 else 0)
            image.save(path)
    source = FolderSource(folder, folder, use_labels=labels)
    form = PictureForm(SIZE, channels)
    image_set = prepare(source, tmp_path / "set", form, 3, encoding=encoding)
    assert (image_set.sizes, image_set.channels, len(image_set)) == (SIZES, channels, COUNT)
    assert image_set.label_names == (("a", "b") if labels else ())
    for halvings, expected in enumerate(expected_levels(source, form, 3)):
        images, numbers = image_set.read(halvings, EVERYTHING)
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, expected)
        if labels:
            assert numbers.dtype == np.int32
            assert numbers.tolist() == [0] * 10 + [1] * 10
        else:
            assert numbers is None


def test_plain_tensorflow_reads_it(directories, source):
    features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
    for encoding, directory in directories.items():
        for (height, width), expected in zip(SIZES, expected_levels(source, PictureForm(SIZE, 3), 3), strict=True):
            paths = sorted(map(str, (directory / f"{height}x{width}").glob("*.tfrecord")))
            assert len(paths) == 3
            images, labels = [], []
            for record in tf.data.TFRecordDataset(paths):
                example = tf.io.parse_single_example(record, features)
                if encoding == "png":
                    images.append(tf.io.decode_png(example["image"]).numpy())
                else:
                    images.append(tf.reshape(tf.io.decode_raw(example["image"], tf.uint8), (height, width, 3)).numpy())
                labels.append(int(example["label"]))
            np.testing.assert_array_equal(np.stack(images), expected)
            assert labels == [0] * 10 + [1] * 10


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.slow
def test_labels_of_any_size_come_back_right(tmp_path, encoding):
    from stylegan_tf.data.sources.find import open_source

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (COUNT, 8, 8, 3)).astype(np.uint8)
    labels = np.resize(LABELS, COUNT)
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    source = open_source(str(tmp_path / "data.npz"))
    image_set = prepare(source, tmp_path / "set", PictureForm((8, 8), 3), 2, encoding=encoding)
    order = random.permutation(COUNT)
    for halvings in (0, 1):
        assert image_set.read(halvings, order)[1].tolist() == labels[order].tolist()
    np.testing.assert_array_equal(image_set.read(0, order)[0], images[order])
    counts = Manifest.read(tmp_path / "set").label_counts
    assert [counts[label] for label in LABELS] == [3, 3, 3, 3, 3, 3, 2]
    assert len(counts) == 70001
    record = next(iter(tf.data.TFRecordDataset(str(tmp_path / "set" / "4x4" / "shard-00000.tfrecord")).skip(6)))
    assert tf.io.parse_single_example(record, {"label": tf.io.FixedLenFeature([], tf.int64)})["label"] == 70000


class TestFingerprint:
    def test_is_the_same_however_the_images_are_kept(self, directories, source):
        sets = [PreparedImageSet(directory) for directory in directories.values()]
        sets.append(read_into_memory(source, PictureForm(SIZE, 3)))
        assert len({one.fingerprint for one in sets}) == 1
        assert len({one.labels_fingerprint for one in sets}) == 1

    def test_tells_levels_orders_pixels_and_labels_apart(self, directories):
        whole = PreparedImageSet(directories["raw"])
        images, labels = whole.read(0, EVERYTHING)
        same = ArrayImageSet(images, labels, ("a", "b"))
        assert (same.fingerprint, same.labels_fingerprint) == (whole.fingerprint, whole.labels_fingerprint)
        smaller = [PreparedImageSet(directory, (4, 8)).fingerprint for directory in directories.values()]
        assert smaller[0] == smaller[1] != whole.fingerprint
        assert ArrayImageSet(images[::-1], labels, ("a", "b")).fingerprint != whole.fingerprint
        assert ArrayImageSet(images, labels[::-1].copy(), ("a", "b")).labels_fingerprint != whole.labels_fingerprint
        assert ArrayImageSet(images, labels, ("a", "c")).labels_fingerprint != whole.labels_fingerprint
        images[13, 1, 2, 0] ^= 1
        assert ArrayImageSet(images, labels, ("a", "b")).fingerprint != whole.fingerprint


class TestReading:
    def test_in_any_order_with_repetitions_and_none_at_all(self, directory):
        image_set = PreparedImageSet(directory)
        images, labels = image_set.read(1, EVERYTHING)
        for indices in ([19, 0, 7, 8, 8, 15, 16], [3], [11] * 30):
            found, numbers = image_set.read(1, np.array(indices))
            np.testing.assert_array_equal(found, images[indices])
            np.testing.assert_array_equal(numbers, labels[indices])
        found, numbers = image_set.read(1, np.array([], np.int64))
        assert (found.shape, numbers.shape) == ((0, 4, 8, 3), (0,))

    def test_what_was_read_belongs_to_the_caller(self, directory):
        image_set = PreparedImageSet(directory)
        first, _ = image_set.read(0, np.array([5]))
        first[:] = 0
        assert image_set.read(0, np.array([5]))[0].any()

    @pytest.mark.parametrize("indices", [[-1], [COUNT], [0, 2**40]])
    def test_what_is_not_there_is_refused(self, directory, indices):
        with pytest.raises(ValueError, match=rf"indices must be from 0 to 19. Received: .*{indices[-1]}"):
            PreparedImageSet(directory).read(0, np.array(indices))

    @pytest.mark.parametrize("halvings", [-1, 3])
    def test_levels_that_are_not_there_are_refused(self, directory, halvings):
        with pytest.raises(ValueError, match=f"halvings must be from 0 to 2. Received: halvings={halvings}"):
            PreparedImageSet(directory).read(halvings, EVERYTHING)

    def test_a_smaller_size_is_the_same_set_without_its_larger_ones(self, directory):
        whole, smaller = PreparedImageSet(directory), PreparedImageSet(directory, (4, 8))
        assert smaller.sizes == SIZES[1:]
        assert smaller.labels_fingerprint == whole.labels_fingerprint
        np.testing.assert_array_equal(smaller.read(0, EVERYTHING)[0], whole.read(1, EVERYTHING)[0])
        with pytest.raises(ValueError, match="8x16, 4x8, 2x4; prepare it again.*Received: 16x16"):
            PreparedImageSet(directory, (16, 16))

    def test_by_many_threads_at_once(self, directory):
        image_set = PreparedImageSet(directory)
        expected = [image_set.read(level, EVERYTHING)[0] for level in range(3)]
        barrier = threading.Barrier(8)

        def read(number):
            random = np.random.default_rng(number)
            barrier.wait()
            for _ in range(30):
                level, indices = int(random.integers(3)), random.integers(0, COUNT, 6)
                images, labels = image_set.read(level, indices)
                np.testing.assert_array_equal(images, expected[level][indices])
                assert labels.tolist() == (indices >= 10).tolist()

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(read, range(8)))

    @pytest.mark.slow
    def test_files_do_not_pile_up_and_are_closed_with_the_set(self, directory):
        gc.collect()
        before = open_files()
        image_set = PreparedImageSet(directory)
        for _ in range(3):
            for halvings in (0, 1, 2, 1, 0):
                image_set.read(halvings, EVERYTHING)
                assert open_files() - before <= 2 * 3  # two levels of three shards
        assert open_files() > before
        del image_set
        gc.collect()
        assert open_files() == before


def open_files():
    return len(os.listdir("/proc/self/fd"))


class TestDamage:
    @pytest.fixture
    def copy(self, directory, tmp_path):
        return Path(shutil.copytree(directory, tmp_path / "copy"))

    def test_a_shard_that_is_cut_off(self, copy):
        path = copy / "4x8" / "shard-00001.tfrecord"
        image_set = PreparedImageSet(copy)
        os.truncate(path, path.stat().st_size - 20)  # while it is in use
        image_set.read(1, np.arange(15))  # what is there can still be read
        with pytest.raises(ValueError, match=r"4x8/shard-00001.tfrecord is shorter than.*prepare the set again"):
            image_set.read(1, np.array([15]))

    @pytest.mark.parametrize(
        ("damage", "words"), [(Path.unlink, "is missing"), (lambda path: os.truncate(path, 7), "has 7 bytes")]
    )
    def test_missing_and_short_files_are_found_at_once(self, copy, damage, words):
        damage(copy / "2x4" / "shard-00002.tfrecord")
        with pytest.raises(DamagedSetError, match=rf"2x4/shard-00002.tfrecord .*{words}.*Delete the directory"):
            PreparedImageSet(copy)

    def test_no_set(self, tmp_path):
        with pytest.raises(ValueError, match=f"A prepared set must hold {MANIFEST}. Received: {tmp_path}"):
            PreparedImageSet(tmp_path)

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text[:-20],
            lambda text: "[]",
            lambda text: text.replace("stylegan_tf image set", "something else"),
            lambda text: text.replace('"version": 1', '"version": 2'),
            lambda text: text.replace('"sizes"', '"seizes"'),
            lambda text: text.replace('"crc32c"', '"crc"'),
        ],
        ids=["cut off", "no object", "other format", "newer version", "missing field", "other check"],
    )
    def test_a_manifest_that_cannot_be_understood(self, copy, change):
        path = copy / MANIFEST
        changed = change(path.read_text())
        assert changed != path.read_text()
        path.write_text(changed)
        with pytest.raises(ValueError, match=f"manifest of a prepared set could not be read: {path}"):
            PreparedImageSet(copy)


def test_manifest_is_read_as_it_was_written(directory, tmp_path):
    manifest = Manifest.read(directory)
    (tmp_path / MANIFEST).write_text(manifest.to_json())
    assert Manifest.read(tmp_path) == manifest
    assert (tmp_path / MANIFEST).read_bytes() == (directory / MANIFEST).read_bytes()
    assert json.loads(manifest.to_json())["encoding"] in ENCODINGS


def test_sets_are_recognised_complete_or_not(directory, tmp_path):
    assert is_prepared(str(directory))
    assert not is_prepared(str(tmp_path))
    (tmp_path / INCOMPLETE).write_text("{}")
    assert is_prepared(str(tmp_path))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_is_exact_and_of_the_expected_shape(channels):
    image = np.random.default_rng(0).integers(0, 256, (4, 6, channels)).astype(np.uint8)
    np.testing.assert_array_equal(decode_stored_png(encode_png(image), image.shape), image)
    with pytest.raises(ValueError):
        decode_stored_png(encode_png(image), (4, 4, channels))


class TestAsASource:
    def test_pictures_names_and_labels(self, directory):
        source = find_source(str(directory))
        assert isinstance(source, PreparedSource)
        assert (len(source), source.channels, source.label_names) == (COUNT, 3, ("a", "b"))
        items = list(source.items(9))
        assert [item.name for item in items] == list(map(str, range(9, COUNT)))
        assert [item.label for item in items] == [0] + [1] * 10
        np.testing.assert_array_equal(
            np.stack([np.asarray(item.open()) for item in items]),
            PreparedImageSet(directory).read(0, np.arange(9, COUNT))[0],
        )

    @pytest.mark.slow
    def test_prepared_again_smaller_by_worker_processes(self, directories, tmp_path, small_shards):
        first = PreparedImageSet(directories["png"])
        form = PictureForm((4, 4), 1)
        with small_shards(4, processes=True):
            again = prepare(PreparedSource(first), tmp_path / "again", form, 2, max_workers=2)
        images, labels = again.read(0, EVERYTHING)
        expected = [to_pixels(Image.fromarray(image), form) for image in first.read(0, EVERYTHING)[0]]
        np.testing.assert_array_equal(images, np.stack(expected))
        np.testing.assert_array_equal(labels, first.read(0, EVERYTHING)[1])
        assert again.label_names == ("a", "b")
        assert again.manifest.source["kind"] == "prepared set"
