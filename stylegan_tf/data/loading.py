"""From what a user calls data to a set of images: prepared, read into memory, or prepared once into the cache."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import shlex
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stylegan_tf.configuration.resolutions import count_levels
from stylegan_tf.data import workers
from stylegan_tf.data.advice import form_notes
from stylegan_tf.data.decode import CROPS, PictureForm, to_pixels, upright_size
from stylegan_tf.data.image_file import reason
from stylegan_tf.data.image_set import CHANNELS, MAX_HALVINGS, ArrayImageSet, ImageSet, halved_sizes
from stylegan_tf.data.prepare import prepare
from stylegan_tf.data.prepared import MANIFEST, DamagedSetError, PreparedImageSet, is_prepared, level_folder
from stylegan_tf.data.prepared_source import PreparedSource
from stylegan_tf.data.sources.base import Item, Source, digest, in_batches, spread_items
from stylegan_tf.data.sources.find import open_source
from stylegan_tf.data.sources.labels import classes_notes
from stylegan_tf.data.unreadable import ON_ERROR, unreadable_error
from stylegan_tf.errors import UserError
from stylegan_tf.files import expanded
from stylegan_tf.invocation import command
from stylegan_tf.progress import counted

MAX_DEFAULT_SIZE = 1024
# Sets above this are prepared into the cache, smaller ones are read into memory whenever they are needed.
MEMORY_LIMIT = 2**28

_MEDIAN_SAMPLE = 1000  # pictures whose headers are read to find the median size
_READ_AT_ONCE = 64


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """What is read, and what pictures become.

    Attributes:
        data: A source, see `stylegan_tf.data.sources.find`, or the directory of a prepared set.
        size: Height and width; None for what fits the data, see `default_size`.
        base_size: Height and width of the smallest size of the growing schedule.
        channels: 1, 3 or 4; 0 for what the data has: 3 where pictures may differ.
        use_labels: Whether folders are classes, and an error where there are no labels.
        crop, background: As in `PictureForm`.
        on_error: "fail" or "skip", what becomes of pictures that cannot be read.
        cache_dir: Where large sets are prepared; empty for `default_cache`.
    """

    data: str
    size: tuple[int, int] | None = None
    base_size: tuple[int, int] = (4, 4)
    channels: int = 0
    use_labels: bool = False
    crop: str = "center"
    background: str = "white"
    on_error: str = "fail"
    cache_dir: str = ""

    def __post_init__(self) -> None:
        for name, pair in (("size", self.size), ("base_size", self.base_size)):
            if pair is not None and (len(pair) != 2 or min(pair) < 1):
                raise UserError(f"{name} must be a height and a width, both above 0. Received: {name}={pair}.")
        if self.channels not in (0, *CHANNELS):
            raise UserError(
                "channels must be 1 (grey), 3 (RGB), 4 (RGBA), or 0 for what the data has. "
                f"Received: channels={self.channels}."
            )
        for name, choices in (("crop", CROPS), ("on_error", ON_ERROR)):
            if getattr(self, name) not in choices:
                raise UserError(f"{name} must be one of {', '.join(choices)}. Received: {name}={getattr(self, name)}.")


class UnreadImageSet(ImageSet):
    """What is known of a set before it is prepared: everything but its images."""

    def __init__(self, source: Source, form: PictureForm, directory: Path) -> None:
        self.name = source.name
        self.sizes = halved_sizes(form.size)
        self.channels = form.channels
        self.label_names, self.label_notes = source.label_names, source.label_notes
        self.directory = directory
        self._count = len(source)

    def __len__(self) -> int:
        return self._count

    @property
    def fingerprint(self) -> str:
        """Not known yet, an empty string."""
        return ""

    @property
    def labels_fingerprint(self) -> str:
        """Not known yet, an empty string."""
        return ""

    def read(self, halvings: int, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Raises NotImplementedError."""
        raise NotImplementedError("the set is not prepared yet")


def load_image_set(
    settings: DataSettings,
    *,
    prepare_large: bool = True,
    max_workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    with_notes: bool = False,
) -> ImageSet:
    """Finds the images and makes them ready to be read in any order.

    A prepared set is opened as it is. Anything else is read into memory where that takes less than `MEMORY_LIMIT`, and
    is prepared into the cache otherwise, which is done once: the next call finds it there, unless files have changed.

    Args:
        settings: What is read.
        prepare_large: Whether a set for the cache is prepared now; an `UnreadImageSet` is returned otherwise.
        max_workers: Number of processes that prepare; None for one for each core.
        progress: Called now and then with the numbers of pictures that are done and of all.
        with_notes: Whether the set gets its `form_notes`, for which some pictures are opened once more.

    Raises:
        ValueError: Nothing to read, or no pictures; pictures that cannot be read; a prepared set that does not fit the
            settings; labels asked for where there are none.
        OSError: The cache cannot be written.
    """
    if is_prepared(settings.data):
        return _open_prepared(settings)
    source = open_source(settings.data, use_labels=settings.use_labels)
    form = resolve_form(settings, source)
    image_set = _load(settings, source, form, prepare_large, max_workers, progress)
    image_set.ignored = source.ignored
    if with_notes:
        image_set.form_notes = _left_out(len(source) - len(image_set)) + form_notes(source, form)
    return image_set


def _left_out(count: int) -> tuple[str, ...]:
    return (
        (f"{counted(count, 'picture')} could not be read and {'is' if count == 1 else 'are'} left out",)
        if count
        else ()
    )


def _load(
    settings: DataSettings,
    source: Source,
    form: PictureForm,
    prepare_large: bool,
    max_workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> ImageSet:
    num_levels = count_levels(form.size, settings.base_size)
    height, width = form.size
    if len(source) * height * width * form.channels <= MEMORY_LIMIT:
        return read_into_memory(source, form, settings.on_error, progress)
    directory = cache_directory(settings, source, form)
    if not prepare_large and not (directory / MANIFEST).is_file():
        return UnreadImageSet(source, form, directory)

    def prepare_here() -> PreparedImageSet:
        image_set = prepare(
            source, directory, form, num_levels, on_error=settings.on_error, max_workers=max_workers, progress=progress
        )
        image_set.label_notes = source.label_notes + image_set.label_notes
        return image_set

    try:
        return prepare_here()
    except DamagedSetError:  # cleaned up by somebody, say; what lies in the cache can be made again
        shutil.rmtree(directory)
        return prepare_here()


def find_source(data: str, *, use_labels: bool = False) -> Source:
    """The source that `data` names; prepared sets are sources too."""
    return PreparedSource(PreparedImageSet(data)) if is_prepared(data) else open_source(data, use_labels=use_labels)


def resolve_form(settings: DataSettings, source: Source) -> PictureForm:
    """What the pictures of a source become: size and channels that the settings leave open are chosen."""
    size = settings.size or default_size(source, settings.base_size)
    channels = settings.channels or source.channels or 3
    return PictureForm(size, channels, settings.crop, settings.background)


def default_size(source: Source, base_size: tuple[int, int]) -> tuple[int, int]:
    """Picks a size to train at: the largest `base_size * 2^n`, n at most 8, not above the median picture.

    The median is taken over heights and widths apart. Of a source with more than a thousand pictures, a thousand at
    equal distances are looked at, or the first thousand where only those come quickly. Broken ones are passed over.

    Args:
        source: The pictures.
        base_size: Height and width of the smallest size of the growing schedule, such as (4, 4), (7, 7) or (4, 6).

    Returns:
        Height and width; the longer side is at most 1024. `base_size` itself where the pictures are smaller than that.

    Raises:
        ValueError: None of the pictures could be opened.
    """
    sizes, failures = [], []
    for item in spread_items(source, _MEDIAN_SAMPLE):
        try:
            with item.open() as picture:
                sizes.append(upright_size(picture))
        except Exception as error:  # Pillow's readers raise nearly every type there is
            failures.append((item.name, reason(error)))
    if not sizes:
        advice = "repair or remove them, or give a --resolution, which is chosen by their sizes otherwise"
        raise unreadable_error(failures, len(source), _all_listed(source), advice)
    limit = [statistics.median_low(side) for side in zip(*sizes, strict=True)]
    height, width = base_size
    for _ in range(MAX_HALVINGS):
        if 2 * height > limit[0] or 2 * width > limit[1] or 2 * max(height, width) > MAX_DEFAULT_SIZE:
            break
        height, width = 2 * height, 2 * width
    return height, width


def read_into_memory(
    source: Source, form: PictureForm, on_error: str = "fail", progress: Callable[[int, int], None] | None = None
) -> ArrayImageSet:
    """Decodes all pictures of a source, in threads (Pillow lets go of Python's lock while it decodes).

    Raises:
        ValueError: Pictures could not be read, with on_error "fail"; or none could be.
    """
    images = np.empty((len(source), *form.size, form.channels), np.uint8)
    labels = np.empty(len(source), np.int32)
    failures: list[tuple[str, str]] = []
    count = done = 0

    def read(item: Item) -> np.ndarray | str:
        try:
            with item.open() as picture:
                return to_pixels(picture, form)
        except Exception as error:  # Pillow's readers raise nearly every type there is
            return reason(error)

    with concurrent.futures.ThreadPoolExecutor(min(8, workers.core_count())) as pool:
        for batch in in_batches(source.items(), _READ_AT_ONCE, workers.IN_FLIGHT_BYTES):
            for item, pixels in zip(batch, pool.map(read, batch), strict=True):
                if isinstance(pixels, str):
                    failures.append((item.name, pixels))
                else:
                    images[count], labels[count] = pixels, item.label
                    count += 1
            done += len(batch)
            if progress is not None:
                progress(done, len(source))
    if failures and (on_error == "fail" or not count):
        raise unreadable_error(failures, len(source), _all_listed(source))
    label_names = source.label_names
    image_set = ArrayImageSet(images[:count], labels[:count] if label_names else None, label_names, source.name)
    counts = np.bincount(labels[:count], minlength=len(label_names)).tolist() if label_names else []
    image_set.label_notes = source.label_notes + classes_notes(list(zip(label_names, counts, strict=True)))
    return image_set


def default_cache() -> Path:
    """`stylegan_tf` in the user's cache directory: $XDG_CACHE_HOME, or ~/.cache.

    Raises:
        ValueError: Neither is known.
    """
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if folder.startswith("~"):
        raise UserError(
            "A cache needs a directory: give --cache_dir, or set HOME or XDG_CACHE_HOME. Received: none of them."
        )
    return Path(folder) / "stylegan_tf"


def cache_folder(cache_dir: str) -> Path:
    """The folder that a setting names; empty for `default_cache`."""
    return expanded(cache_dir) if cache_dir else default_cache()


def cache_directory(settings: DataSettings, source: Source, form: PictureForm) -> Path:
    """Where a source is prepared: a name of its own for each content and each form that it may get."""
    # Words of the first version, so that what it prepared is found.
    words = (
        f"Conversion(size={form.size}, channels={form.channels}, crop={form.crop!r}, background={form.background!r})"
    )
    key = digest([source.signature(), repr(source.label_names), words, repr(settings.base_size)])
    return cache_folder(settings.cache_dir) / key


def _open_prepared(settings: DataSettings) -> PreparedImageSet:
    image_set = PreparedImageSet(settings.data, settings.size)
    if settings.base_size not in image_set.sizes:
        raise UserError(
            f"The prepared set must hold the base size {level_folder(settings.base_size)}; it holds "
            f"{', '.join(map(level_folder, image_set.sizes))}. Choose another --base_size, or prepare it again with "
            f"this one. Received: {settings.data}."
        )
    if settings.channels not in (0, image_set.channels):
        raise UserError(
            f"The set was prepared with {counted(image_set.channels, 'channel')}; leave --channels out, or prepare it "
            f"again. Received: channels={settings.channels}."
        )
    if settings.use_labels and not image_set.label_names:
        raise UserError(
            "The set was prepared without labels; prepare it again with --use_labels, or train without. "
            f"Received: {settings.data}."
        )
    return image_set


def _all_listed(source: Source) -> str:
    words = command(f"dataset inspect {shlex.quote(source.name)}")
    return f"{words} lists them"
