"""Where an export keeps its versions, and what each says of itself.

EXPORT/1/saved_model.pb, variables/    the SavedModel, as TensorFlow writes it; EXPORT/2 is the next one
EXPORT/1/assets.extra/model.json       what a client should know
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stylegan_tf.data.image_set import CHANNELS, LARGEST_SIDE
from stylegan_tf.errors import UserError, require
from stylegan_tf.files import write_text, written_folder
from stylegan_tf.json_files import as_record, read_json

METADATA_FILE = "assets.extra/model.json"
MODEL_FILE = "saved_model.pb"


def is_version(path: Path) -> bool:
    """Whether a SavedModel is here."""
    return (path / MODEL_FILE).is_file()


def find_versions(export: Path) -> dict[int, Path]:
    """The versions of an export by number, in order; directories of other names are passed over.

    As TensorFlow Serving does it, which reads 007 as 7.
    """
    if not export.is_dir():
        return {}
    numbered = ((_number(child), child) for child in export.iterdir() if is_version(child))
    return dict(sorted((number, child) for number, child in numbered if number is not None))


def require_versions(export: Path) -> None:
    """Raises UserError for a directory without versions."""
    require(
        bool(find_versions(export)),
        "an export must hold versions, directories named by numbers, as export.py writes them",
        f"{export}, which holds none",
    )


def is_export(path: Path) -> bool:
    """Whether versions are here, or this is one."""
    return is_version(path) or bool(find_versions(path))


def newest_version(path: Path) -> Path:
    """The version of the highest number of an export; a version is its own. Raises UserError when there is none."""
    if is_version(path):
        return path
    versions = find_versions(path)
    require(bool(versions), "export must be a directory that export.py wrote, or one of its versions", path)
    return versions[max(versions)]


def new_version(export: Path, version: int | None = None) -> Path:
    """The directory of a version that is not there yet.

    Args:
        export: The directory of the versions; it need not exist.
        version: Its number; None for the one after the highest.

    Raises:
        ValueError: When export is a file or a version, or the version is not positive or is taken.
    """
    if export.exists() and not export.is_dir():
        raise UserError(f"output_dir must be a directory, new or of earlier versions. Received: {export}, a file.")
    if is_version(export):
        raise UserError(
            f"output_dir must be the directory of the versions, not one of them: {export.resolve().parent}. "
            f"Received: {export}."
        )
    children = export.iterdir() if export.exists() else ()
    taken = {number for child in children if (number := _number(child)) is not None}  # whole or not
    if version is None:
        version = max(taken, default=0) + 1
    if not 0 < version < 2**63:
        raise UserError(f"version must be a positive whole number. Received: version={version}.")
    if version in taken:
        raise UserError(
            f"version must be a new one; leave --version out to get {max(taken) + 1}. "
            f"Received: version={version}, which {export} holds already."
        )
    return export / str(version)


@contextlib.contextmanager
def written_version(target: Path) -> Iterator[Path]:
    """A folder beside a version's place, under a name that model servers pass over; it gets its place at the end.

    Args:
        target: Of `new_version`.

    Raises:
        UserError: When another export took the number in the meantime.
        DiskError: When the disk took no more.
    """
    with written_folder(target) as beside:
        yield beside
        if target.exists():  # an empty folder would be replaced
            raise UserError(f"version must be a new one. Received: {target}, which has just appeared.")


def _number(path: Path) -> int | None:
    return int(path.name) if path.name.isascii() and path.name.isdecimal() else None


@dataclasses.dataclass(frozen=True)
class ExportedImage:
    """Height, width and channels of the images of an export."""

    height: int
    width: int
    channels: int


@dataclasses.dataclass(frozen=True)
class ExportMetadata:
    """What an export says of itself, as far as it is read again."""

    image: ExportedImage
    z_size: int
    num_classes: int
    label_names: tuple[str, ...] | None = None
    dataset: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    images_seen: int | None = None
    truncation_psi: float = 1.0

    def __post_init__(self) -> None:
        sides = (self.image.height, self.image.width, self.z_size)
        require(0 < min(sides) <= max(sides) <= LARGEST_SIDE, f"sizes must lie from 1 to {LARGEST_SIDE:,}", sides)
        require(self.image.channels in CHANNELS, "channels must be 1, 3 or 4", self.image.channels)
        require(
            self.num_classes >= 0 and len(self.label_names or ()) in (0, self.num_classes),
            "num_classes must be the number of label_names",
            self.num_classes,
        )


def write_metadata(version: Path, values: Mapping[str, Any]) -> None:
    """Writes what an export says of itself, plain values by name."""
    write_text(version / METADATA_FILE, json.dumps(values, indent=2) + "\n")


def read_metadata(version: Path) -> ExportMetadata:
    """Reads what an export says of itself. Raises ValueError or OSError where it is damaged or missing."""
    return as_record(ExportMetadata, read_json(version / METADATA_FILE), others=True)
