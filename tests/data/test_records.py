"""Records and Examples written without TensorFlow are those that TensorFlow writes and reads."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.data.records import (
    DamagedRecordError,
    frame,
    image_example,
    label_span,
    masked_crc,
    parse_example,
    read_label,
    read_records,
    scan_records,
)

RECORDS = [b"", b"a", bytes(range(256)) * 5, b"\xff" * 11]
LABELS = [0, 1, 127, 128, 2**14, 2**28 - 1, 2**28, 2**31 - 1]
IMAGE = bytes(range(256)) * 3


def _feature(values: list) -> tf.train.Feature:
    if values and isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if values and isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def example(**features: list) -> bytes:
    """An Example as TensorFlow writes it."""
    named = {name: _feature(values) for name, values in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=named)).SerializeToString(deterministic=True)


def outcome(data: bytes) -> list[bytes] | str:
    """The records that are read, or the words "damaged" and the number of those that came before."""
    found = []
    try:
        for record in read_records(io.BytesIO(data)):
            found.append(record)
    except DamagedRecordError:
        return f"damaged after {len(found)}"
    return found


class TestFraming:
    def test_bytes_are_those_of_tensorflow(self, tmp_path):
        path = str(tmp_path / "theirs")
        with tf.io.TFRecordWriter(path) as writer:
            for record in RECORDS:
                writer.write(record)
        with open(path, "rb") as file:
            assert file.read() == b"".join(map(frame, RECORDS))

    def test_tensorflow_reads_them(self, tmp_path):
        path = tmp_path / "ours"
        path.write_bytes(b"".join(map(frame, RECORDS)))
        assert list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()) == RECORDS

    def test_they_are_read_back(self):
        data = b"".join(map(frame, RECORDS))
        assert outcome(data) == RECORDS
        spans = list(scan_records(io.BytesIO(data)))
        assert [data[start : start + length] for start, length in spans] == RECORDS
        assert outcome(b"") == []

    def test_reading_begins_where_the_file_stands(self):
        file = io.BytesIO(b"".join(map(frame, RECORDS)))
        file.seek(len(frame(RECORDS[0])))
        assert list(read_records(file)) == RECORDS[1:]

    def test_every_flipped_bit_is_found(self):
        """In length, checksum of the length, data and checksum of the data."""
        before, data = frame(b"first"), frame(b"the second")
        for bit in range(8 * len(data)):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            assert outcome(before + bytes(damaged) + before) == "damaged after 1", f"bit {bit}"

    def test_every_cut_is_found(self):
        before, data = frame(b"first"), frame(b"the second")
        for keep in range(1, len(data)):
            assert outcome(before + data[:keep]) == "damaged after 1", f"{keep} bytes"
            with pytest.raises(DamagedRecordError, match=f"ends within the record at byte {len(before)}"):
                list(scan_records(io.BytesIO(before + data[:keep])))
        assert outcome(before) == [b"first"]

    @pytest.mark.parametrize("length", [1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
    def test_impossible_lengths_with_a_right_checksum(self, length, tmp_path):
        """Nothing of this size is asked for, neither of memory nor of the file system."""
        header = struct.pack("<Q", length)
        path = tmp_path / "made"
        path.write_bytes(header + struct.pack("<I", masked_crc(header)) + b"abc")
        for read in (scan_records, read_records):
            with path.open("rb") as file, pytest.raises(DamagedRecordError, match="ends within the record at byte 0"):
                list(read(file))

    def test_scanning_reads_headers_alone(self):
        damaged = bytearray(frame(b"first") + frame(b"second"))
        damaged[14] ^= 1  # data
        assert len(list(scan_records(io.BytesIO(damaged)))) == 2
        damaged[0] ^= 1  # length
        with pytest.raises(DamagedRecordError, match=r"wrong checksum of the length at byte 0; is this a TFRecord"):
            list(scan_records(io.BytesIO(damaged)))


class TestImageExample:
    @pytest.mark.parametrize("label", [None, *LABELS])
    def test_tensorflow_reads_it(self, label):
        data = image_example(IMAGE, label)
        features = tf.train.Example.FromString(data).features.feature
        assert set(features) == ({"image"} if label is None else {"image", "label"})
        assert list(features["image"].bytes_list.value) == [IMAGE]
        assert list(features["label"].int64_list.value) == ([] if label is None else [label])
        spec = {"image": tf.io.FixedLenFeature([], tf.string)}
        if label is not None:
            spec["label"] = tf.io.FixedLenFeature([], tf.int64)
        parsed = tf.io.parse_single_example(data, spec)
        assert parsed["image"].numpy() == IMAGE
        if label is not None:
            assert parsed["label"].numpy() == label

    @pytest.mark.parametrize("size", [0, 1, 48, 127, 128, 16383, 16384, 3 * 1024 * 1024])
    def test_places_do_not_depend_on_the_label(self, size):
        image = np.random.default_rng(size).bytes(size)
        start, end = label_span(size)
        examples = {label: image_example(image, label) for label in LABELS}
        assert len({len(data) for data in examples.values()}) == 1
        for label, data in examples.items():
            assert data[len(data) - size :] == image
            assert read_label(data[start:end]) == label
            assert read_label(memoryview(data)[start:end]) == label
            # Nothing but the label's bytes depends on it.
            assert data[:start] + data[end:] == examples[0][:start] + examples[0][end:]
        assert image_example(image, None).endswith(image)

    @pytest.mark.parametrize("label", [None, *LABELS])
    def test_it_is_parsed(self, label):
        expected = {"image": [IMAGE]} if label is None else {"image": [IMAGE], "label": [label]}
        assert parse_example(image_example(IMAGE, label)) == expected


class TestParseExample:
    @pytest.mark.parametrize(
        "features",
        [
            {"image": [IMAGE], "label": [7]},
            {"shape": [3, 1024, 1024], "data": [bytes(1000)]},
            {"numbers": [0, -1, -(2**63), 2**63 - 1, 127, 128, -128]},
            {"several": [b"", b"one", b"\x00\xff"], "ключ": [b"key"]},
            {"empty": []},
            {},
        ],
    )
    def test_what_tensorflow_wrote(self, features):
        assert parse_example(example(**features)) == features

    def test_floats_are_left_out(self):
        assert parse_example(example(a=[1.5, -2.0], b=[3], c=[b"x"], d=[0.0] * 40)) == {"b": [3], "c": [b"x"]}

    def test_a_feature_without_a_value_is_left_out(self):
        features = tf.train.Features(feature={"nothing": tf.train.Feature(), "one": _feature([1])})
        assert parse_example(tf.train.Example(features=features).SerializeToString()) == {"one": [1]}

    def test_integers_that_are_not_packed(self):
        """Some writers give each integer a field of its own; TensorFlow reads this as well."""
        integers = b"\x08\x05\x08\xac\x02\x08" + b"\xff" * 9 + b"\x01"
        data = integers
        for tag in (b"\x1a", b"\x12", b"\x0a", b"\x0a"):  # Int64List, value, entry, Features
            data = tag + bytes([len(data)]) + data
            if tag == b"\x12":
                data = b"\x0a\x01n" + data  # key
        assert list(tf.train.Example.FromString(data).features.feature["n"].int64_list.value) == [5, 300, -1]
        assert parse_example(data) == {"n": [5, 300, -1]}

    def test_unknown_fields_are_passed_over(self):
        unknown = b"\x38\x96\x01" + b"\x41" + bytes(8) + b"\x4d" + bytes(4) + b"\x52\x09not known"
        assert parse_example(unknown + example(a=[1]) + unknown) == {"a": [1]}

    @pytest.mark.parametrize(
        "data",
        [
            b"\x0a", b"\x0a\x05abc", b"\x0b", b"\x0f", b"\x80", b"\xff" * 10**6, b"\x0a" + b"\x80" * 10 + b"\x00",
            b"\x09abc", b"\x0d12", b"\x0a\x02\x0a\x00", b"\x0a\x05\x0a\x03\x0a\x01\xff", b"hello, this is no message",
        ],
        ids=lambda data: repr(data[:20]),
    )  # fmt: skip
    def test_garbage(self, data):
        with pytest.raises(DamagedRecordError, match="holds no tf.train.Example"):
            parse_example(data)

    def test_every_cut_is_found(self):
        data = example(image=[IMAGE], label=[7, -7], text=[b"a", b"b"], number=[0.5])
        for keep in range(1, len(data)):
            with pytest.raises(DamagedRecordError):
                parse_example(data[:keep])

    def test_damaged_examples_raise_nothing_else_and_read_as_tensorflow_reads_them(self):
        """Random bits, bytes and whole messages; what both take for a message must mean the same to both."""
        rng = np.random.default_rng(1)
        whole = example(image=[b"abcdef", b"\xff\x00"], label=[-1, 5, 2**40], number=[1.5, 2.0])
        damaged = agreed = 0
        for round in range(6000):
            data = bytearray(whole)
            if round % 3 == 0:
                data[rng.integers(len(data))] ^= 1 << rng.integers(8)
            elif round % 3 == 1:
                for place in rng.integers(len(data), size=3):
                    data[place] = rng.integers(256)
            else:
                data = bytearray(rng.bytes(rng.integers(1, 40)))
            try:
                found = parse_example(bytes(data))
            except DamagedRecordError:
                damaged += 1
                continue
            try:
                features = tf.train.Example.FromString(bytes(data)).features.feature
            except Exception:
                continue  # TensorFlow also looks into fields that are of no use here
            kinds = {name: feature.WhichOneof("kind") for name, feature in features.items()}
            agreed += 1
            assert found == {
                name: list(getattr(features[name], kind).value)
                for name, kind in kinds.items()
                if kind in ("bytes_list", "int64_list")
            }
        assert damaged > 2000
        assert agreed > 1000
