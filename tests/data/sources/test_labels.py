"""Labels from numbers, one-hot vectors and dataset.json."""

import json

import numpy as np
import pytest

from stylegan_tf.data.sources.find import open_source
from stylegan_tf.data.sources.labels import numbered_labels

KINDS = ("folder", "zip", "tar", "tar.gz")


def metadata(labels):
    return {"dataset.json": json.dumps({"labels": labels}).encode()}


def labels_of(source):
    return [item.label for item in source.items()]


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
        with pytest.raises(ValueError, match=rf"labels? .*{received}.*dataset\.json of data="):
            open_source(data)

    def test_missing_entries(self, kind, files, write):
        data = write(kind, files | metadata([["00000/img0.png", 0]]))
        with pytest.raises(ValueError, match=r"Complete or delete it.*2 of 3 images.*such as '00000/img1\.png'"):
            open_source(data)

    @pytest.mark.parametrize("content", [b'{"labels": null}', b"{}", b'{"other": 1}'])
    def test_no_labels(self, kind, files, write, content):
        data = write(kind, files | {"dataset.json": content})
        assert labels_of(open_source(data)) == [-1] * 3
        with pytest.raises(ValueError, match=r"dataset\.json says that the images have none.*if the subfolders are"):
            open_source(data, use_labels=True)

    @pytest.mark.parametrize(
        "content",
        [
            b"", b"{", b"[1]", b'{"labels": 3}', b'{"labels": [3]}', b'{"labels": [["a", 1, 2]]}', b"\xff",
            b"[" * 100_000,
        ],
    )
    def test_what_is_no_such_file(self, kind, files, write, content):
        data = write(kind, files | {"dataset.json": content})
        with pytest.raises(ValueError, match=r"dataset\.json must hold .*Correct or delete it"):
            open_source(data)

    def test_only_the_one_at_the_top_counts(self, kind, files, write):
        source = open_source(write(kind, files | {"00000/dataset.json": b"{"}))
        assert source.label_names == ()
        assert source.ignored == {".json": 1}
