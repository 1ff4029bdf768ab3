"""Images of an exported SavedModel, and what it says of itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from stylegan_tf.data.image_set import CHANNELS
from stylegan_tf.errors import UserError, require
from stylegan_tf.evaluation.generated import GeneratorImages, Origin
from stylegan_tf.files import without_patterns
from stylegan_tf.json_files import as_record, read_json

_EXPORT_BATCH = 16
_MAX_SIDE = 2**16


@dataclasses.dataclass(frozen=True)
class ExportedImage:
    """Height, width and channels of the images of an export."""

    height: int
    width: int
    channels: int


@dataclasses.dataclass(frozen=True)
class ExportMetadata:
    """What an export says of itself, as far as it is read again: of `assets.extra/model.json`."""

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
        require(0 < min(sides) <= max(sides) <= _MAX_SIDE, f"sizes must lie from 1 to {_MAX_SIDE:,}", sides)
        require(self.image.channels in CHANNELS, "channels must be 1, 3 or 4", self.image.channels)
        require(
            self.num_classes >= 0 and len(self.label_names or ()) in (0, self.num_classes),
            "num_classes must be the number of label_names",
            self.num_classes,
        )


def read_metadata(version: Path) -> ExportMetadata:
    """Reads what an export says of itself. Raises ValueError or OSError where it is damaged or missing."""
    return as_record(ExportMetadata, read_json(version / "assets.extra" / "model.json"), others=True)


class ExportImages(GeneratorImages):
    """Images of an exported SavedModel, on one device. Its noise is saved with it, the same in all images.

    Args:
        path: An export, of which the newest version is taken, or one of its versions.

    Attributes:
        psi: Truncation where none is given.

    Raises:
        ValueError: When no export is there.
    """

    def __init__(self, path: str | Path) -> None:
        version = _newest_version(Path(path))
        try:
            about = read_metadata(version)
            with without_patterns(version) as model:
                self._model = tf.saved_model.load(str(model))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, tf.errors.OpError) as error:
            raise UserError(f"export must be one that export.py wrote. Received: {version}: {error}.") from error
        self.size, self.channels = (about.image.height, about.image.width), about.image.channels
        self.num_classes, self.z_size = about.num_classes, about.z_size
        self.label_names = about.label_names or ()
        self.psi = about.truncation_psi
        self.dataset = str((about.dataset or {}).get("name", ""))
        self.origin = Origin("export", str(version), about.images_seen, "fixed")

    def images(self, seeds: np.ndarray, classes: np.ndarray | None, psi: float = 1.0) -> np.ndarray:
        psis = np.full(len(seeds), psi, np.float32)
        return self._run("from_seed", "images", classes, seed=seeds, truncation_psi=psis)

    def map(self, z: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
        return self._run("map", "ws", classes, z=z)

    def synthesize(self, ws: np.ndarray) -> np.ndarray:
        return self._run("synthesize_float", "images_float", None, ws=ws)

    def _run(self, signature: str, output: str, classes: np.ndarray | None, **inputs: np.ndarray) -> np.ndarray:
        function = self._model.signatures[signature]
        if classes is not None:
            inputs["class_id"] = np.asarray(classes, np.int64)
        count = len(next(iter(inputs.values())))
        parts = []
        for start in range(0, count, _EXPORT_BATCH):
            rows = np.minimum(np.arange(start, start + _EXPORT_BATCH), count - 1)
            result = function(**{name: tf.constant(array[rows]) for name, array in inputs.items()})[output]
            parts.append(result.numpy()[: count - start])
        return np.concatenate(parts)


def is_export(path: Path) -> bool:
    """Whether SavedModels are there, or one."""
    return (path / "saved_model.pb").is_file() or bool(_versions(path))


def _versions(path: Path) -> list[Path]:
    return [child for child in path.glob("*") if child.name.isdigit() and (child / "saved_model.pb").is_file()]


def _newest_version(path: Path) -> Path:
    if (path / "saved_model.pb").is_file():
        return path
    versions = _versions(path)
    require(bool(versions), "export must be a directory that export.py wrote, or one of its versions", path)
    return max(versions, key=lambda version: int(version.name))
