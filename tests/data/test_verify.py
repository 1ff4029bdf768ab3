"""Every kind of damage to a prepared set is found and named, one that the checksums do not show as well."""

import io
import json
import os
import shutil
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from stylegan_tf.data.decode import PictureForm
from stylegan_tf.data.prepare import prepare
from stylegan_tf.data.prepared import ENCODINGS, MANIFEST, decode_stored_png, encode_png
from stylegan_tf.data.records import frame, image_example, parse_example, read_records
from stylegan_tf.data.sources.folder import FolderSource
from stylegan_tf.data.verify import verify_set

COUNT = 20  # images, in shards of 8, 8 and 4
SHARD = "4x4/shard-00001.tfrecord"
LARGE = "8x8/shard-00001.tfrecord"


@pytest.fixture(autouse=True)
def _threads(small_shards):
    with small_shards(8):
        yield


@pytest.fixture(scope="module")
def directories(tmp_path_factory, write_pictures, small_shards):
    folder = write_pictures(tmp_path_factory.mktemp("pictures"), COUNT)
    source = FolderSource(str(folder), str(folder), use_labels=True)
    root = tmp_path_factory.mktemp("sets")
    with small_shards(8):
        for encoding in ENCODINGS:
            prepare(source, root / encoding, PictureForm((8, 8), 3), 2, encoding=encoding)
    return root


@pytest.fixture(params=ENCODINGS)
def directory(request, directories, tmp_path):
    """A whole set, which the test may damage."""
    return Path(shutil.copytree(directories / request.param, tmp_path / "set"))


def change_manifest(directory, change):
    fields = json.loads((directory / MANIFEST).read_text())
    change(fields)
    (directory / MANIFEST).write_text(json.dumps(fields))


def rewrite(directory, names, change):
    """Changes the (image, label) of a shard's files, in step, so that checksums, index and manifest are right."""
    is_png = json.loads((directory / MANIFEST).read_text())["encoding"] == "png"
    for name in names:
        side = int(name.partition("x")[0])
        with (directory / name).open("rb") as file:
            examples = [parse_example(data) for data in read_records(file)]
        shape = (side, side, 3)
        pairs = []
        for example in examples:
            data = example["image"][0]
            image = decode_stored_png(data, shape) if is_png else np.frombuffer(data, np.uint8).reshape(shape)
            pairs.append([image, example["label"][0]])
        change(pairs)
        records = [
            frame(image_example(encode_png(image) if is_png else image.tobytes(), label)) for image, label in pairs
        ]
        files = {name: b"".join(records)}
        if is_png:
            index = io.BytesIO()
            np.save(index, np.cumsum([0, *map(len, records)]))
            files[name.replace(".tfrecord", ".index.npy")] = index.getvalue()
        for path, content in files.items():
            (directory / path).write_bytes(content)
            check = {"bytes": len(content), "crc32c": google_crc32c.value(content)}
            change_manifest(directory, lambda fields, path=path, check=check: fields["files"].update({path: check}))


def test_a_whole_set(directory):
    calls = []
    assert verify_set(directory, progress=lambda done, total: calls.append((done, total))) == []
    assert calls[-1] == (COUNT, COUNT)


@pytest.mark.slow
def test_worker_processes_find_the_same(directories, tmp_path, small_shards):
    directory = Path(shutil.copytree(directories / "raw", tmp_path / "set"))
    with small_shards(processes=True):
        assert verify_set(directory, max_workers=2) == []
        (directory / SHARD).unlink()
        assert verify_set(directory, max_workers=1) == [f"{SHARD}: No such file or directory"]


def test_damage_that_was_done_with_right_checksums_is_none_if_nothing_changed(directory):
    """What the tests below rest on."""
    rewrite(directory, [LARGE, SHARD], lambda pairs: None)
    assert verify_set(directory) == []


@pytest.mark.parametrize("position", [0, 10, 100, -1])
def test_a_flipped_bit(directory, position):
    content = bytearray((directory / SHARD).read_bytes())
    content[position] ^= 1
    (directory / SHARD).write_bytes(content)
    assert verify_set(directory) == [f"{SHARD}: wrong checksum"]


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_flipped_bit_that_the_manifest_agrees_with(directory, position):
    content = bytearray((directory / SHARD).read_bytes())
    content[position] ^= 1
    (directory / SHARD).write_bytes(content)
    check = {"bytes": len(content), "crc32c": google_crc32c.value(bytes(content))}
    change_manifest(directory, lambda fields: fields["files"].update({SHARD: check}))
    (damage,) = verify_set(directory)
    assert damage.startswith("shard 1, image ")
    assert "wrong checksum of the" in damage


def test_a_file_that_is_cut_off(directory):
    size = (directory / SHARD).stat().st_size
    os.truncate(directory / SHARD, size - 3)
    assert verify_set(directory) == [f"{SHARD}: {size - 3:,} bytes, not {size:,}"]


def test_missing_files(directory):
    for name in (SHARD, LARGE, "8x8/shard-00002.tfrecord"):
        (directory / name).unlink()
    assert verify_set(directory) == [
        f"{name}: No such file or directory" for name in (LARGE, SHARD, "8x8/shard-00002.tfrecord")
    ]


def test_the_index_of_a_shard(directories, tmp_path):
    directory = Path(shutil.copytree(directories / "png", tmp_path / "set"))
    name = SHARD.replace(".tfrecord", ".index.npy")
    content = bytearray((directory / name).read_bytes())
    content[-8] ^= 1
    (directory / name).write_bytes(content)
    assert verify_set(directory) == [f"{name}: wrong checksum"]


def test_files_that_the_manifest_does_not_know(directory):
    change_manifest(directory, lambda fields: fields["files"].pop(SHARD))
    assert verify_set(directory) == [f"{SHARD}: the manifest does not know it"]


def test_files_that_only_the_manifest_knows(directory):
    change_manifest(directory, lambda fields: fields["files"].update({"4x4/more": {"bytes": 1, "crc32c": 0}}))
    assert verify_set(directory) == ["4x4/more: the manifest lists it, but no shard has this file"]


def test_another_number_of_images(directory):
    change_manifest(directory, lambda fields: fields.update(shard_counts=[8, 7, 5]))
    assert verify_set(directory) == ["shard 1 holds 8 images, not 7", "shard 2 holds 4 images, not 5"]


def test_images_that_were_exchanged_at_every_size(directory):
    def swap(pairs):
        pairs[3][0], pairs[4][0] = pairs[4][0], pairs[3][0]

    rewrite(directory, [LARGE, SHARD], swap)
    assert verify_set(directory) == ["the images are not those of the manifest"]


def test_images_that_were_exchanged_at_one_size(directory):
    def swap(pairs):
        pairs[3], pairs[5] = pairs[5], pairs[3]

    rewrite(directory, ["4x4/shard-00002.tfrecord"], lambda pairs: pairs.reverse())
    rewrite(directory, ["4x4/shard-00000.tfrecord"], swap)
    wrong = [("0", 3), ("0", 5), ("2", 0), ("2", 1), ("2", 2), ("2", 3)]
    assert verify_set(directory) == [
        f"4x4/shard-0000{shard}.tfrecord: image {number} is not the large one at this size" for shard, number in wrong
    ]


def test_one_pixel_of_a_smaller_image(directory):
    def change(pairs):
        image = pairs[2][0].copy()
        image[1, 3, 0] ^= 1
        pairs[2][0] = image

    rewrite(directory, [SHARD], change)
    assert verify_set(directory) == [f"{SHARD}: image 2 is not the large one at this size"]


def test_a_label_that_was_changed_at_every_size(directory):
    def change(pairs):
        pairs[0][1] = 1

    rewrite(directory, [LARGE, SHARD], change)
    assert verify_set(directory) == ["the labels are not those of the manifest"]


def test_a_label_that_was_changed_at_one_size(directory):
    def change(pairs):
        pairs[7][1] = 0

    rewrite(directory, [SHARD], change)
    assert verify_set(directory) == [f"{SHARD}: image 7 has not the large one's label"]


def test_a_record_that_is_missing_at_one_size(directory):
    rewrite(directory, [SHARD], lambda pairs: pairs.pop())
    (damage,) = verify_set(directory)
    assert damage.startswith("shard 1, image 7: ")


def test_names_of_classes_that_were_changed(directory):
    change_manifest(directory, lambda fields: fields.update(label_names=["a", "c"]))
    assert verify_set(directory) == ["the labels are not those of the manifest"]
