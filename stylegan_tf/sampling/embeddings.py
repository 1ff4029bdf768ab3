"""Points and pictures for TensorBoard's embedding projector."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from stylegan_tf.errors import UserError
from stylegan_tf.files import written_together
from stylegan_tf.images import image_grid
from stylegan_tf.pictures import as_picture
from stylegan_tf.printing import printable
from stylegan_tf.sampling.latents import classes_from_seeds, one_hot_labels
from stylegan_tf.sampling.sampler import Sampler
from stylegan_tf.sampling.seeds import LARGEST_THUMBNAIL_PIXELS, MOST_POINTS

CONFIG_FILE = "projector_config.pbtxt"


def write_embeddings(
    sampler: Sampler, seeds: Sequence[int], label_names: Sequence[str], psi: float, cutoff: int | None, folder: Path
) -> Path:
    """Writes the w of seeds, each with its image, for the projector.

    Args:
        sampler: Of the generator.
        seeds: Of the points.
        label_names: Of the classes; every seed has its own. Empty for a generator without classes.
        psi, cutoff: Truncation of w; the points are the w of the first layer.
        folder: A log directory.

    Returns:
        The projector's configuration file.
    """
    columns: dict[str, Sequence[object]] = {"seed": seeds}
    labels = None
    if label_names:
        classes = np.asarray(classes_from_seeds(seeds, len(label_names)))
        labels = one_hot_labels(classes, len(label_names))
        columns["class"] = [label_names[number] for number in classes]
    ws = sampler.ws(seeds, psi, cutoff, labels)
    images = np.concatenate([shrink(batch) for batch in sampler.synthesize_batches(ws)])
    return write_points(folder, "w", ws[:, 0], images, columns)


def write_points(
    folder: str | Path, name: str, points: np.ndarray, images: np.ndarray, columns: Mapping[str, Sequence[object]]
) -> Path:
    """Writes what the projector shows; an earlier projection in the folder is replaced.

    Args:
        folder: The log directory that TensorBoard is started on, or one below it.
        name: What the projector calls the points.
        points: [N, D].
        images: uint8 [N, H, W, C], one a point; large ones become thumbnails.
        columns: What is known about the points, by the column's name: N values each.

    Returns:
        The projector's configuration file.

    Raises:
        ValueError: For other numbers of images or values than points, or too many of them.
    """
    lengths = {len(images), *(len(values) for values in columns.values())}
    if lengths != {len(points)} or not 0 < len(points) <= MOST_POINTS:
        raise UserError(
            f"points must be 1 to {MOST_POINTS}, with as many images and values. "
            f"Received: {len(points)} points, with {sorted(lengths)}."
        )
    folder = Path(folder)
    assets = folder / "projector"
    thumbnails = shrink(images)
    config = ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name=name, tensor_path="projector/points.tsv", metadata_path="projector/metadata.tsv"
    )
    embedding.sprite.image_path = "projector/sprites.png"
    embedding.sprite.single_image_dim.extend([thumbnails.shape[2], thumbnails.shape[1]])
    # The configuration is the first, so that it comes to its place last: it names the others.
    targets = [folder / CONFIG_FILE, *(assets / name for name in ("points.tsv", "metadata.tsv", "sprites.png"))]
    with written_together(targets) as (config_file, points_file, metadata_file, sprites_file):
        config_file.write_text(text_format.MessageToString(config), encoding="utf-8")
        lines = ("\t".join(f"{x:.6g}" for x in point) + "\n" for point in points)
        points_file.write_text("".join(lines), encoding="utf-8")
        metadata_file.write_text(_metadata(columns), encoding="utf-8")
        # A square of as many rows as columns: the projector takes the number of columns from the number of points.
        sprites = image_grid(thumbnails, math.ceil(math.sqrt(len(thumbnails))))
        as_picture(sprites).save(sprites_file, format="PNG")
    return folder / CONFIG_FILE


def shrink(images: np.ndarray) -> np.ndarray:
    """Thumbnails of uint8 [N, H, W, C] whose longer side is at most `LARGEST_THUMBNAIL_PIXELS`."""
    height, width, channels = images.shape[1:]
    factor = LARGEST_THUMBNAIL_PIXELS / max(height, width)
    if factor >= 1:
        return images
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.stack(
        [
            np.asarray(as_picture(image).resize(size, Image.Resampling.BOX)).reshape(size[1], size[0], channels)
            for image in images
        ]
    )


def _metadata(columns: Mapping[str, Sequence[object]]) -> str:
    """Tab-separated values. The projector takes the first line for data when there is one column only."""
    rows = [list(map(str, row)) for row in zip(*columns.values(), strict=True)]
    if len(columns) > 1:
        rows.insert(0, list(columns))
    return "".join("\t".join(printable(" ".join(cell.split())) for cell in row) + "\n" for row in rows)
