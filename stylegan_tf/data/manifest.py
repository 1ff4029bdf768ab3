"""The manifest of a prepared set: what is in which file, and from what and how the set was made."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

from stylegan_tf.configuration.resolutions import MAX_LEVELS
from stylegan_tf.data.image_set import CHANNELS, LARGEST_SIDE
from stylegan_tf.data.sources.base import digest
from stylegan_tf.errors import UserError
from stylegan_tf.json_files import as_record, read_json
from stylegan_tf.printing import printable

MANIFEST = "manifest.json"
INCOMPLETE = "incomplete.json"
LEFT_OUT = "left_out.csv"
FORMAT = "stylegan_tf image set"
VERSION = 1
ENCODINGS = ("raw", "png")

_MAX_IMAGE_BYTES = 2**31
_MAX_IMAGES = 2**40
_MAX_CRC = 2**32 - 1


@dataclasses.dataclass(frozen=True)
class FileCheck:
    """Size in bytes and CRC-32C of a file. Raises ValueError for what neither can be."""

    bytes: int
    crc32c: int

    def __post_init__(self) -> None:
        if self.bytes < 0 or not 0 <= self.crc32c <= _MAX_CRC:
            raise UserError(f"a file cannot have {self.bytes:,} bytes and the checksum {self.crc32c}")


@dataclasses.dataclass(frozen=True)
class Making:
    """From what and how a set is made.

    Attributes:
        data, kind: The source, as the user gave it, and what it was found to be.
        count: Number of its pictures.
        pictures: A digest that changes with them.
        label_names: Of the source.
        sizes, channels, crop, background, encoding: Of the set.
        left_out: Number of the pictures that could not be read.
    """

    data: str
    kind: str
    count: int
    pictures: str
    label_names: list[str]
    sizes: list[list[int]]
    channels: int
    crop: str
    background: str
    encoding: str
    left_out: int = 0


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
        source: From what and how it was made, the fields of `Making`.
        files: By path within the set.
        checksum: As the manifest's file says it; empty where it is not known, as in sets of older versions.

    Raises:
        ValueError: The fields do not fit each other, or no set could be so.
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
    checksum: str = dataclasses.field(default="", compare=False)

    def __post_init__(self) -> None:
        self._check_sizes()
        _require(self.channels in CHANNELS, "channels must be 1, 3 or 4")
        _require(self.encoding in ENCODINGS, f"encoding must be one of {', '.join(ENCODINGS)}")
        _require(min(self.shard_counts, default=-1) >= 0, "shard_counts must be numbers of images")
        _require(0 < self.count <= _MAX_IMAGES, f"the number of images must lie from 1 to {_MAX_IMAGES:,}")
        _require(
            len(self.label_counts) == len(self.label_names) and min(self.label_counts, default=0) >= 0,
            "label_counts must be a number for each of label_names",
        )
        _require(
            not self.label_names or sum(self.label_counts) == self.count,
            "label_counts must add up to the number of images",
        )
        for digits in (self.fingerprint, self.labels_fingerprint):
            _require(re.fullmatch("[0-9a-f]{16}", digits) is not None, "fingerprints must be 16 hexadecimal digits")

    def _check_sizes(self) -> None:
        _require(0 < len(self.sizes) <= MAX_LEVELS, f"sizes must be 1 to {MAX_LEVELS}")
        height, width = self.sizes[0]
        _require(
            min(height, width) > 0 and max(height, width) <= LARGEST_SIDE and 4 * height * width <= _MAX_IMAGE_BYTES,
            f"the sides of images must lie from 1 to {LARGEST_SIDE:,}, "
            f"and images have at most {_MAX_IMAGE_BYTES:,} bytes",
        )
        halved = tuple((height >> level, width >> level) for level in range(len(self.sizes)))
        _require(self.sizes == halved and min(halved[-1]) > 0, "sizes must each be half of the one before")

    @property
    def count(self) -> int:
        """Number of images."""
        return sum(self.shard_counts)

    @property
    def is_as_written(self) -> bool:
        """Whether nothing in the manifest was changed since it was written, as far as that is known."""
        return self.checksum in ("", self._own_checksum())

    def file_names(self, shard: int) -> list[str]:
        """The files of a shard: one for each size, then their indices if there are any."""
        folders = [level_folder(size) for size in self.sizes]
        names = [f"{folder}/{shard_name(shard)}" for folder in folders]
        return names + ([f"{folder}/{index_name(shard)}" for folder in folders] if self.encoding == "png" else [])

    def unknown_files(self) -> list[str]:
        """Files that the manifest tells of, and that no shard has."""
        known = {name for shard in range(len(self.shard_counts)) for name in self.file_names(shard)}
        return sorted(self.files.keys() - known)

    def to_json(self) -> str:
        """The manifest's file."""
        fields = {"format": FORMAT, "version": VERSION, "count": self.count, **dataclasses.asdict(self)}
        return json.dumps({**fields, "checksum": self._own_checksum()}, indent=1, ensure_ascii=True) + "\n"

    def _own_checksum(self) -> str:
        """16 hexadecimal digits over all other fields."""
        return digest([json.dumps({**dataclasses.asdict(self), "checksum": ""}, ensure_ascii=True)])

    @classmethod
    def read(cls, directory: str | os.PathLike[str]) -> Manifest:
        """Reads the manifest of a prepared set.

        Raises:
            ValueError: There is none, it is not complete, or it is damaged or of another format.
        """
        directory = Path(directory)
        path = directory / MANIFEST
        if not path.exists():
            if (directory / INCOMPLETE).is_file():
                raise UserError(
                    f"The set is not complete: preparing it was interrupted, or pictures could not be read (see "
                    f"{LEFT_OUT} there). Run the command that prepared it again; it continues where it stopped. "
                    f"Received: {directory}."
                )
            raise UserError(f"A prepared set must hold {MANIFEST}. Received: {directory}.")
        try:
            fields = read_json(path)
            _require(isinstance(fields, dict), "it must be an object")
            version = fields.pop("version", None)
            if fields.pop("format", None) != FORMAT or type(version) is not int or not 0 < version <= VERSION:
                raise UserError(f"its format is not {FORMAT!r} of version {VERSION} or older")
            count = fields.pop("count", None)
            manifest = as_record(cls, fields)
            as_record(Making, manifest.source)
            _require(type(count) is int and count == manifest.count, "count must be the sum of shard_counts")
        except (OSError, ValueError) as error:
            raise UserError(
                f"The manifest of a prepared set could not be read: {printable(str(path))} ({error})."
            ) from error
        return manifest


def _require(condition: bool, expected: str) -> None:
    if not condition:
        raise UserError(expected)


def level_folder(size: tuple[int, int]) -> str:
    """The folder of a resolution, such as "64x96" (height x width)."""
    return f"{size[0]}x{size[1]}"


def shard_name(shard: int) -> str:
    """The file name of a shard."""
    return f"shard-{shard:05d}.tfrecord"


def index_name(shard: int) -> str:
    """The file name of the index of a shard of PNGs."""
    return f"shard-{shard:05d}.index.npy"
