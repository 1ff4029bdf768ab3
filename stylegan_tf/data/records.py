"""TFRecord files and the `tf.train.Example` messages in them, without TensorFlow.

Worker processes write records, and should not take three seconds and 400 MB to start. The format: a record is its
length (uint64, little endian), the masked CRC-32C of these eight bytes, the data, and the masked CRC-32C of the data.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import google_crc32c

from stylegan_tf.errors import UserError

HEADER_BYTES = 12  # length and its checksum
FOOTER_BYTES = 4  # checksum of the data

_LABEL_BYTES = 5  # of a label's varint, whatever its value
_MAX_UINT64 = 2**64 - 1


class DamagedRecordError(UserError):
    """A record whose checksum, length or contents are wrong."""


def masked_crc(data: bytes | memoryview) -> int:
    """The checksum of the TFRecord format: CRC-32C, rotated and shifted."""
    crc = google_crc32c.value(bytes(data))
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """One whole record."""
    length = struct.pack("<Q", len(data))
    return b"".join([length, struct.pack("<I", masked_crc(length)), data, struct.pack("<I", masked_crc(data))])


def read_records(file: BinaryIO) -> Iterator[bytes]:
    """Reads records one after the other and checks them.

    Raises:
        DamagedRecordError: For a wrong checksum or a file that ends within a record.
    """
    for position, length in scan_records(file):
        file.seek(position)
        data, footer = file.read(length), file.read(FOOTER_BYTES)
        if struct.pack("<I", masked_crc(data)) != footer:
            raise DamagedRecordError(f"wrong checksum of the record at byte {position - HEADER_BYTES}")
        yield data


def scan_records(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Tells position and length of each record's data, reading headers alone.

    Raises:
        DamagedRecordError: For a wrong checksum of a length or a file that ends within a record.
    """
    position = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(position)
    while header := file.read(HEADER_BYTES):
        if len(header) < HEADER_BYTES:
            raise DamagedRecordError(f"the file ends within the record at byte {position}")
        (length,), (crc,) = struct.unpack("<Q", header[:8]), struct.unpack("<I", header[8:])
        if crc != masked_crc(header[:8]):
            raise DamagedRecordError(f"wrong checksum of the length at byte {position}; is this a TFRecord file?")
        following = position + HEADER_BYTES + length + FOOTER_BYTES
        if following > end:
            raise DamagedRecordError(f"the file ends within the record at byte {position}")
        yield position + HEADER_BYTES, length
        position = file.seek(following)


def image_example(image: bytes, label: int | None) -> bytes:
    """A serialized `tf.train.Example` with the features `label` (int64, left out for None) and `image` (bytes).

    The image comes last and a label takes the same number of bytes whatever its value, so that images of one length
    make examples of one length: `image_example(...)[-n:]` are the n bytes of the image.

    Args:
        image: The image's bytes.
        label: From 0 to 2^31 - 1, or None.
    """
    features = b""
    if label is not None:
        # A varint may have more bytes than it needs; readers take them.
        padded = bytes((label >> shift & 0x7F) | 0x80 for shift in range(0, 28, 7)) + bytes([label >> 28])
        features += _feature(b"label", _field(3, _field(1, padded)))
    return _field(1, features + _feature(b"image", _field(1, _field(1, image))))


def label_span(image_bytes: int) -> tuple[int, int]:
    """Where the label's bytes begin and end in the `image_example` of an image of so many bytes."""
    example = image_example(bytes(image_bytes), 0)
    end = len(example) - len(_feature(b"image", _field(1, _field(1, bytes(image_bytes)))))
    return end - _LABEL_BYTES, end


def read_label(varint: Iterable[Any]) -> Any:
    """The label of `image_example`'s varint: of its bytes, or of int32 arrays that hold one of its bytes each."""
    return sum((byte & 0x7F) << shift for byte, shift in zip(varint, range(0, 35, 7), strict=False))


def parse_example(data: bytes) -> Mapping[str, list[int] | list[bytes]]:
    """Reads the int64 and bytes features of a serialized `tf.train.Example`; float features are left out.

    Raises:
        DamagedRecordError: For bytes that are no such message.
    """
    features: dict[str, list[int] | list[bytes]] = {}
    try:
        view = memoryview(data)
        for _, message in _fields(view, 1):
            for _, entry in _fields(message, 1):
                key = bytes(next(value for _, value in _fields(entry, 1))).decode()
                feature = next(value for _, value in _fields(entry, 2))
                for kind, values in _fields(feature):
                    if kind == 1:
                        features[key] = [bytes(value) for _, value in _fields(values, 1)]
                    elif kind == 3:
                        features[key] = _integers(values)
    except (IndexError, StopIteration, UnicodeDecodeError, TypeError) as error:
        raise DamagedRecordError("the record holds no tf.train.Example") from error
    return features


def _feature(name: bytes, value: bytes) -> bytes:
    return _field(1, _field(1, name) + _field(2, value))


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    groups = []
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def _read_varint(view: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value & _MAX_UINT64, position
        if shift > 63:
            raise IndexError("a varint has more than ten bytes")


def _fields(view: memoryview, number: int | None = None) -> Iterator[tuple[int, memoryview]]:
    """The length-delimited fields of a message, or those of one number; varints come as their bytes."""
    position = 0
    while position < len(view):
        key, position = _read_varint(view, position)
        if key & 7 == 2:
            length, start = _read_varint(view, position)
            position = start + length
        elif key & 7 == 0:
            start = position
            _, position = _read_varint(view, position)
        elif key & 7 in (1, 5):
            start = position
            position += 8 if key & 7 == 1 else 4
        else:
            raise TypeError(f"unknown wire type {key & 7}")
        if position > len(view):
            raise IndexError("a field is longer than its message")
        if number is None or key >> 3 == number:
            yield key >> 3, view[start:position]


def _integers(view: memoryview) -> list[int]:
    """An Int64List, packed or not: the field's values are varints one after the other either way."""
    integers = []
    for _, values in _fields(view, 1):
        position = 0
        while position < len(values):
            value, position = _read_varint(values, position)
            integers.append(value - 2**64 if value >= 2**63 else value)
    return integers
