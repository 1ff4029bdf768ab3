"""The multi-resolution TFRecord files of the original StyleGAN and ProGAN.

Their tool writes NAME-r02.tfrecords to NAME-r10.tfrecords, one file for each resolution 2^n, and NAME-rxx.labels
beside them, a NumPy array. Each record is an Example with the features `shape`, [channels, height, width], and `data`,
the pixels in this order. Reference: `dataset_tool.py` of https://github.com/NVlabs/stylegan.
"""

from __future__ import annotations

import array
import dataclasses
import os
import re
from collections.abc import Iterator

import numpy as np
from PIL import Image

from stylegan_tf.data.array_files import read_npy
from stylegan_tf.data.image_file import UnusableImageError
from stylegan_tf.data.records import (
    HEADER_BYTES,
    DamagedRecordError,
    masked_crc,
    parse_example,
    read_records,
    scan_records,
)
from stylegan_tf.data.sources.arrays import to_image
from stylegan_tf.data.sources.base import Item, Source, digest
from stylegan_tf.data.sources.labels import (
    NO_LABELS,
    Labels,
    UnusableLabelsError,
    labels_if_usable,
    numbered_labels,
    require_labels,
)
from stylegan_tf.data.sources.listing import state_text
from stylegan_tf.errors import UserError

_FILE_NAME = re.compile(r"(?P<base>.*)-r(?P<level>\d\d)\.tfrecords", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class RecordItem(Item):
    """A picture in a TFRecord file.

    Attributes:
        path: The file.
        offset: Where the record begins.
    """

    path: str
    offset: int

    def open(self) -> Image.Image:
        """Reads the record, and checks its checksum and the picture's shape.

        Raises:
            UnusableImageError: What is wrong with the record.
        """
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            try:
                record = next(read_records(file), None)
                if record is None:
                    raise DamagedRecordError(f"the file has changed; no record is at byte {self.offset} any more")
                return to_image(_read_pixels(record))
            except DamagedRecordError as error:
                raise UnusableImageError(str(error)) from error


class OriginalRecordsSource(Source):
    """The pictures of one such file.

    Args:
        data: The user's word for the file or the folder it lies in.
        path: The file's path.
        use_labels: Whether labels must be there.

    Raises:
        ValueError: A damaged file, records of another layout, labels that are not of these pictures, or labels asked
            for where there are none.
    """

    kind = "TFRecords of the original StyleGAN"

    def __init__(self, data: str, path: str, *, use_labels: bool = False) -> None:
        self.name = data
        self._path = os.path.abspath(path)
        try:
            self._offsets = _scan(self._path)
            with open(self._path, "rb") as file:
                pixels = _read_pixels(next(read_records(file)))
        except DamagedRecordError as error:
            raise UserError(
                "A TFRecord file must be whole, and as the original StyleGAN and ProGAN write it: Examples with the "
                "features 'shape', [channels, height, width], and 'data', so many bytes. Copy or make it again. "
                f"Received: {self._path!r} ({error})."
            ) from error
        self.channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
        self._labels_path = _labels_path(self._path)
        self._labels = labels_if_usable(
            lambda: _read_labels(self._labels_path, len(self._offsets)), use_labels=use_labels
        )
        self.label_names, self.label_notes = self._labels.names, self._labels.notes
        advice = "a file NAME-rxx.labels must lie beside NAME-r*.tfrecords"
        require_labels(self._labels, use_labels, advice, data)

    def __len__(self) -> int:
        return len(self._offsets)

    def items(self, start: int = 0) -> Iterator[Item]:
        """Gives the records from number `start` on."""
        for number in range(start, len(self._offsets)):
            yield RecordItem(str(number), self._labels[number], self._path, int(self._offsets[number]))

    def signature(self) -> str:
        """Of the file's size and time of change, and of the labels."""
        return digest([os.path.basename(self._path), state_text(self._path), *self._labels.parts()])


def is_records(header: bytes) -> bool:
    """Whether a file begins as TFRecord files do."""
    return len(header) >= HEADER_BYTES and masked_crc(header[:8]) == int.from_bytes(header[8:12], "little")


def find_record_file(names: list[str], data: str) -> str | None:
    """The file of the highest resolution among a folder's files; None where there are no such files.

    Raises:
        ValueError: Files of several data sets.
    """
    matches = [match for match in map(_FILE_NAME.fullmatch, names) if match]
    bases = sorted({match["base"] for match in matches})
    if len(bases) > 1:
        raise UserError(
            "A folder of TFRecords must hold those of one data set; give the path of the file of one of them instead. "
            f"Received: data={data!r} with {bases}."
        )
    return max((match.string for match in matches), default=None)


def _scan(path: str) -> np.ndarray:
    """uint64 offsets of all records, from their headers alone.

    Raises:
        DamagedRecordError: A damaged header, a file that ends within a record, or none in it.
    """
    offsets = array.array("Q")
    with open(path, "rb") as file:
        for position, _ in scan_records(file):
            offsets.append(position - HEADER_BYTES)
    if not offsets:
        raise DamagedRecordError("the file holds no record")
    return np.frombuffer(offsets, np.uint64)


def _read_pixels(record: bytes) -> np.ndarray:
    """uint8 `[height, width]` or `[height, width, channels]`."""
    features = parse_example(record)
    shape, values = features.get("shape", []), features.get("data", [])
    if len(shape) != 3 or not all(isinstance(side, int) and side > 0 for side in shape) or len(values) != 1:
        raise DamagedRecordError(f"no features 'shape' and 'data' of this kind among {sorted(features)}")
    channels, height, width = (int(side) for side in shape)
    data = values[0]
    if channels not in (1, 3, 4) or not isinstance(data, bytes) or len(data) != channels * height * width:
        raise DamagedRecordError(f"the shape {list(shape)} does not fit the data")
    pixels = np.frombuffer(data, np.uint8).reshape(channels, height, width)
    return pixels[0] if channels == 1 else pixels.transpose(1, 2, 0)


def _labels_path(path: str) -> str | None:
    folder, name = os.path.split(path)
    match = _FILE_NAME.fullmatch(name)
    beside = os.path.join(folder, f"{match['base']}-rxx.labels") if match else ""
    return beside if os.path.isfile(beside) else None


def _read_labels(path: str | None, count: int) -> Labels:
    if path is None:
        return NO_LABELS
    try:
        labels = read_npy(path)
    except (ValueError, OSError, MemoryError) as error:
        raise UnusableLabelsError(
            "A file of labels must be whole, and hold numbers, not pickled objects. Make it again, or move it away to "
            f"go without labels. Received: {path!r} ({error})."
        ) from error
    return numbered_labels(labels, count, path)
