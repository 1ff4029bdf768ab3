"""Files in MNIST's format."""

import gzip
import os

import numpy as np
import pytest

from stylegan_tf.data.sources.find import open_source


def idx(array, kind=8):
    return bytes([0, 0, kind, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 5, 4)).astype(np.uint8)


@pytest.fixture
def labels():
    return np.array([3, 1, 4, 1, 5, 9, 2], np.uint8)


@pytest.fixture(params=["", ".gz"])
def suffix(request):
    return request.param


@pytest.fixture
def write(tmp_path):
    """Writes arrays, or bytes, as files; compressed where the name says so."""

    def write(files):
        for name, content in files.items():
            content = content if isinstance(content, bytes) else idx(content)
            (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return str(tmp_path)

    return write


def pixels(source):
    return np.stack([np.asarray(item.open()) for item in source.items()])


def labels_of(source):
    return [item.label for item in source.items()]


@pytest.mark.parametrize("dot", "-.")
def test_file_with_labels_beside_it(write, images, labels, suffix, dot):
    image_name, label_name = f"train-images{dot}idx3-ubyte{suffix}", f"train-labels{dot}idx1-ubyte{suffix}"
    folder = write({image_name: images, label_name: labels})
    source = open_source(os.path.join(folder, image_name), use_labels=True)
    np.testing.assert_array_equal(pixels(source), images)
    assert labels_of(source) == labels.tolist()
    assert source.label_names == tuple("0123456789")
    assert source.channels == 1
    assert source.kind == "idx images"
    assert labels_of(open_source(os.path.join(folder, image_name))) == labels.tolist()


def test_file_without_labels(write, images, suffix):
    source = open_source(write({f"some{suffix}": images}) + f"/some{suffix}")
    assert labels_of(source) == [-1] * 7
    np.testing.assert_array_equal(pixels(source), images)


def test_labels_may_be_compressed_where_images_are_not(write, images, labels):
    folder = write({"a-images-idx3-ubyte": images, "a-labels-idx1-ubyte.gz": labels})
    assert labels_of(open_source(folder + "/a-images-idx3-ubyte")) == labels.tolist()


def test_colour(write):
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(np.uint8)
    np.testing.assert_array_equal(pixels(open_source(write({"x": images}) + "/x")), images)


def test_folder_joins_training_and_test_set_in_order_of_names(write, images, labels, suffix):
    folder = write(
        {
            f"train-images-idx3-ubyte{suffix}": images,
            f"train-labels-idx1-ubyte{suffix}": labels,
            f"t10k-images-idx3-ubyte{suffix}": images[:2],
            f"t10k-labels-idx1-ubyte{suffix}": labels[:2] + 10,
        }
    )
    source = open_source(folder)
    np.testing.assert_array_equal(pixels(source), np.concatenate([images[:2], images]))
    assert labels_of(source) == [13, 11, 3, 1, 4, 1, 5, 9, 2]
    assert source.label_names == tuple(map(str, range(14)))


def test_folder_with_both_packed_and_unpacked_files(write, images, labels):
    """As torchvision leaves it."""
    names = {"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels}
    source = open_source(write(names | {f"{name}.gz": array for name, array in names.items()}))
    assert len(source) == 7
    assert labels_of(source) == labels.tolist()


def test_signature_depends_on_the_labels(write, images, labels):
    folder = write({"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels})
    before = open_source(folder).signature()
    write({"train-labels-idx1-ubyte": labels[::-1]})
    assert open_source(folder).signature() != before


def test_folder_where_labels_are_missing_for_some(write, images, labels):
    folder = write(
        {"a-train-images-idx3-ubyte": images, "a-train-labels-idx1-ubyte": labels, "a-test-images-idx3-ubyte": images}
    )
    with pytest.raises(ValueError, match=r"its labels beside it, or none of them.*'a-train-labels-idx1-ubyte'"):
        open_source(folder, use_labels=True)
    assert set(labels_of(open_source(folder))) == {-1}


def test_folder_with_several_sets(write, images):
    folder = write({"emnist-letters-train-images-idx3-ubyte": images, "emnist-digits-train-images-idx3-ubyte": images})
    with pytest.raises(ValueError, match=r"must hold one data set.*give the path of one file.*letters"):
        open_source(folder)


def test_folder_with_several_sizes(write, images):
    with pytest.raises(ValueError, match=r"images of one size.*\(7, 5, 4\).*\(7, 5, 3\)|\(7, 5, 3\).*\(7, 5, 4\)"):
        open_source(write({"train-images-idx3-ubyte": images, "t10k-images-idx3-ubyte": images[..., :3]}))


def test_number_of_labels_must_fit(write, images, labels):
    folder = write({"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels[:6]})
    with pytest.raises(ValueError, match=r"one for each of the 7 images.*Received: shape \(6,\)"):
        open_source(folder, use_labels=True)
    source = open_source(folder)
    assert labels_of(source) == [-1] * 7
    assert "the labels are left out" in source.label_notes[0]


def test_damaged_labels_matter_only_where_they_are_asked_for(write, images, labels):
    folder = write({"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels})
    path = os.path.join(folder, "train-labels-idx1-ubyte")
    os.truncate(path, 5)
    with pytest.raises(ValueError, match="damaged or cut off"):
        open_source(folder, use_labels=True)
    assert labels_of(open_source(folder)) == [-1] * 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], r"as many bytes as its header says, 140 for.*Received: 139 in"),
        (lambda content: content + b"\0", r"as many bytes as its header says.*Received: more in"),
        (lambda content: content[:9], "damaged or cut off.*within its header"),
        (lambda content: b"\0\0\x0d" + content[3:], "must hold unsigned bytes.*type 0x0d"),
        (lambda content: b"\0\1\x08" + content[3:], "must begin with 0, 0|none of them, or damaged"),
        (lambda content: content[:4] + b"\xff" * 12 + content[16:], "as many bytes as its header says|damaged"),
        (lambda content: content[:4] + bytes(4) + content[8:], "must hold something"),
    ],
)
def test_damaged_files(write, images, suffix, change, message):
    name = f"train-images-idx3-ubyte{suffix}"
    folder = write({name: change(idx(images))})
    for data in (folder, f"{folder}/{name}"):
        with pytest.raises(ValueError, match=message):
            open_source(data)


def test_compressed_file_cut_off(write, images):
    noise = np.random.default_rng(0).integers(0, 256, (50, 28, 28)).astype(np.uint8)
    folder = write({"train-images-idx3-ubyte.gz": noise})
    os.truncate(f"{folder}/train-images-idx3-ubyte.gz", 20_000)
    with pytest.raises(ValueError, match=r"idx file is damaged or cut off; download it again"):
        open_source(folder)


def test_a_file_of_labels_is_refused(write, labels, suffix):
    with pytest.raises(ValueError, match=r"three axes.*whose name has images-idx3.*Received: .*of shape \(7,\)"):
        open_source(write({f"train-labels-idx1-ubyte{suffix}": labels}) + f"/train-labels-idx1-ubyte{suffix}")


def test_labels_asked_for(write, images):
    with pytest.raises(ValueError, match=r"labels-idx1 for images-idx3 in its name must lie beside"):
        open_source(write({"train-images-idx3-ubyte": images}), use_labels=True)
