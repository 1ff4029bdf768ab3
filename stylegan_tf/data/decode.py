"""One image file of any kind in, one uint8 array of a chosen shape out."""

import os
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_ORIENTATION_TAG = 0x0112


def decode_image(
    file: str | os.PathLike[str] | BinaryIO, *, size: tuple[int, int] | None, channels: int
) -> np.ndarray:
    """Reads an image, turns it upright, and crops, resizes and converts it.

    Palettes, 1-bit, 16-bit grey, CMYK and YCbCr become 8-bit grey or RGB; of an animation the first frame is
    taken. Where alpha is not asked for, the image is laid on white before it is resized, so that the hidden
    colour of transparent pixels cannot bleed into an edge.

    Args:
        file: Path, or a binary file open for reading.
        size: Height and width in pixels; the image is cropped around its centre to this shape first. None
            keeps the image as it is.
        channels: 1 for grey, 3 for RGB, 4 for RGB and straight alpha.

    Returns:
        uint8, `[height, width, channels]`.

    Raises:
        ValueError: the pixels cannot be understood as 8-bit or 16-bit colour.
        OSError: the file is missing, truncated or no image.
    """
    with Image.open(file) as opened:
        image = convert_image(ImageOps.exif_transpose(opened), channels)
    if size is not None:
        image = fit_image(image, size)
    return np.asarray(image).reshape(image.height, image.width, channels)


def read_size(file: str | os.PathLike[str] | BinaryIO) -> tuple[int, int]:
    """Reads an image's upright height and width in pixels from its header, without decoding the pixels."""
    with Image.open(file) as image:
        # The base class's method: a PNG's own would decode the whole file to look for a late EXIF chunk.
        orientation = Image.Image.getexif(image).get(_ORIENTATION_TAG, 1)
        return (image.width, image.height) if orientation >= 5 else (image.height, image.width)


def convert_image(image: Image.Image, channels: int) -> Image.Image:
    """Converts any Pillow image to 8-bit grey (1 channel) or RGB (3), with alpha laid on white, or RGBA (4).

    Raises:
        ValueError: floating-point pixels, whose range is not known, or a colour space Pillow cannot convert.
    """
    if image.mode == "F":
        raise ValueError(
            "floating-point pixels have no defined range; save the image with 8 or 16 bits instead"
        )
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16 bits at 255. Mode I holds 16-bit files too.
        deep = np.asarray(image).clip(0, 65535).astype(np.uint32)
        image = Image.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8))
    if channels != 4 and image.has_transparency_data:
        coloured = image.convert("RGBA")
        image = Image.new("RGBA", image.size, "white")
        image.alpha_composite(coloured)
    if image.mode not in ("L", "RGB", "RGBA") and channels == 1:
        image = image.convert("RGB")  # Pillow has no direct way from some modes to grey
    return image.convert(_MODES[channels])


def fit_image(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Crops an 8-bit image around its centre to the shape of `size` (height, width) and resizes it.

    The filter is an antialiasing one. Whole pixels are cropped, so that an image that only needs cropping
    keeps its pixels exactly.
    """
    height, width = size
    crop_width = max(1, min(image.width, round(image.height * width / height)))
    crop_height = max(1, min(image.height, round(image.width * height / width)))
    left, top = (image.width - crop_width) // 2, (image.height - crop_height) // 2
    box = (left, top, left + crop_width, top + crop_height)
    if (crop_height, crop_width) == size:
        return image.crop(box)
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box)  # Pillow premultiplies alpha here
