"""NumPy files and the built-in set."""

import hashlib
import pickle

import numpy as np
import pytest

from stylegan_tf.data.sources.find import open_source


def pixels(source):
    return np.stack([np.asarray(item.open()) for item in source.items()])


def labels_of(source):
    return [item.label for item in source.items()]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 10, 4)).astype(np.uint8)


@pytest.fixture(params=["npy", "npz"])
def save(request, tmp_path):
    """Writes images to a file of either kind and gives its path."""

    def save(images):
        path = str(tmp_path / f"images.{request.param}")
        if request.param == "npy":
            np.save(path, images)
        else:
            np.savez_compressed(path, images=images)
        return path

    return save


class TestShapes:
    @pytest.mark.parametrize("channels", [3, 4])
    def test_colour(self, save, images, channels):
        source = open_source(save(images[..., :channels]))
        np.testing.assert_array_equal(pixels(source), images[..., :channels])
        assert source.channels == channels
        assert [item.name for item in source.items(4)] == ["4", "5"]

    @pytest.mark.parametrize("shape", [(6, 8, 10), (6, 8, 10, 1), (6, 1, 8, 10)])
    def test_grey(self, save, images, shape):
        source = open_source(save(images[..., 0].reshape(shape)))
        np.testing.assert_array_equal(pixels(source), images[..., 0])
        assert source.channels == 1

    @pytest.mark.parametrize("channels", [3, 4])
    def test_channels_first(self, save, images, channels):
        source = open_source(save(images[..., :channels].transpose(0, 3, 1, 2)))
        np.testing.assert_array_equal(pixels(source), images[..., :channels])
        assert source.channels == channels

    def test_where_both_could_be_channels_the_last_are(self, save, images):
        source = open_source(save(images[:, :3, :, :3]))
        np.testing.assert_array_equal(pixels(source), images[:, :3, :, :3])

    def test_fortran_order(self, save, images):
        np.testing.assert_array_equal(pixels(open_source(save(np.asfortranarray(images)))), images)

    @pytest.mark.parametrize("dtype", ["<u2", ">u2"])
    def test_16_bit_grey(self, save, images, dtype):
        deep = (images[..., 0].astype(np.uint16) * 257).astype(dtype)
        source = open_source(save(deep))
        item = next(source.items())
        assert item.open().mode == "I;16"
        np.testing.assert_array_equal(np.asarray(item.open()), deep[0])
        assert source.channels == 1

    @pytest.mark.parametrize(
        "change",
        [
            lambda images: images / 255,
            lambda images: images.astype(np.int64),
            lambda images: images > 9,
            lambda images: images.astype(np.uint16),
            lambda images: images[..., :2],
            lambda images: images[0, 0],
            lambda images: images[:0],
            lambda images: images[:, :0],
            lambda images: images[None],
            lambda images: images.astype("S3"),
            lambda images: images.transpose(1, 2, 0, 3)[..., :2],
        ],
    )
    def test_others_are_refused(self, save, images, change):
        wrong = change(images)
        with pytest.raises(ValueError, match="images must be uint8 of shape.*Received: ") as error:
            open_source(save(wrong))
        assert f"Received: {wrong.dtype} of shape {wrong.shape}" in str(error.value)


class TestNpz:
    @pytest.fixture
    def write(self, tmp_path, images):
        def write(**arrays):
            np.savez(tmp_path / "set", images=images, **arrays)
            return str(tmp_path / "set.npz")

        return write

    def test_labels(self, write):
        source = open_source(write(labels=np.array([0, 2, 1, 0, 1, 2], np.uint8)))
        assert labels_of(source) == [0, 2, 1, 0, 1, 2]
        assert source.label_names == ("0", "1", "2")

    def test_label_names(self, write):
        path = write(labels=np.array([0, 2, 1, 0, 1, 0]), label_names=np.array(["a", "ö", "日"]), other=np.zeros(3))
        source = open_source(path, use_labels=True)
        assert labels_of(source) == [0, 2, 1, 0, 1, 0]
        assert source.label_names == ("a", "ö", "日")

    def test_one_hot_labels(self, write):
        source = open_source(write(labels=np.eye(7, dtype=np.float32)[[0, 2, 1, 0, 1, 0]]))
        assert labels_of(source) == [0, 2, 1, 0, 1, 0]
        assert len(source.label_names) == 7

    def test_wrong_labels(self, write):
        with pytest.raises(ValueError, match=r"labels must be 6 integers.*in data="):
            open_source(write(labels=np.arange(5)), use_labels=True)
        with pytest.raises(ValueError, match=r"from 0 to 1, as there are 2 label_names"):
            open_source(write(labels=np.arange(6), label_names=np.array(["a", "b"])), use_labels=True)

    @pytest.mark.parametrize(
        "labels", [np.arange(5), np.tile([1, 0, 1], (6, 1)), np.array([None] * 6), np.ones((6, 9))]
    )
    def test_labels_that_cannot_be_classes_matter_only_where_they_are_asked_for(self, write, labels):
        path = write(labels=labels)
        with pytest.raises(ValueError, match="Received"):
            open_source(path, use_labels=True)
        source = open_source(path)
        assert labels_of(source) == [-1] * 6
        assert "the labels are left out" in source.label_notes[0]

    def test_column_of_labels(self, write):
        source = open_source(write(labels=np.array([[0], [2], [1], [0], [1], [2]])), use_labels=True)
        assert labels_of(source) == [0, 2, 1, 0, 1, 2]
        assert source.label_names == ("0", "1", "2")

    def test_signature_depends_on_label_names(self, write):
        first = open_source(write(labels=np.zeros(6, int), label_names=np.array(["a"]))).signature()
        assert open_source(write(labels=np.zeros(6, int), label_names=np.array(["b"]))).signature() != first

    def test_no_images(self, tmp_path, images):
        np.savez(tmp_path / "set.npz", x_train=images)
        with pytest.raises(ValueError, match=r"must hold an array 'images'\. Received: data=.*with \['x_train'\]"):
            open_source(str(tmp_path / "set.npz"))

    def test_items_carry_their_own_pixels_alone(self, write, images):
        item = next(open_source(write()).items(2))
        assert len(pickle.dumps(item)) < images[0].nbytes + 500
        np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(item)).open()), images[2])


def test_rows_of_a_npy_file_stay_on_disk(tmp_path):
    """300 MB of images that take no room: the file is sparse."""
    rows = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.uint8, (100, 1000, 1000, 3))
    rows[99] = 7
    rows.flush()
    source = open_source(str(tmp_path / "large.npy"))
    item = next(source.items(99))
    assert len(pickle.dumps(item)) < 1000
    assert item.open().getpixel((500, 500)) == (7, 7, 7)


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([object()]), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", images=np.array([object()]), allow_pickle=True)
    for name in ("objects.npy", "objects.npz"):
        with pytest.raises(ValueError, match=r"array file could not be read.*not pickled objects.*Received: data="):
            open_source(str(tmp_path / name))


def test_files_cut_off(save, images):
    path = save(images)
    with open(path, "r+b") as file:
        file.truncate(900)
    with pytest.raises(ValueError, match=r"array file could not be read|archive is damaged"):
        open_source(path)


def test_portraits():
    source = open_source("portraits", use_labels=True)
    assert (len(source), source.channels, source.kind) == (2339, 3, "built-in set")
    assert source.label_names == ("noto", "twemoji", "fluent")
    assert np.bincount(labels_of(source)).tolist() == [780, 779, 780]
    images = pixels(source)
    assert images.shape == (2339, 32, 32, 3)
    assert len({hashlib.md5(image.tobytes()).digest() for image in images}) == 2339
    assert source.signature() == open_source("portraits").signature()
