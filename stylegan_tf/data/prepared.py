"""Prepared sets: every resolution of the growing schedule on disk, as TFRecord files, from which any image is read.

    manifest.json                   what is here, with checksums; it is written last
    256x256/shard-00000.tfrecord    images number 0, 1, 2 ... at 256x256; then shard-00001, and so on
    128x128/shard-00000.tfrecord    the same images at half the size
    ...
    4x4/shard-00000.tfrecord
    left_out.csv                    pictures that could not be read, and why, if there were any

A record is a `tf.train.Example` with `image` (bytes) and, in sets with labels, `label` (int64). The image is raw,
uint8 in the order height, width, channels, or a PNG. Raw records of a size have one length, so that a record's place
is known without an index. Beside the shards of PNGs lie their indices, `shard-00000.index.npy`, int64: where each
record begins, and where the last one ends.
"""

from __future__ import annotations

import collections
import dataclasses
import io
import json
import math
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stylegan_tf.data import workers
from stylegan_tf.data.image_set import ImageSet
from stylegan_tf.data.records import FOOTER_BYTES, HEADER_BYTES, image_example, label_span, parse_example, read_label
from stylegan_tf.data.sources.base import digest
from stylegan_tf.data.sources.labels import classes_notes
from stylegan_tf.files import expanded
from stylegan_tf.names import as_written

MANIFEST = "manifest.json"
INCOMPLETE = "incomplete.json"
LEFT_OUT = "left_out.csv"
FORMAT = "stylegan_tf image set"
VERSION = 1
ENCODINGS = ("raw", "png")

_ALIGNMENT = 64  # bytes
_OPEN_LEVELS = 2  # levels whose files are kept open


@dataclasses.dataclass(frozen=True)
class FileCheck:
    """Size in bytes and CRC-32C of a file."""

    bytes: int
    crc32c: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a prepared set is.

    Attributes:
        sizes: Height and width by number of halvings.
        channels: 1, 3 or 4.
        encoding: "raw" or "png".
        shard_counts: Number of images in each shard.
        label_names: Empty for a set without labels.
        label_counts: Number of images of each class.
        fingerprint, labels_fingerprint: As of `ImageSet`.
        source: From what and how it was made, for people.
        files: By path within the set.
    """

    sizes: tuple[tuple[int, int], ...]
    channels: int
    encoding: str
    shard_counts: tuple[int, ...]
    label_names: tuple[str, ...]
    label_counts: tuple[int, ...]
    fingerprint: str
    labels_fingerprint: str
    source: dict[str, Any]
    files: dict[str, FileCheck]

    @property
    def count(self) -> int:
        """Number of images."""
        return sum(self.shard_counts)

    def to_json(self) -> str:
        """The manifest's file."""
        fields = {"format": FORMAT, "version": VERSION, "count": self.count, **dataclasses.asdict(self)}
        return json.dumps(fields, indent=1, ensure_ascii=True) + "\n"

    @classmethod
    def read(cls, directory: str | os.PathLike[str]) -> Manifest:
        """Reads the manifest of a prepared set.

        Raises:
            ValueError: there is none, it is not complete, or it is of another format.
        """
        directory = Path(directory)
        path = directory / MANIFEST
        if not path.is_file():
            if (directory / INCOMPLETE).is_file():
                raise ValueError(
                    f"The set is not complete: preparing it was interrupted, or pictures could not be read (see "
                    f"{LEFT_OUT} there). Run the command that prepared it again; it goes on where it stopped. "
                    f"Received: {directory}."
                )
            raise ValueError(f"A prepared set must hold {MANIFEST}. Received: {directory}.")
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            if fields.pop("format") != FORMAT or (version := fields.pop("version")) > VERSION:
                raise ValueError(f"its format is not {FORMAT!r} of version {VERSION} or older")
            del version, fields["count"]
            return cls(**{
                **fields,
                "sizes": tuple((height, width) for height, width in fields["sizes"]),
                "files": {name: FileCheck(**check) for name, check in fields["files"].items()},
                **{name: tuple(fields[name]) for name in ("shard_counts", "label_names", "label_counts")},
            })
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"The manifest of a prepared set could not be read: {path} ({error}).") from error


def is_prepared(data: str) -> bool:
    """Whether a prepared set, complete or not, lies at the path `data`."""
    path = expanded(data)
    return any((path / name).is_file() for name in (MANIFEST, INCOMPLETE))


def level_folder(size: tuple[int, int]) -> str:
    """The folder of a resolution, such as "64x96" (height x width)."""
    return f"{size[0]}x{size[1]}"


def shard_name(shard: int) -> str:
    """The file name of a shard."""
    return f"shard-{shard:05d}.tfrecord"


def index_name(shard: int) -> str:
    """The file name of the index of a shard of PNGs."""
    return f"shard-{shard:05d}.index.npy"


class DamagedSetError(ValueError):
    """A prepared set whose files are not what its manifest says."""


class PreparedImageSet(ImageSet):
    """A prepared set on disk. Reading takes the memory of the images that are asked for, whatever the set's size; PNGs
    take eight bytes for each image of the set besides.

    Images are read with `os.preadv`, by any number of threads at once.

    Args:
        directory: The set.
        size: Height and width of the largest level wanted; None for the largest that there is.

    Raises:
        ValueError: no complete prepared set is there, or it has no such size.
        DamagedSetError: a file is missing or has another size than it should.
    """

    def __init__(self, directory: str | os.PathLike[str], size: tuple[int, int] | None = None) -> None:
        self.directory = expanded(directory)
        self.manifest = Manifest.read(self.directory)
        self._check_files()
        self.name = str(directory)
        size = size or self.manifest.sizes[0]
        if size not in self.manifest.sizes:
            known = ", ".join(map(level_folder, self.manifest.sizes))
            raise ValueError(
                f"resolution must be one that the prepared set holds: {known}; prepare it again with another "
                f"--resolution or --base_size. Received: {level_folder(size)}, {directory}."
            )
        self._skipped = self.manifest.sizes.index(size)
        self.sizes = self.manifest.sizes[self._skipped :]
        self.channels = self.manifest.channels
        self.label_names = tuple(map(as_written, self.manifest.label_names))
        self.label_notes = classes_notes(list(zip(self.label_names, self.manifest.label_counts, strict=False)))
        self._ends = np.cumsum(self.manifest.shard_counts)
        self._open: collections.OrderedDict[int, _Level] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self.manifest.count

    @property
    def fingerprint(self) -> str:
        """Of the images of the largest level wanted."""
        whole = self.manifest.fingerprint
        return digest([whole, str(self._skipped)]) if self._skipped else whole

    @property
    def labels_fingerprint(self) -> str:
        """As the manifest says."""
        return self.manifest.labels_fingerprint

    def read(self, halvings: int, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        self.image_shape(halvings)
        if len(indices) and not (indices.min() >= 0 and indices.max() < len(self)):
            raise ValueError(
                f"indices must be from 0 to {len(self) - 1}. Received: {indices.min()} to {indices.max()}."
            )
        shards = np.searchsorted(self._ends, indices, side="right")
        rows = indices - self._ends[shards] + np.asarray(self.manifest.shard_counts)[shards]
        return self._level(halvings + self._skipped).read(shards.tolist(), rows.tolist())

    def _check_files(self) -> None:
        """Finds at once what training would stumble over days later."""
        for name, check in self.manifest.files.items():
            path = self.directory / name
            size = path.stat().st_size if path.is_file() else None
            if size != check.bytes:
                raise DamagedSetError(
                    f"The prepared set is damaged: {name} {'is missing' if size is None else f'has {size:,} bytes'}, "
                    f"and should have {check.bytes:,} bytes. Delete the directory and prepare the set again. "
                    f"Received: {self.directory}."
                )

    def _level(self, number: int) -> _Level:
        with self._lock:
            level = self._open.pop(number, None) or _Level(self.directory, self.manifest, number)
            self._open[number] = level
            if len(self._open) > _OPEN_LEVELS:
                self._open.popitem(last=False)  # closed once nobody reads from it
            return level


class _Level:
    """The shards of one resolution, opened when first read."""

    def __init__(self, directory: Path, manifest: Manifest, level: int) -> None:
        self._folder = directory / level_folder(manifest.sizes[level])
        self._shape = (*manifest.sizes[level], manifest.channels)
        self._raw = manifest.encoding == "raw"
        self._labels = bool(manifest.label_names)
        self._files: dict[int, int] = {}
        self._indices: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()
        if self._raw:
            self._image_bytes = int(np.prod(self._shape))
            example = image_example(bytes(self._image_bytes), 0 if self._labels else None)
            self._record_bytes = HEADER_BYTES + len(example) + FOOTER_BYTES
            self._image_start = HEADER_BYTES + len(example) - self._image_bytes
            self._label_start, self._label_end = label_span(self._image_bytes) if self._labels else (0, 0)

    def __del__(self) -> None:
        for file in getattr(self, "_files", {}).values():
            os.close(file)

    def read(self, shards: list[int], rows: list[int]) -> tuple[np.ndarray, np.ndarray | None]:
        images = _aligned((len(rows), *self._shape))
        labels = (self._read_raw if self._raw else self._read_png)(shards, rows, images)
        return images, labels if self._labels else None

    def _read_raw(self, shards: list[int], rows: list[int], images: np.ndarray) -> np.ndarray:
        # The bytes between the label's first and the image come along, none for a set without labels.
        before = self._image_start - HEADER_BYTES - self._label_start if self._labels else 0
        heads, bodies = np.empty((len(rows), before), np.uint8), images.reshape(len(rows), self._image_bytes)

        def read_into(number: int) -> None:
            place = rows[number] * self._record_bytes + self._image_start - before
            self._fill(shards[number], [heads[number], bodies[number]], place, before + self._image_bytes)

        workers.for_each(read_into, len(rows), in_threads=images.nbytes >= workers.WORTH_THREADS_BYTES)
        return read_label(heads[:, : self._label_end - self._label_start].astype(np.int32).T)

    def _read_png(self, shards: list[int], rows: list[int], images: np.ndarray) -> np.ndarray:
        labels = np.zeros(len(rows), np.int32)

        def read_into(number: int) -> None:
            begin, end = self._index(shards[number])[rows[number] : rows[number] + 2].tolist()
            data = bytearray(end - begin - HEADER_BYTES - FOOTER_BYTES)
            self._fill(shards[number], [data], begin + HEADER_BYTES, len(data))
            example = parse_example(bytes(data))
            images[number] = decode_png(example["image"][0], self._shape)  # type: ignore[arg-type]
            labels[number] = example["label"][0] if self._labels else 0

        workers.for_each(read_into, len(rows), in_threads=True)
        return labels

    def _fill(self, shard: int, buffers: list[Any], position: int, wanted: int) -> None:
        if os.preadv(self._files.get(shard) or self._file(shard), buffers, position) != wanted:
            raise ValueError(
                f"{self._folder / shard_name(shard)} is shorter than the manifest says; prepare the set again "
                f"(python -m stylegan_tf.cli.dataset verify tells what else is damaged)."
            )

    def _file(self, shard: int) -> int:
        if shard not in self._files:
            with self._lock:
                if shard not in self._files:
                    self._files[shard] = os.open(self._folder / shard_name(shard), os.O_RDONLY)
        return self._files[shard]

    def _index(self, shard: int) -> np.ndarray:
        if shard not in self._indices:
            # Not mapped into memory, as each map would keep another file open.
            self._indices[shard] = np.load(self._folder / index_name(shard), allow_pickle=False)
        return self._indices[shard]


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """An empty uint8 array at an address that TensorFlow takes without a copy."""
    size = math.prod(shape)
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].reshape(shape)


def encode_png(image: np.ndarray) -> bytes:
    """An image, uint8 `[height, width, channels]`, as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def decode_png(data: bytes, shape: Sequence[int]) -> np.ndarray:
    """The image of `encode_png`. Raises ValueError for an image of another shape."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        pixels = np.asarray(image)
    return pixels.reshape(shape)
