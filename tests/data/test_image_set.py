"""Sets of images in memory: what is read at each size, fingerprints, and sets that are refused."""

import concurrent.futures
import time

import numpy as np
import pytest

from stylegan_tf.data.image_set import ArrayImageSet, halved_sizes, image_digest, images_fingerprint, labels_fingerprint
from stylegan_tf.data.pyramid import image_pyramid

COUNT = 6
ZEROS = np.zeros((3, 4, 4, 1), np.uint8)
LABELS = np.array([0, 1, 0], np.int32)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 8, 16, 3)).astype(np.uint8)


class TestRead:
    def test_every_size_in_any_order(self, images):
        image_set = ArrayImageSet(images, np.arange(COUNT, dtype=np.int32) % 2, ("even", "odd"))
        indices = np.array([4, 0, 5, 5, 1])
        levels = image_pyramid(images, 4)
        for halvings in (2, 0, 3, 1):  # larger ones after smaller ones, too
            found, labels = image_set.read(halvings, indices)
            assert found.dtype == np.uint8
            assert labels.dtype == np.int32
            np.testing.assert_array_equal(found, levels[halvings][indices])
            assert labels.tolist() == [0, 0, 1, 1, 1]

    def test_without_labels_there_are_none(self, images):
        image_set = ArrayImageSet(images)
        assert image_set.read(0, np.array([0]))[1] is None
        assert image_set.label_names == ()
        assert image_set.num_classes == 0

    def test_what_is_read_belongs_to_the_caller(self, images):
        image_set = ArrayImageSet(images.copy(), np.zeros(COUNT, np.int32), ("a",))
        for halvings in (0, 1):
            before = image_set.read(halvings, np.arange(COUNT))[0].copy()
            found, labels = image_set.read(halvings, np.arange(COUNT))
            found[:], labels[:] = 0, 5
            np.testing.assert_array_equal(image_set.read(halvings, np.arange(COUNT))[0], before)
        assert image_set.labels.tolist() == [0] * COUNT

    @pytest.mark.parametrize("halvings", [-1, 4])
    def test_sizes_that_are_not_there(self, images, halvings):
        image_set = ArrayImageSet(images)
        expected = rf"halvings must be from 0 to 3\. Received: halvings={halvings}\."
        with pytest.raises(ValueError, match=expected):
            image_set.read(halvings, np.array([0]))
        with pytest.raises(ValueError, match=expected):
            image_set.image_shape(halvings)

    def test_threads_that_come_first_make_the_sizes_once(self, images, monkeypatch):
        made = []

        def counted(images: np.ndarray, num_levels: int) -> list[np.ndarray]:
            made.append(num_levels)
            time.sleep(0.05)  # so that the others come meanwhile
            return image_pyramid(images, num_levels)

        monkeypatch.setattr("stylegan_tf.data.image_set.image_pyramid", counted)
        image_set = ArrayImageSet(images)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for found, _ in pool.map(lambda _: image_set.read(3, np.arange(COUNT)), range(64)):
                assert found.shape == (COUNT, 1, 2, 3)
        assert made == [4]


def test_facts(images):
    image_set = ArrayImageSet(images, np.zeros(COUNT, np.int32), ("a", "b"), "somewhere")
    assert len(image_set) == COUNT
    assert image_set.sizes == ((8, 16), (4, 8), (2, 4), (1, 2))
    assert image_set.num_levels == 4
    assert image_set.image_shape() == (8, 16, 3)
    assert image_set.image_shape(3) == (1, 2, 3)
    assert (image_set.channels, image_set.num_classes, image_set.name) == (3, 2, "somewhere")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4, 4), ((4, 4), (2, 2), (1, 1))),
        ((28, 28), ((28, 28), (14, 14), (7, 7))),
        ((64, 96), ((64, 96), (32, 48), (16, 24), (8, 12), (4, 6), (2, 3))),
        ((5, 8), ((5, 8),)),
        ((1024, 1024), tuple((2**n, 2**n) for n in range(10, 1, -1))),  # to 4x4, not further
    ],
)
def test_halved_sizes(size, expected):
    assert halved_sizes(size) == expected


class TestFingerprint:
    def test_of_images_depends_on_images_and_their_order_alone(self):
        first = ArrayImageSet(ZEROS, LABELS, ("a", "b"), "here")
        assert first.fingerprint == ArrayImageSet(ZEROS.copy(), name="there").fingerprint
        assert len(first.fingerprint) == 16
        int(first.fingerprint, 16)
        changed = ZEROS.copy()
        changed[2, 3, 3, 0] = 1
        others = [changed, changed[::-1], ZEROS.reshape(3, 2, 8, 1), ZEROS[:2], ZEROS.reshape(4, 4, 3, 1)]
        found = {first.fingerprint, *(ArrayImageSet(images).fingerprint for images in others)}
        assert len(found) == 1 + len(others)

    def test_of_images_does_not_depend_on_how_they_lie_in_memory(self, images):
        turned = np.ascontiguousarray(images.transpose(0, 3, 2, 1)).transpose(0, 3, 2, 1)
        assert turned[0].flags.f_contiguous
        assert ArrayImageSet(turned).fingerprint == ArrayImageSet(images).fingerprint

    def test_of_labels_depends_on_labels_and_names_alone(self, images):
        first = ArrayImageSet(ZEROS, LABELS, ("a", "b"), "here")
        assert first.labels_fingerprint == ArrayImageSet(ZEROS + 1, LABELS, ("a", "b"), "there").labels_fingerprint
        assert len(first.labels_fingerprint) == 16
        others = [
            ArrayImageSet(ZEROS, 1 - LABELS, ("a", "b")),
            ArrayImageSet(ZEROS, LABELS[[1, 0, 0]], ("a", "b")),
            ArrayImageSet(ZEROS, LABELS, ("a", "c")),
            ArrayImageSet(ZEROS, LABELS, ("a", "b", "c")),
            ArrayImageSet(ZEROS),
        ]
        found = {first.labels_fingerprint, *(other.labels_fingerprint for other in others)}
        assert len(found) == 1 + len(others)

    def test_parts_of_any_length_give_the_same(self, images):
        digests = [image_digest(image) for image in images]
        whole = images_fingerprint(images.shape[1:], digests)
        assert images_fingerprint(images.shape[1:], [b"".join(digests[:4]), b"".join(digests[4:])]) == whole
        assert ArrayImageSet(images).fingerprint == whole
        names = ("a", "b")
        assert labels_fingerprint(names, [LABELS]) == labels_fingerprint(names, [LABELS[:1], LABELS[1:]])

    def test_numbers_written_down(self):
        """These must not change: runs that were begun would take their own data for other data."""
        image_set = ArrayImageSet(ZEROS, LABELS, ("a", "b"))
        assert image_set.fingerprint == "0fd59e18279addd8"
        assert image_set.labels_fingerprint == "c01f8189f53fc45b"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((ZEROS.astype(np.float32),), "must be uint8"),
        ((ZEROS[0],), "must be uint8"),
        ((ZEROS[:0],), "N at least 1"),
        ((ZEROS[:, :0],), "N at least 1"),
        ((ZEROS.repeat(2, -1),), "1, 3 or 4 channels"),
        ((ZEROS, LABELS[:2], ("a", "b")), r"labels must be int32 of shape \[3\]"),
        ((ZEROS, LABELS.astype(np.int64), ("a", "b")), r"labels must be int32 of shape \[3\].*Received: int64"),
        ((ZEROS, LABELS, ("a",)), "labels must lie from 0 to 0"),
        ((ZEROS, LABELS - 1, ("a", "b")), r"labels must lie from 0 to 1.*Received: -1 to 0"),
        ((ZEROS, None, ("a",)), "label_names need labels"),
    ],
)
def test_impossible_sets_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ArrayImageSet(*arguments)
