"""The TFRecords of the original StyleGAN, written here by TensorFlow as its `dataset_tool.py` lays them out."""

import pickle

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.data.sources.find import open_source


def example(array):
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "shape": tf.train.Feature(int64_list=tf.train.Int64List(value=array.shape)),
                "data": tf.train.Feature(bytes_list=tf.train.BytesList(value=[array.tobytes()])),
            }
        )
    ).SerializeToString()


def write_records(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def labels_of(source):
    return [item.label for item in source.items()]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 3, 16, 16)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, images):
    """NAME-r02.tfrecords to NAME-r04.tfrecords, each half as large as the next."""
    for level in (4, 3, 2):
        write_records(tmp_path / f"faces-r{level:02}.tfrecords", map(example, images))
        images = images[:, :, ::2, ::2]
    return tmp_path


def test_the_highest_resolution_is_taken(folder, images):
    source = open_source(str(folder))
    assert source.kind == "TFRecords of the original StyleGAN"
    assert (len(source), source.channels, source.label_names) == (5, 3, ())
    for item, image in zip(source.items(), images, strict=True):
        np.testing.assert_array_equal(np.asarray(item.open()), image.transpose(1, 2, 0))
    assert [item.name for item in source.items(3)] == ["3", "4"]
    assert len(pickle.dumps(next(source.items()))) < 500


def test_one_file(folder, images, tmp_path):
    source = open_source(str(folder / "faces-r03.tfrecords"))
    np.testing.assert_array_equal(np.asarray(next(source.items(4)).open()), images[4, :, ::2, ::2].transpose(1, 2, 0))
    (folder / "faces-r03.tfrecords").rename(tmp_path / "any name")
    assert len(open_source(str(tmp_path / "any name"))) == 5


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (4, "RGBA")])
def test_other_channels(tmp_path, channels, mode):
    images = np.random.default_rng(0).integers(0, 256, (2, channels, 4, 8)).astype(np.uint8)
    write_records(tmp_path / "x-r03.tfrecords", map(example, images))
    source = open_source(str(tmp_path))
    assert source.channels == channels
    opened = [item.open() for item in source.items()]
    assert [image.mode for image in opened] == [mode] * 2
    np.testing.assert_array_equal(np.asarray(opened[1]).reshape(4, 8, channels), images[1].transpose(1, 2, 0))


@pytest.mark.parametrize(
    "labels", [np.array([2, 0, 1, 2, 0]), np.eye(3, dtype=np.float32)[[2, 0, 1, 2, 0]], np.array([2, 0, 1, 2, 0], "u1")]
)
def test_labels(folder, labels):
    with open(folder / "faces-rxx.labels", "wb") as file:
        np.save(file, labels)
    for data in (folder, folder / "faces-r02.tfrecords"):
        source = open_source(str(data), use_labels=True)
        assert labels_of(source) == [2, 0, 1, 2, 0]
        assert source.label_names == ("0", "1", "2")
    assert labels_of(open_source(str(folder))) == [2, 0, 1, 2, 0]


def test_signature_depends_on_labels(folder):
    before = open_source(str(folder)).signature()
    np.save(folder / "faces-rxx.npy", np.zeros(5, int))
    (folder / "faces-rxx.npy").rename(folder / "faces-rxx.labels")
    assert open_source(str(folder)).signature() != before


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(4, int), "labels must be 5 integers.*faces-rxx.labels"),
        (np.full((5, 2), 0.5), "one-hot.*faces-rxx.labels"),
        (np.array([None] * 5), "not pickled objects.*faces-rxx.labels"),
    ],
)
def test_wrong_labels(folder, labels, message):
    with open(folder / "faces-rxx.labels", "wb") as file:
        np.save(file, labels, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        open_source(str(folder), use_labels=True)
    source = open_source(str(folder))
    assert labels_of(source) == [-1] * 5
    assert "the labels are left out" in source.label_notes[0]


def test_labels_asked_for(folder):
    with pytest.raises(ValueError, match=r"a file NAME-rxx\.labels must lie beside.*train without labels"):
        open_source(str(folder), use_labels=True)


def test_several_sets(folder, images):
    write_records(folder / "cats-r02.tfrecords", map(example, images))
    with pytest.raises(ValueError, match=r"those of one data set.*Received: data=.*\['cats', 'faces'\]"):
        open_source(str(folder))


def test_a_damaged_record_does_not_open(folder, images):
    path = folder / "faces-r04.tfrecords"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # within the third record
    path.write_bytes(content)
    items = list(open_source(str(folder)).items())
    with pytest.raises(ValueError, match="wrong checksum of the record"):
        items[2].open()
    np.testing.assert_array_equal(np.asarray(items[3].open()), images[3].transpose(1, 2, 0))


@pytest.mark.parametrize("keep", [-1, -900, 5, 20])
def test_a_file_cut_off(folder, keep):
    path = folder / "faces-r04.tfrecords"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"TFRecord file must be whole.*Copy or make it again.*ends within"):
        open_source(str(folder))


def test_an_empty_file(folder):
    (folder / "faces-r04.tfrecords").write_bytes(b"")
    with pytest.raises(ValueError, match="holds no record"):
        open_source(str(folder))


def test_a_file_that_became_shorter(folder):
    item = list(open_source(str(folder)).items())[4]
    (folder / "faces-r04.tfrecords").write_bytes(b"")
    with pytest.raises(ValueError, match="has changed"):
        item.open()


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"no example",
        tf.train.Example().SerializeToString(),
        example(np.zeros((2, 4, 4), np.uint8)),
        example(np.zeros((3, 4, 4), np.uint16)),
        example(np.zeros(48, np.uint8)),
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    "data": tf.train.Feature(int64_list=tf.train.Int64List(value=[1])),
                    "shape": tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 1, 1])),
                }
            )
        ).SerializeToString(),
        tf.train.Example(
            features=tf.train.Features(
                feature={"image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"JPEG"]))}
            )
        ).SerializeToString(),
    ],
)
def test_records_of_another_layout(tmp_path, record):
    path = write_records(tmp_path / "x-r04.tfrecords", [record])
    for data in (path, str(tmp_path)):
        with pytest.raises(ValueError, match=r"as the original StyleGAN and ProGAN write it.*'shape'.*'data'"):
            open_source(data)
