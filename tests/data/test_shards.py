"""A shard is written at every size, with a note of all that a manifest needs."""

import io

import google_crc32c
import numpy as np
import pytest
from PIL import Image

from stylegan_tf.data.decode import PictureForm
from stylegan_tf.data.image_set import image_digest
from stylegan_tf.data.prepared import FileCheck, decode_stored_png
from stylegan_tf.data.pyramid import image_pyramid
from stylegan_tf.data.records import parse_example, read_records
from stylegan_tf.data.shards import ShardNote, ShardTask, note_path, write_shard
from tests.data.made_up_source import ArrayItem, BytesItem, noise

SIZES = ((8, 8), (4, 4))
IMAGES = np.stack([noise(8, 8, 3, seed=number) for number in range(5)])


def write(directory, encoding, labelled=True):
    items = [ArrayItem(str(number), 7 * number, image) for number, image in enumerate(IMAGES)]
    items.insert(2, BytesItem("broken", 1, b""))
    write_shard(ShardTask(3, items, str(directory), PictureForm((8, 8), 3), SIZES, encoding, labelled))
    return ShardNote.read(note_path(directory, 3))


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_images_labels_and_note(tmp_path, encoding):
    note = write(tmp_path, encoding)
    for level in image_pyramid(IMAGES, 2):
        side = level.shape[1]
        with (tmp_path / f"{side}x{side}" / "shard-00003.tfrecord").open("rb") as file:
            examples = [parse_example(record) for record in read_records(file)]
        assert [example["label"] for example in examples] == [[0], [7], [14], [21], [28]]
        for example, expected in zip(examples, level, strict=True):
            (data,) = example["image"]
            image = decode_stored_png(data, expected.shape) if encoding == "png" else np.frombuffer(data, np.uint8)
            np.testing.assert_array_equal(image.reshape(expected.shape), expected)
    assert (note.count, note.labels) == (5, [0, 7, 14, 21, 28])
    assert [name for name, _ in note.left_out] == ["broken"]
    assert bytes.fromhex(note.digests) == b"".join(map(image_digest, IMAGES))
    written = list(tmp_path.glob("*x*/*"))
    assert len(written) == (2 if encoding == "raw" else 4)
    assert note.files == {
        str(path.relative_to(tmp_path)): FileCheck(path.stat().st_size, google_crc32c.value(path.read_bytes()))
        for path in written
    }


def test_indices_say_where_records_begin_and_the_last_one_ends(tmp_path):
    write(tmp_path, "png")
    starts = np.load(tmp_path / "4x4" / "shard-00003.index.npy")
    content = (tmp_path / "4x4" / "shard-00003.tfrecord").read_bytes()
    assert (len(starts), starts[0], starts[-1]) == (6, 0, len(content))
    for begin, end, expected in zip(starts, starts[1:], image_pyramid(IMAGES, 2)[1], strict=False):
        (record,) = read_records(io.BytesIO(content[begin:end]))
        with Image.open(io.BytesIO(parse_example(record)["image"][0])) as image:
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_without_labels_there_are_none(tmp_path):
    note = write(tmp_path, "raw", labelled=False)
    assert note.labels == []
    with (tmp_path / "8x8" / "shard-00003.tfrecord").open("rb") as file:
        assert all("label" not in parse_example(record) for record in read_records(file))


def test_an_error_leaves_neither_files_nor_a_note(tmp_path):
    items = [ArrayItem("0", -1, IMAGES[0])]  # no such label can be written
    with pytest.raises(ValueError, match="bytes must be in range"):
        write_shard(ShardTask(0, items, str(tmp_path), PictureForm((8, 8), 3), SIZES, "raw", True))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
