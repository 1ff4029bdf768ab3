"""Labels from numbers, one-hot vectors and dataset.json."""

import json
import os
import re
import shutil

import numpy as np
import pytest

from stylegan_tf.data.sources.find import open_source
from stylegan_tf.data.sources.labels import classes_notes, numbered_labels

KINDS = ("folder", "zip", "tar", "tar.gz")


def metadata(labels):
    return {"dataset.json": json.dumps({"labels": labels}).encode()}


def labels_of(source):
    return [item.label for item in source.items()]


def left_out_unless_asked_for(data, message):
    """Labels that cannot be classes: an error with use_labels, and a note without."""
    with pytest.raises(ValueError, match=message):
        open_source(data, use_labels=True)
    source = open_source(data)
    assert source.label_names == ()
    assert {item.label for item in source.items()} == {-1}
    (note,) = source.label_notes
    assert re.search(rf"the labels are left out\. .*{message}", note)


class TestNumbers:
    @pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, ">i2"])
    def test_integers(self, dtype):
        labels = numbered_labels(np.array([2, 0, 2], dtype), 3, "here")
        assert labels.indices.tolist() == [2, 0, 2]
        assert labels.indices.dtype == np.int32
        assert labels.names == ("0", "1", "2")

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
    def test_one_hot(self, dtype):
        labels = numbered_labels(np.eye(4, dtype=dtype)[[1, 0, 1]], 3, "here")
        assert labels.indices.tolist() == [1, 0, 1]
        assert labels.names == ("0", "1", "2", "3")

    def test_a_column_of_integers_is_class_numbers(self):
        labels = numbered_labels(np.array([[2], [0], [2]]), 3, "here")
        assert labels.indices.tolist() == [2, 0, 2]
        assert labels.names == ("0", "1", "2")

    def test_no_classes(self):
        labels = numbered_labels(np.zeros((3, 0), np.float32), 3, "here")
        assert labels.indices is None
        assert labels.names == ()

    @pytest.mark.parametrize(
        ("values", "names", "message"),
        [
            ([0, 1], None, r"must be 3 integers.*Received: int64 of shape \(2,\) in here"),
            ([0.0, 1.0, 2.0], None, "must be 3 integers"),
            (["a", "b", "c"], None, "must be 3 integers"),
            ([-1, 0, 1], None, r"from 0 to 99999\. Received: -1 to 1"),
            ([0, 1, 2**40], None, "from 0 to 99999"),
            ([0, 1, 2], ("a", "b"), "from 0 to 1, as there are 2 label_names"),
            ([[0.5, 0.5]] * 3, None, "one-hot"),
            ([[1, 1]] * 3, None, "one-hot"),
            ([[0, 0]] * 3, None, "one-hot"),
            ([[0, 2]] * 3, None, "one-hot"),
            ([[0, np.nan]] * 3, None, "one-hot"),
            ([[[1]]] * 3, None, "must be 3 integers"),
        ],
    )
    def test_others_are_refused(self, values, names, message):
        with pytest.raises(ValueError, match=message):
            numbered_labels(np.array(values), 3, "here", names)


class TestClassesNotes:
    def test_nothing_to_say(self):
        assert classes_notes({"a": 1, "b": 2}) == ()
        assert classes_notes({}) == ()

    def test_classes_without_pictures(self):
        assert classes_notes({"a": 1, "b": 0, "c": 2}) == ("1 of 3 classes has no pictures: 'b'",)
        (note,) = classes_notes([(str(number), number == 0) for number in range(9)])
        assert note == "8 of 9 classes have no pictures: '1', '2', '3', '4', '5' and 3 more"

    def test_a_single_class(self):
        assert classes_notes({"a": 3}) == ("there is only one class, 'a', so labels say nothing",)


@pytest.mark.parametrize("kind", KINDS)
class TestMetadata:
    @pytest.fixture
    def files(self, picture):
        return {"00000/img1.png": picture(1), "00000/img0.png": picture(0), "00001/img2.png": picture(2)}

    def test_numbers(self, kind, files, write, values):
        labels = metadata([["00001/img2.png", 6], ["00000/img0.png", 0], ["00000/img1.png", 3], ["gone.png", 9]])
        source = open_source(write(kind, labels | files))
        assert labels_of(source) == [0, 3, 6]
        assert values(source) == [0, 1, 2]
        assert source.label_names == tuple("0123456")
        assert source.ignored == {}
        assert open_source(write(kind, labels | files), use_labels=True).label_names == source.label_names

    def test_one_hot_vectors(self, kind, files, write):
        vectors = [[0, 0, 1.0], [0.0, 1, 0], [0, 0, 1]]
        source = open_source(write(kind, files | metadata(list(zip(sorted(files), vectors, strict=True)))))
        assert labels_of(source) == [2, 1, 2]
        assert source.label_names == ("0", "1", "2")

    @pytest.mark.parametrize(
        ("labels", "received"),
        [
            ([0, 1, -1], "'00001/img2.png' has the label -1"),
            ([0, True, 1], "'00000/img1.png' has the label True"),
            ([0, 1.5, 1], "has the label 1.5"),
            ([0, "cat", 1], "has the label 'cat'"),
            ([0, None, 1], "has the label None"),
            ([0, [1, 0], 1], r"has the label \[1, 0\]"),
            ([[1, 0], [1], [1, 0]], r"has the label \[1\]"),
            ([[1, 0], 1, [1, 0]], "has the label 1"),
            ([0, 10**30, 1], "has the label 10000"),
            ([[0.2, 0.8], [1, 0], [0, 1]], r"one-hot.*shape \(3, 2\)"),
        ],
    )
    def test_other_labels_are_refused(self, kind, files, write, labels, received):
        data = write(kind, files | metadata(list(zip(sorted(files), labels, strict=True))))
        left_out_unless_asked_for(data, rf"labels? .*{received}.*dataset\.json of data=")

    def test_missing_entries(self, kind, files, write):
        data = write(kind, files | metadata([["00000/img0.png", 0]]))
        left_out_unless_asked_for(data, r"Complete or delete it.*2 of 3 images.*such as '00000/img1\.png'")

    @pytest.mark.parametrize("content", [b'{"labels": null}', b"{}", b'{"other": 1}'])
    def test_no_labels(self, kind, files, write, content):
        data = write(kind, files | {"dataset.json": content})
        assert labels_of(open_source(data)) == [-1] * 3
        with pytest.raises(ValueError, match=r"dataset\.json says that the images have none.*if the subfolders are"):
            open_source(data, use_labels=True)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[1]",
            b'{"labels": 3}',
            b'{"labels": [3]}',
            b'{"labels": [["a", 1, 2]]}',
            b"\xff",
            b"[" * 100_000,
        ],
    )
    def test_what_is_no_such_file(self, kind, files, write, content):
        data = write(kind, files | {"dataset.json": content})
        left_out_unless_asked_for(data, r"dataset\.json must hold .*Correct or delete it")

    def test_the_one_at_the_top_counts(self, kind, files, write):
        labels = metadata([[name, 1] for name in files])
        source = open_source(write(kind, files | labels | {"00000/dataset.json": b"{"}), use_labels=True)
        assert labels_of(source) == [1, 1, 1]
        assert source.label_notes == ()

    @pytest.mark.parametrize("path", ["a/b/dataset.json", "a/Dataset.json", "DATASET.JSON", "a/b/c/dataset.json"])
    def test_one_elsewhere_or_spelt_otherwise_is_found(self, kind, path, picture, write):
        folder = path.rpartition("/")[0]
        below = f"{folder}/" if folder else ""
        labels = json.dumps({"labels": [["x/0.png", 1], ["1.png", 0]]}).encode()
        # what lies beside keeps the archive from being cut down to its top folder
        pictures = {f"{below}x/0.png": picture(0), f"{below}1.png": picture(1), "LICENSE": b""}
        source = open_source(write(kind, pictures | {path: labels}), use_labels=True)
        assert {item.name: item.label for item in source.items()} == {f"{below}x/0.png": 1, f"{below}1.png": 0}
        assert source.label_names == ("0", "1")
        assert source.label_notes == (f"the labels are those of {path!r}",)

    def test_one_below_some_of_the_pictures_is_named(self, kind, files, write):
        labels = json.dumps({"labels": [["img0.png", 0], ["img1.png", 1]]}).encode()
        data = write(kind, files | {"00000/dataset.json": labels})
        left_out_unless_asked_for(data, r"1 of 3 images.*'00001/img2\.png', in the 00000/dataset\.json of data=")

    def test_several_that_are_equally_deep_are_named(self, kind, files, write):
        data = write(kind, files | {"00000/dataset.json": b"{}", "00001/dataset.json": b"{}"})
        left_out_unless_asked_for(data, r"'00000/dataset\.json', '00001/dataset\.json' in data=")

    def test_two_labels_of_one_picture_are_refused(self, kind, files, write):
        labels = [*[[name, 0] for name in files], ["00000/img1.png", 2]]
        left_out_unless_asked_for(write(kind, files | metadata(labels)), r"'00000/img1\.png' has the labels 0 and 2")

    def test_one_label_told_twice_is_one(self, kind, files, write):
        labels = [[name, number] for number, name in enumerate(sorted(files))]
        assert labels_of(open_source(write(kind, files | metadata(labels * 2)), use_labels=True)) == [0, 1, 2]

    def test_vectors_of_one_number_are_class_numbers(self, kind, files, write):
        labels = [[name, [number]] for number, name in enumerate(sorted(files))]
        assert labels_of(open_source(write(kind, files | metadata(labels)), use_labels=True)) == [0, 1, 2]

    def test_names_that_look_the_same_are_the_same(self, kind, picture, write):
        here, there = "caf\u00e9/1.png", "cafe\u0301/1.png"
        for name, entry in ((here, there), (there, here)):
            data = write(kind, {name: picture(1), "2.png": picture(2)} | metadata([[entry, 1], ["2.png", 0]]))
            assert sorted(labels_of(open_source(data, use_labels=True))) == [0, 1]
            shutil.rmtree(data, ignore_errors=True)

    def test_two_labels_of_names_that_look_the_same_are_refused(self, kind, picture, write):
        labels = [["e\u0301\u0300.png", 0], ["\u00e9\u0300.png", 1]]
        data = write(kind, {"e\u0301\u0300.png": picture(1), "2.png": picture(2)} | metadata([*labels, ["2.png", 0]]))
        assert labels_of(open_source(data, use_labels=True)) == [0, 0]  # the exact name counts
        shutil.rmtree(data, ignore_errors=True)
        data = write(kind, {"\u1e17.png": picture(1)} | metadata([["e\u0304\u0301.png", 0], ["\u0113\u0301.png", 1]]))
        left_out_unless_asked_for(data, "has the labels 0 and 1")


def test_names_in_bytes_of_another_encoding(tmp_path, picture):
    folder = os.fsencode(tmp_path)
    with open(folder + b"/caf\xe9.png", "wb") as file:
        file.write(picture(1))
    (tmp_path / "dataset.json").write_bytes(b'{"labels": [["caf\xe9.png", 3]]}')
    assert labels_of(open_source(str(tmp_path), use_labels=True)) == [3]


def test_labels_file_that_cannot_be_read(tmp_path, picture):
    (tmp_path / "1.png").write_bytes(picture(1))
    (tmp_path / "dataset.json").symlink_to("nowhere")
    left_out_unless_asked_for(str(tmp_path), r"dataset\.json must be readable.*FileNotFoundError")


def test_damaged_labels_file_in_an_archive(picture, write):
    data = write("zip", {"1.png": picture(1), "dataset.json": b'{"labels": [["1.png", 0]]}' * 9})
    with open(data, "rb+") as file:
        content = file.read()
        file.seek(content.index(b"dataset.json") + len("dataset.json") + 3)
        file.write(b"\xff\xff\xff")
    left_out_unless_asked_for(data, r"dataset\.json must be readable")
