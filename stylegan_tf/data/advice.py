"""What a look at some pictures tells before a training: what they lose on their way, and what they cannot teach."""

from __future__ import annotations

import math
import statistics

import numpy as np

from stylegan_tf.data.decode import PictureForm, upright_size
from stylegan_tf.data.image_set import ImageSet
from stylegan_tf.data.sources.base import Source, spread_items
from stylegan_tf.progress import counted

_LOOKED_AT = 64  # pictures
_MUCH_CUT = 0.2  # of the area of a picture
_MUCH_ENLARGED = 1.25  # times its height and width
_LARGEST_BASE = 8  # pixels
_SAME_SHAPE = 0.03  # between logarithms of height over width
_MOST = 0.9  # of the pictures
_FEW = 5000  # pictures
_OFTEN = 100  # times that each is shown


def form_notes(source: Source, form: PictureForm) -> tuple[str, ...]:
    """Whether much of the pictures is cut off, or they are enlarged; by the headers of some.

    Args:
        source: The pictures; those that cannot be opened are passed over.
        form: What they become.
    """
    sizes = []
    for item in spread_items(source, _LOOKED_AT):
        try:
            with item.open() as picture:
                sizes.append(upright_size(picture))
        except Exception:  # Pillow's readers raise nearly every type there is; whoever reads the picture tells
            continue
    if not sizes:
        return ()
    typical = sorted(sizes, key=lambda size: _share_cut(size, form))[len(sizes) // 2]
    notes = []
    if _share_cut(typical, form) >= _MUCH_CUT:
        alike = sum(abs(math.log(h / w * typical[1] / typical[0])) < _SAME_SHAPE for h, w in sizes)
        base = _base_of_shape(typical) if alike >= _MOST * len(sizes) else None
        keeps = f", --base_size={_text(base)} --resolution={_text(_grown(base, form))} keeps its shape" if base else ""
        notes.append(
            f"cropping cuts off {_share_cut(typical, form):.0%} of a typical picture ({typical[0]} pixels high, "
            f"{typical[1]} wide): --crop=pad adds margins instead{keeps}"
        )
    enlarged = statistics.median(_enlargement(size, form) for size in sizes) >= _MUCH_ENLARGED
    if enlarged and min(form.size) > 2 * _LARGEST_BASE:
        middle = sorted(sizes, key=lambda size: _enlargement(size, form))[len(sizes) // 2]
        notes.append(
            f"pictures are enlarged to {_text(form.size)}: a typical one is {middle[0]} pixels high and {middle[1]} "
            "wide, and a smaller --resolution would show as much"
        )
    return tuple(notes)


def set_notes(image_set: ImageSet) -> tuple[str, ...]:
    """Whether there is only one picture, or no colour in pictures that are read as colour.

    Args:
        image_set: Whose images can be read.
    """
    notes = []
    if len(image_set) == 1:
        notes.append("there is one picture: all that networks can learn is to copy it")
    if image_set.channels != 1 and _all_grey(image_set):
        alpha = " (and alpha)" if image_set.channels == 4 else ""
        notes.append(f"the pictures are grey and read as RGB{alpha}: --channels=1 trains on one channel")
    return tuple(notes)


def repetition_notes(count: int, mirror: bool, total_images: int) -> tuple[str, ...]:
    """Whether a training without augmentation shows so few pictures so often that its critic learns them by heart.

    The fewer there are, the sooner that happens (Karras et al. 2020, "Training Generative Adversarial Networks with
    Limited Data", Figure 1). In docs/results.md it had begun where 260 were shown 119 times each, and not where 2,339
    were shown 13 times.

    Args:
        count: Number of pictures.
        mirror: Whether half of them are shown mirrored, which makes them twice as many.
        total_images: Number of images that the whole training shows.
    """
    different = 2 * count if mirror else count
    if count == 1 or different >= _FEW or total_images <= _OFTEN * different:
        return ()
    each = "each" if not mirror else "each of them and of their mirror images"
    return (
        f"{counted(count, 'picture')}, {each} shown {total_images / different:,.0f} times: the critic learns so few by "
        "heart, and images get worse then; --augment=adaptive (presets tiny-stylegan2-ada and stylegan2-ada) holds it "
        "back, or with any loss --augment=diffaugment",
    )


def _all_grey(image_set: ImageSet) -> bool:
    places = np.unique(np.linspace(0, len(image_set) - 1, _LOOKED_AT).astype(np.int64))
    images, _ = image_set.read(0, places)
    return bool(np.all(images[..., :1] == images[..., 1:3]))


def _share_cut(size: tuple[int, int], form: PictureForm) -> float:
    """The part of a picture's area that is not shown, in [0, 1)."""
    if form.crop != "center":
        return 0.0
    shape, wanted = size[0] / size[1], form.size[0] / form.size[1]
    return 1.0 - min(shape, wanted) / max(shape, wanted)


def _enlargement(size: tuple[int, int], form: PictureForm) -> float:
    """By which a picture's height and width are multiplied, at least one of them."""
    factors = [wanted / side for wanted, side in zip(form.size, size, strict=True)]
    return max(factors) if form.crop == "center" else min(factors)


def _base_of_shape(size: tuple[int, int]) -> tuple[int, int] | None:
    """The smallest base size of nearly this shape; None where there is none."""
    sides = range(4, _LARGEST_BASE + 1)
    shape = size[0] / size[1]
    near = [(h, w) for h in sides for w in sides if abs(math.log(h / w / shape)) < _SAME_SHAPE]
    return min(near, key=math.prod, default=None)


def _grown(base: tuple[int, int], form: PictureForm) -> tuple[int, int]:
    """The base doubled until it is about as large as a form."""
    height, width = base
    while 2 * max(height, width) <= 1.5 * max(form.size):
        height, width = 2 * height, 2 * width
    return height, width


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
