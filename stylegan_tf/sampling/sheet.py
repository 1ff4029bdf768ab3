"""Sheets of images with captions on their margins."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stylegan_tf.images import enlarge
from stylegan_tf.pictures import as_picture

SMALLEST_CELL = 96  # pixels; smaller images are enlarged

_SMALLEST_FONT = 12
_CELL_TO_FONT = 20
_INK = 70


def readable_scale(size: tuple[int, int], smallest: int = SMALLEST_CELL) -> int:
    """The factor that makes the shorter side of an image at least `smallest` pixels; 1 when it is already."""
    return max(1, math.ceil(smallest / min(size)))


def sheet(
    cells: np.ndarray,
    row_captions: Sequence[str] = (),
    column_captions: Sequence[str] = (),
    cell_captions: Sequence[str] = (),
    corner: str = "",
    scale: int | None = None,
) -> np.ndarray:
    """Lays out images on white, with captions.

    Args:
        cells: uint8 [rows, columns, H, W, channels] with 1, 3 or 4 channels.
        row_captions: Left of the rows; they may have several lines.
        column_captions: Above the columns; they may have several lines and are shortened to the width of a cell.
        cell_captions: Below the cells, row by row, likewise; there may be fewer than cells.
        corner: Text in the first cell, left out where it does not fit.
        scale: Factor by which images are enlarged; None for one that makes small images readable.

    Returns:
        uint8 [height, width, channels].
    """
    rows, columns, height, width, channels = cells.shape
    factor = readable_scale((height, width)) if scale is None else scale
    height, width = height * factor, width * factor
    font_size = max(_SMALLEST_FONT, min(height, width) // _CELL_TO_FONT)
    font = ImageFont.load_default(font_size)
    line, gap = round(font_size * 1.3), max(2, font_size // 3)
    left = max((_text_width(font, caption) for caption in row_captions), default=-2 * gap) + 2 * gap
    top = line * _most_lines(column_captions) + 2 * gap * bool(column_captions)
    below = line * _most_lines(cell_captions) + gap * bool(cell_captions)

    def corner_of(row: int, column: int) -> tuple[int, int]:
        return top + row * (height + below + gap), left + column * (width + gap)

    bottom, right = corner_of(rows, columns)
    canvas = np.full((bottom - gap, right - gap, channels), 255, np.uint8)
    for row in range(rows):
        for column, image in enumerate(enlarge(cells[row], factor)):
            y, x = corner_of(row, column)
            canvas[y : y + height, x : x + width] = image

    picture = as_picture(canvas)
    draw = ImageDraw.Draw(picture)

    ink = _INK if channels == 1 else (_INK, _INK, _INK, 255)[:channels]

    def write(x: float, y: float, text: str, anchor: str, align: str = "center") -> None:
        draw.text((x, y), text, fill=ink, font=font, anchor=anchor, align=align, spacing=line - font_size)

    for row, caption in enumerate(row_captions):
        write(left - gap, corner_of(row, 0)[0] + height / 2, caption, "rm", "right")
    for column, caption in enumerate(column_captions):
        write(corner_of(0, column)[1] + width / 2, gap, _fitted(font, caption, width), "ma")
    for index, caption in enumerate(cell_captions):
        y, x = corner_of(index // columns, index % columns)
        write(x + width / 2, y + height + below / 2, _fitted(font, caption, width), "mm")
    if _text_width(font, corner) <= width and line * _most_lines([corner]) <= height:
        y, x = corner_of(0, 0)
        write(x + width / 2, y + height / 2, corner, "mm")
    return _pixels(picture)


def _most_lines(captions: Sequence[str]) -> int:
    return max((caption.count("\n") + 1 for caption in captions), default=0)


def _text_width(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> int:
    return max(math.ceil(font.getlength(part)) for part in text.split("\n"))


def _fitted(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str, width: int) -> str:
    """The text, shortened with an ellipsis where it is too wide; several lines each for themselves."""

    def fit(part: str) -> str:
        if font.getlength(part) <= width:
            return part
        while part and font.getlength(part + "…") > width:
            part = part[:-1]
        return part + "…"

    return "\n".join(fit(part) for part in text.split("\n"))


def _pixels(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
