"""Images of an exported SavedModel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.evaluation.generated import GeneratorImages, Origin
from stylegan_tf.exports.layout import newest_version, read_metadata
from stylegan_tf.files import without_patterns

_EXPORT_BATCH = 16


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
        version = newest_version(Path(path))
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
