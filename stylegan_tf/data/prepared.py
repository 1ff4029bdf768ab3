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
import io
import math
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from PIL import Image

from stylegan_tf.data import workers
from stylegan_tf.data.array_files import read_npy
from stylegan_tf.data.image_file import reason
from stylegan_tf.data.image_set import ImageSet
from stylegan_tf.data.manifest import (
    ENCODINGS,
    FORMAT,
    INCOMPLETE,
    LEFT_OUT,
    MANIFEST,
    VERSION,
    FileCheck,
    Making,
    Manifest,
    index_name,
    level_folder,
    shard_name,
)
from stylegan_tf.data.records import (
    FOOTER_BYTES,
    HEADER_BYTES,
    image_example,
    label_span,
    parse_example,
    read_label,
    read_records,
)
from stylegan_tf.data.sources.base import digest
from stylegan_tf.data.sources.labels import classes_notes
from stylegan_tf.errors import UserError
from stylegan_tf.files import expanded
from stylegan_tf.invocation import command
from stylegan_tf.names import as_written
from stylegan_tf.pictures import as_picture
from stylegan_tf.printing import printable

# What a manifest is belongs to what a prepared set is, for whoever reads one.
__all__ = [
    "ENCODINGS", "FORMAT", "INCOMPLETE", "LEFT_OUT", "MANIFEST", "VERSION", "DamagedSetError", "FileCheck", "Making",
    "Manifest", "PreparedImageSet", "decode_stored_png", "encode_png", "index_name", "is_prepared", "level_folder",
    "read_index", "record_bytes", "shard_name",
]  # fmt: skip

_ALIGNMENT = 64  # bytes
_OPEN_LEVELS = 2  # levels whose files are kept open


def is_prepared(data: str) -> bool:
    """Whether a prepared set, complete or not, lies at the path `data`."""
    path = expanded(data)
    return (path / MANIFEST).exists() or (path / INCOMPLETE).is_file()


class DamagedSetError(UserError):
    """A prepared set whose files are not what its manifest says."""


class PreparedImageSet(ImageSet):
    """A prepared set on disk.

    Reading takes the memory of the images that are asked for, whatever the set's size; PNGs take eight bytes for each
    image of the set besides. Images are read with `os.preadv`, by any number of threads at once.

    Args:
        directory: The set.
        size: Height and width of the largest level wanted; None for the largest that there is.

    Raises:
        ValueError: No complete prepared set is there, or it has no such size.
        DamagedSetError: A file is missing or has another size than it should.
    """

    def __init__(self, directory: str | os.PathLike[str], size: tuple[int, int] | None = None) -> None:
        self.directory = expanded(directory)
        self.manifest = Manifest.read(self.directory)
        self._check_files()
        self.name = str(directory)
        size = size or self.manifest.sizes[0]
        if size not in self.manifest.sizes:
            known = ", ".join(map(level_folder, self.manifest.sizes))
            raise UserError(
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
            raise UserError(f"indices must be from 0 to {len(self) - 1}. Received: {indices.min()} to {indices.max()}.")
        shards = np.searchsorted(self._ends, indices, side="right")
        rows = indices - self._ends[shards] + np.asarray(self.manifest.shard_counts)[shards]
        return self._level(halvings + self._skipped).read(shards.tolist(), rows.tolist())

    def _check_files(self) -> None:
        """Finds at once what training would stumble over days later."""
        manifest = self.manifest
        for shard, count in enumerate(manifest.shard_counts):
            for name in manifest.file_names(shard):
                if name not in manifest.files:
                    self._refuse(f"the manifest does not know {name}")
                self._check_file(name, manifest.files[name].bytes)
            if manifest.encoding == "raw":
                self._check_counted(shard, count)
        if unknown := manifest.unknown_files():
            self._refuse(f"the manifest tells of {printable(unknown[0])}, and no shard has this file")
        if not manifest.is_as_written:
            self._refuse(f"{MANIFEST} was changed after it was written")

    def _check_file(self, name: str, expected: int) -> None:
        path = self.directory / name
        size = path.stat().st_size if path.is_file() else None
        if size != expected:
            self._refuse(
                f"{name} {'is missing' if size is None else f'has {size:,} bytes'}, and should have {expected:,} bytes"
            )

    def _check_counted(self, shard: int, count: int) -> None:
        """Makes sure that the files of raw images have as many bytes as their images take."""
        manifest = self.manifest
        for name, size in zip(manifest.file_names(shard), manifest.sizes, strict=True):
            found = manifest.files[name].bytes
            image_bytes = manifest.channels * size[0] * size[1]
            if found < count * image_bytes or found != count * record_bytes(image_bytes, bool(manifest.label_names)):
                self._refuse(f"{name} has {found:,} bytes, which are not those of {count:,} images")

    def _refuse(self, damage: str) -> NoReturn:
        raise DamagedSetError(
            f"The prepared set is damaged: {damage}. Delete the directory and prepare the set again. "
            f"Received: {self.directory}."
        )

    def _level(self, number: int) -> _Level:
        with self._lock:
            level = self._open.pop(number, None) or _Level(self.directory, self.manifest, number)
            self._open[number] = level
            if len(self._open) > _OPEN_LEVELS:
                self._open.popitem(last=False)  # closed once nobody reads from it
            return level


def _advice() -> str:
    return f"Prepare the set again ({command('dataset verify')} shows what else is damaged)."


def record_bytes(image_bytes: int, labelled: bool) -> int:
    """Bytes of the record of a raw image of so many bytes."""
    return HEADER_BYTES + len(image_example(bytes(image_bytes), 0 if labelled else None)) + FOOTER_BYTES


def read_index(path: Path, count: int, shard_bytes: int) -> np.ndarray:
    """Where the records of a shard begin, and where the last one ends: int64 `[count + 1]`.

    Raises:
        DamagedSetError: The file does not fit a shard of so many images and bytes.
    """
    try:
        starts = read_npy(path)
    except (ValueError, OSError) as error:
        raise DamagedSetError(f"The prepared set is damaged: {path} ({error}). {_advice()}") from error
    is_index = starts.dtype == np.int64 and starts.shape == (count + 1,)
    if not is_index or starts[0] != 0 or starts[-1] != shard_bytes or (np.diff(starts) <= 0).any():
        raise DamagedSetError(
            f"The prepared set is damaged: {path} does not say where {count:,} records of {shard_bytes:,} bytes lie. "
            f"{_advice()}"
        )
    return starts


class _Level:
    """The shards of one resolution, opened when first read."""

    def __init__(self, directory: Path, manifest: Manifest, level: int) -> None:
        self._manifest = manifest
        self._folder = directory / level_folder(manifest.sizes[level])
        self._shape = (*manifest.sizes[level], manifest.channels)
        self._raw = manifest.encoding == "raw"
        self._labels = bool(manifest.label_names)
        self._files: dict[int, int] = {}
        self._indices: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()
        if self._raw:
            self._image_bytes = int(np.prod(self._shape))
            self._record_bytes = record_bytes(self._image_bytes, self._labels)
            self._image_start = self._record_bytes - FOOTER_BYTES - self._image_bytes
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
            data = bytearray(end - begin)
            self._fill(shards[number], [data], begin, len(data))
            try:
                example = parse_example(next(read_records(io.BytesIO(data))))
                images[number] = decode_stored_png(example["image"][0], self._shape)  # type: ignore[arg-type]
                labels[number] = example["label"][0] if self._labels else 0
            except (ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
                place = f"image {rows[number]} of {self._folder / shard_name(shards[number])}"
                raise DamagedSetError(f"The prepared set is damaged: {place} ({error}). {_advice()}") from error

        workers.for_each(read_into, len(rows), in_threads=True)
        return labels

    def _fill(self, shard: int, buffers: list[Any], position: int, wanted: int) -> None:
        if os.preadv(self._files.get(shard) or self._file(shard), buffers, position) != wanted:
            again = _advice()
            raise UserError(
                f"{self._folder / shard_name(shard)} is shorter than the manifest says; {again[0].lower()}{again[1:]}"
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
            size = self._manifest.files[f"{self._folder.name}/{shard_name(shard)}"].bytes
            self._indices[shard] = read_index(
                self._folder / index_name(shard), self._manifest.shard_counts[shard], size
            )
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
    as_picture(image).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def decode_stored_png(data: bytes, shape: Sequence[int]) -> np.ndarray:
    """The image of `encode_png`. Raises ValueError for what is no PNG, and for an image of another shape."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.size != (shape[1], shape[0]):  # told before the pixels are unpacked
                raise UserError(f"the PNG has {image.height}x{image.width} pixels, not {shape[0]}x{shape[1]}")
            pixels = np.asarray(image)
    except Exception as error:  # Pillow's readers raise nearly every type there is
        raise UserError(reason(error)) from error
    return pixels.reshape(shape)
