"""Arrays as Pillow's images, for whoever does without TensorFlow."""

from __future__ import annotations

import numpy as np
from PIL import Image


def as_picture(image: np.ndarray) -> Image.Image:
    """A Pillow image of uint8 [H, W, C] with C of 1, 3 or 4."""
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def laid_on(picture: Image.Image, colour: str | tuple[int, ...]) -> Image.Image:
    """An RGBA picture on a ground of one colour, opaque."""
    return Image.alpha_composite(Image.new("RGBA", picture.size, colour), picture)
