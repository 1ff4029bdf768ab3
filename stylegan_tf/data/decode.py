"""An opened picture of any kind in, one uint8 array of a chosen shape out."""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image, ImageColor, JpegImagePlugin

from stylegan_tf.data.image_file import UnusableImageError
from stylegan_tf.errors import UserError
from stylegan_tf.pictures import laid_on

CROPS = ("center", "pad", "none")

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_ORIENTATION_TAG = 0x0112
# EXIF 2.3, 4.6.4: what turns a picture stored with this orientation upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = 5  # orientations from this one on exchange height and width
_REDUCTIONS = (8, 4, 2)  # that libjpeg can decode at, from the transform's low frequencies alone
_LEFT_TO_FILTER = 2  # how much larger than wanted a reduced picture stays at least


@dataclasses.dataclass(frozen=True)
class PictureForm:
    """What pictures are brought to.

    Attributes:
        size: Height and width in pixels.
        channels: 1 for grey, 3 for RGB, 4 for RGB and straight alpha.
        crop: How a picture of another shape gets this one: "center" cuts the longer side around its centre, "pad"
            fills the shorter side up with the background, "none" stretches the whole picture.
        background: A colour that Pillow knows, such as "white" or "#808080": under transparent pixels where alpha is
            not kept, and around padded pictures (transparent there where alpha is kept).

    Raises:
        ValueError: For an impossible value.
    """

    size: tuple[int, int]
    channels: int
    crop: str = "center"
    background: str = "white"

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise UserError(f"size must be a height and a width, both above 0. Received: size={self.size}.")
        if self.channels not in _MODES:
            raise UserError(f"channels must be 1 (grey), 3 (RGB) or 4 (RGBA). Received: channels={self.channels}.")
        if self.crop not in CROPS:
            raise UserError(f"crop must be one of {', '.join(CROPS)}. Received: crop={self.crop!r}.")
        try:
            ImageColor.getrgb(self.background)
        except ValueError as error:
            raise UserError(
                f"background must be a colour such as white or #808080. Received: background={self.background!r}."
            ) from error


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width in pixels after turning by the EXIF orientation, from the header, without decoding the pixels.

    An orientation that a PNG file states only after its pixels is not seen.
    """
    lying = _orientation(image) >= _LYING
    return (image.width, image.height) if lying else (image.height, image.width)


def to_pixels(image: Image.Image, form: PictureForm) -> np.ndarray:
    """Turns an opened picture upright, converts it, and brings it to its size.

    Palettes, 1 bit, 16 bits, CMYK, YCbCr, LAB and HSV become 8-bit grey or RGB; of an animation the first frame is
    taken. Where alpha is not kept, the picture is laid on the background before it is resized, so that the hidden
    colour of transparent pixels cannot bleed into an edge. Resizing is antialiased (Lanczos). Whole pixels are cut
    off, so that a picture that only needs cropping or padding keeps its pixels exactly.

    A JPEG that is at least four times too large is decoded at a half, a quarter or an eighth, to no less than
    twice the wanted size: several times faster, and within about a grey level. `image` itself is left like that.

    Args:
        image: Any picture, not decoded yet or in memory.
        form: What to bring it to.

    Returns:
        uint8 `[height, width, channels]`; perhaps read-only.

    Raises:
        UnusableImageError: No pixels, or pixels that cannot be understood as 8-bit or 16-bit colour.
        Exception: Of any kind, where the file is damaged or ends early; `reason` tells of it.
    """
    _refuse_no_pixels(image)
    full_size, reduction = _load(image, form)
    orientation = _orientation(image)
    image = _convert(image, form.channels, form.background)
    # Turned after resizing, which is quicker, and lets a reduced picture's last column be but a part of a pixel.
    box, part_size = _placement(_swap(full_size, orientation), form)
    box = _stored_box(box, _swap(full_size, orientation), orientation)
    image = _resample(image, full_size, reduction, box, _swap(part_size, orientation))
    return _to_array(_pad(_turn(image, orientation), form.size[::-1], form.background))


def to_unresized_pixels(image: Image.Image, channels: int, background: str = "white") -> np.ndarray:
    """As `to_pixels`, but whole and at the picture's own size: uint8 `[height, width, channels]`, perhaps read-only."""
    _refuse_no_pixels(image)
    image.load()
    orientation = _orientation(image)
    return _to_array(_turn(_convert(image, channels, background), orientation))


def _refuse_no_pixels(image: Image.Image) -> None:
    if 0 in image.size:
        raise UnusableImageError("the picture has no pixels")


def _to_array(image: Image.Image) -> np.ndarray:
    return np.asarray(image).reshape(image.height, image.width, len(image.getbands()))


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation that a picture has yet to be turned by: 1 to 8, 1 for none."""
    if image.format == "TIFF":
        return 1  # Pillow turns these itself, and gives their upright size from the start
    try:
        # The base class's method: a PNG's own would decode the whole file to look for a late EXIF chunk.
        orientation = Image.Image.getexif(image).get(_ORIENTATION_TAG, 1)
    except Exception:  # of any type; damaged notes about a picture do not make it unreadable
        return 1
    return orientation if orientation in _TURNS else 1


def _load(image: Image.Image, form: PictureForm) -> tuple[tuple[int, int], int]:
    """Decodes the pixels, at a reduced size where that is enough and possible.

    Returns:
        Width and height of the whole picture as stored, and what it was reduced by.
    """
    full_size, reduction = image.size, 1
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        (left, top, right, bottom), (width, height) = _placement(_swap(full_size, _orientation(image)), form)
        shrinking = min((right - left) / width, (bottom - top) / height)
        wanted = next((r for r in _REDUCTIONS if shrinking >= _LEFT_TO_FILTER * r), 1)
        # draft() does nothing, and returns None, where the pixels are decoded already.
        if wanted > 1 and image.draft(image.mode, (full_size[0] // wanted, full_size[1] // wanted)) is not None:
            reduction = wanted
    image.load()
    return (full_size if reduction > 1 else image.size), reduction  # icons know their size only now


def _placement(full_size: tuple[int, int], form: PictureForm) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """Which part of an upright picture is used, and the size that this part gets.

    Args:
        full_size: Width and height of the picture.
        form: What it is brought to.

    Returns:
        Left, top, right and bottom in pixels of the picture; width and height.
    """
    full_width, full_height = full_size
    height, width = form.size
    if form.crop == "center":
        part_width = max(1, min(full_width, round(full_height * width / height)))
        part_height = max(1, min(full_height, round(full_width * height / width)))
        left, top = (full_width - part_width) // 2, (full_height - part_height) // 2
        return (left, top, left + part_width, top + part_height), (width, height)
    box = (0, 0, full_width, full_height)
    if form.crop == "pad":
        inner_width = max(1, min(width, round(height * full_width / full_height)))
        inner_height = max(1, min(height, round(width * full_height / full_width)))
        return box, (inner_width, inner_height)
    return box, (width, height)


def _swap(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Upright width and height of stored ones, or stored ones of upright ones."""
    return size[::-1] if orientation >= _LYING else size


def _stored_box(
    box: tuple[int, int, int, int], upright_size: tuple[int, int], orientation: int
) -> tuple[int, int, int, int]:
    """Where a part of the upright picture lies in the stored one."""
    left, top, right, bottom = box
    width, height = upright_size
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if orientation >= _LYING else (left, top, right, bottom)


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _convert(image: Image.Image, channels: int, background: str) -> Image.Image:
    """Converts any picture to 8-bit grey, RGB or RGBA; without alpha, it is laid on the background."""
    mode = _MODES[channels]
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode == "F":
        raise UnusableImageError("floating-point pixels have no defined range; save them with 8 or 16 bits instead")
    if image.mode.startswith("I"):
        image = _to_eight_bits(image)
    if image.mode == "La":
        image = image.convert("LA")  # Pillow has no direct way from premultiplied grey
    if image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        if mode != "RGBA":
            image = laid_on(image, _rgb(background))
    elif image.mode not in ("1", "L", "RGB", "RGBA"):
        image = image.convert("RGB")  # Pillow has no direct way from some modes to grey or RGBA
    return image if image.mode == mode else image.convert(mode)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales 16-bit grey, which Pillow's own conversion would clip at 255."""
    deep = np.asarray(image).astype(np.int32)
    if deep.min() < 0 or deep.max() > 65535:  # 32 bits; 16-bit files may be held in 32 bits too
        raise UnusableImageError("32-bit pixels have no defined range; save them with 8 or 16 bits instead")
    grey = Image.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, int):  # the grey value that stands for transparent
        grey.putalpha(Image.fromarray(np.where(deep == key, 0, 255).astype(np.uint8)))
    return grey


def _resample(
    image: Image.Image,
    full_size: tuple[int, int],
    reduction: int,
    box: tuple[int, int, int, int],
    size: tuple[int, int],
) -> Image.Image:
    """Crops an 8-bit picture to a box in pixels of the whole picture, and resizes it to a width and height."""
    left, top, right, bottom = box
    if (right - left, bottom - top) == size:
        return image if size == full_size else image.crop(box)
    reduced_box = (left / reduction, top / reduction, right / reduction, bottom / reduction)
    return image.resize(size, Image.Resampling.LANCZOS, box=reduced_box)  # Pillow multiplies by alpha for this


def _pad(image: Image.Image, size: tuple[int, int], background: str) -> Image.Image:
    """Puts a picture in the middle of one of this width and height."""
    if image.size == size:
        return image
    # Where alpha is kept: black, as resizing leaves all pixels that are wholly transparent.
    fill = (0, 0, 0, 0) if image.mode == "RGBA" else ImageColor.getcolor(background, image.mode)
    canvas = Image.new(image.mode, size, fill)
    canvas.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return canvas


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return red, green, blue
