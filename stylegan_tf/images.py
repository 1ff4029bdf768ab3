"""Images at the edges of the package: uint8 <-> [-1, 1], grids, files of pictures, animations."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from stylegan_tf.errors import UserError
from stylegan_tf.files import written_whole
from stylegan_tf.pictures import as_picture, laid_on
from stylegan_tf.video import save_video


def to_float(images: tf.Tensor) -> tf.Tensor:
    """uint8 [..., C] to float32 in [-1, 1]: 0 becomes -1 and 255 becomes 1."""
    return tf.cast(images, tf.float32) * (2.0 / 255.0) - 1.0


def to_uint8(images: tf.Tensor) -> tf.Tensor:
    """Float [..., C] in [-1, 1], values outside clipped, to the nearest uint8."""
    return tf.cast(tf.clip_by_value(tf.round((tf.cast(images, tf.float32) + 1.0) * 127.5), 0.0, 255.0), tf.uint8)


def image_grid(images: np.ndarray, columns: int | None = None, gap: int = 0) -> np.ndarray:
    """Puts images beside and below each other.

    Args:
        images: uint8 [N, H, W, C].
        columns: Images in a row; None makes the grid about square.
        gap: White pixels between images.

    Returns:
        uint8 [rows * H + gaps, columns * W + gaps, C]; missing images at the end are white.
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for index, image in enumerate(images):
        y, x = (index // columns) * (height + gap), (index % columns) * (width + gap)
        canvas[y : y + height, x : x + width] = image
    return canvas


def enlarge(images: np.ndarray, factor: int) -> np.ndarray:
    """Repeats every pixel `factor` times along height and width. [N, H, W, C] uint8."""
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def save_png(path: str | os.PathLike[str], image: np.ndarray) -> None:
    """Writes uint8 [H, W, C] as a PNG, whole or not at all."""
    with written_whole(path) as beside:
        as_picture(image).save(beside, format="PNG")


def save_picture(path: str | os.PathLike[str], image: np.ndarray) -> None:
    """Writes uint8 [H, W, C] by the ending of the path, whole or not at all.

    Args:
        path: Ends in .png, .webp (both without loss), .jpg or .jpeg (nearly; alpha is laid on white).
        image: The picture.

    Raises:
        ValueError: For another ending.
    """
    kind = Path(path).suffix.lower().lstrip(".")
    picture = as_picture(image)
    options: dict[str, Any] = {"lossless": True} if kind == "webp" else {}
    if kind in ("jpg", "jpeg"):
        kind, options = "jpeg", {"quality": 95, "subsampling": 0}
        if picture.mode == "RGBA":
            picture = laid_on(picture, "white").convert("RGB")
    if kind not in ("png", "webp", "jpeg"):
        raise UserError(f"a picture needs a path that ends in .png, .jpg, .jpeg or .webp. Received: {path}.")
    _check_sides(kind, picture)
    with written_whole(path) as beside:
        picture.save(beside, format=kind.upper(), **options)


def _check_sides(kind: str, picture: Image.Image) -> None:
    """Raises UserError for pictures that a format cannot hold."""
    most = {"webp": 16383, "jpeg": 65500, "gif": 65535}.get(kind, 2**31 - 1)
    if max(picture.size) > most:
        raise UserError(
            f"a {kind} picture has at most {most:,} pixels a side; choose another format, or fewer or smaller images. "
            f"Received: {picture.height}x{picture.width}."
        )


def save_animation(path: str | os.PathLike[str], frames: Sequence[np.ndarray], frame_ms: int | list[int] = 100) -> None:
    """Writes frames as a GIF or WebP that loops for ever, or as a film, by the ending of the path.

    Args:
        path: Ends in .gif, .webp or .mp4.
        frames: uint8 [H, W, C], all of one size.
        frame_ms: Milliseconds of each frame.

    Raises:
        ValueError: For another ending or no frames.
        ImportError: For .mp4 without the extra `video`.
    """
    kind = Path(path).suffix.lower().lstrip(".")
    if kind not in ("gif", "webp", "mp4") or not len(frames):
        raise UserError(
            f"an animation needs frames and a .gif, .webp or .mp4 path. Received: {len(frames)} frames, {path}."
        )
    if kind == "mp4":
        save_video(path, frames, frame_ms)
        return
    pictures = [as_picture(frame) for frame in frames]
    _check_sides(kind, pictures[0])
    # Without these, transparent frames pile up (GIF) or lose their transparency (WebP).
    options = {"disposal": 2} if kind == "gif" else {"kmax": 1}
    with written_whole(path) as beside:
        pictures[0].save(
            beside, format=kind.upper(), save_all=True, append_images=pictures[1:], duration=frame_ms, loop=0, **options
        )
