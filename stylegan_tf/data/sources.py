"""Images in memory from where a user has them: the built-in portraits, a folder, or a NumPy file."""

import concurrent.futures
import dataclasses
import functools
import hashlib
import os
import pathlib
import statistics
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from absl import logging
from PIL import Image

from stylegan_tf.data.decode import convert_image, decode_image, fit_image, read_size

T = TypeVar("T")

BUILT_IN = "portraits"
BUILT_IN_SIZE = 32
MAX_BYTES = 8 * 2**30
MAX_DEFAULT_SIZE = 1024
_PORTRAITS_FILE = pathlib.Path(__file__).with_name("portraits.npz")
_ARRAY_SUFFIXES = (".npy", ".npz")
# fmt: off
_IMAGE_SUFFIXES = frozenset((
    ".apng", ".avif", ".bmp", ".dds", ".dib", ".gif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg",
    ".jpg", ".jpx", ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi", ".ras", ".sgi", ".tga",
    ".tif", ".tiff", ".webp",
))
# fmt: on
_MEDIAN_SAMPLE = 1000  # files whose headers are read to find the median size of a folder


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSet:
    """A set of images of one shape, held in memory.

    Attributes:
        images: uint8, `[N, height, width, channels]`, N at least 1; 1, 3 or 4 channels (grey, RGB, RGBA).
        labels: int32, `[N]`, indices into `label_names`; None for a set without labels.
        label_names: What the labels mean; empty without labels.
        name: Where the images came from, for messages and logs.

    Raises:
        ValueError: an array with another shape or type, or a label without a name.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    name: str = "images"

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if (
            images.dtype != np.uint8
            or images.ndim != 4
            or images.shape[-1] not in (1, 3, 4)
            or 0 in images.shape
        ):
            raise ValueError(
                "images must be uint8 of shape [N, height, width, channels] with N at least 1 and 1, 3 or 4 "
                f"channels. Received: {images.dtype} of shape {images.shape}."
            )
        if labels is None:
            if self.label_names:
                raise ValueError(f"label_names need labels. Received: label_names={self.label_names}.")
            return
        if labels.dtype != np.int32 or labels.shape != (len(images),):
            raise ValueError(
                f"labels must be int32 of shape [{len(images)}], one for each image. "
                f"Received: {labels.dtype} of shape {labels.shape}."
            )
        if labels.min() < 0 or labels.max() >= len(self.label_names):
            raise ValueError(
                f"labels must lie from 0 to {len(self.label_names) - 1}, as there are "
                f"{len(self.label_names)} label_names. Received: {labels.min()} to {labels.max()}."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    @property
    def num_classes(self) -> int:
        """Number of classes, 0 for a set without labels."""
        return len(self.label_names)

    @functools.cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that depend on the images, the labels and their names alone."""
        digest = hashlib.blake2b(digest_size=8)
        digest.update(repr((self.images.shape, self.label_names)).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        if self.labels is not None:
            digest.update(self.labels.astype("<i4").tobytes())
        return digest.hexdigest()


def load_images(
    data: str, *, size: tuple[int, int] | None = None, channels: int | None = None, use_labels: bool = False
) -> ImageSet:
    """Loads images and brings them to one shape: cropped around the centre, resized with antialiasing.

    Args:
        data: One of

            * `"portraits"`, the built-in set: 2,339 emoji portraits of 32x32 in RGB, labelled with their
              drawing style;
            * a folder, searched with its subfolders for files that Pillow reads, in the order of their
              relative paths; names that start with a dot are left out; labels are the first-level subfolders,
              in sorted order;
            * a `.npy` file, uint8 `[N, height, width]` or `[N, height, width, channels]`, or a `.npz` file
              that holds this as `images` and may hold `labels`, `[N]`, and `label_names`.

            A folder that is itself called portraits can be given as `"./portraits"`.
        size: Height and width in pixels. None: the set's own size for the built-in set and arrays,
            `default_size(data, (4, 4))` for a folder.
        channels: 1 (grey), 3 (RGB, alpha laid on white) or 4 (RGBA). None: the array's own number, 3
            otherwise.
        use_labels: Whether the labels are read; without them the set has no classes.

    Returns:
        The images; at most `MAX_BYTES`, as they are held in memory.

    Raises:
        ValueError: nothing to read at `data`, a file that is no image, labels asked for where there are none,
            a set too large for memory, or an impossible size.
    """
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ValueError(f"size must be a height and a width, both above 0. Received: size={size}.")
    if channels not in (None, 1, 3, 4):
        raise ValueError(f"channels must be 1 (grey), 3 (RGB) or 4 (RGBA). Received: channels={channels}.")
    path = _resolve(data)
    if path.is_dir():
        image_set = _load_folder(path, data, size or default_size(data, (4, 4)), channels or 3, use_labels)
    else:
        image_set = _fit_set(_read_arrays(path, data, use_labels), size, channels)
    logging.info(
        "%s: %d images of %s, %d classes", data, len(image_set), image_set.image_shape, image_set.num_classes
    )
    return image_set


def default_size(data: str, base_size: tuple[int, int]) -> tuple[int, int]:
    """Picks a size to train at: the largest `base_size * 2^n` not above the median image.

    The median is taken over heights and widths apart. Of a folder with more than a thousand images, a
    thousand at equal distances are looked at.

    Args:
        data: As in `load_images`.
        base_size: Height and width of the generator's first block, such as (4, 4), (7, 7) or (4, 6).

    Returns:
        Height and width; the longer side is at most 1024. `base_size` itself where the images are smaller
        than that.

    Raises:
        ValueError: nothing to read at `data`, or a base size that is not positive.
    """
    if len(base_size) != 2 or min(base_size) < 1:
        raise ValueError(
            f"base_size must be a height and a width, both above 0. Received: base_size={base_size}."
        )
    path = _resolve(data)
    if path.is_dir():
        files = _list_images(path, data)
        step = -(-len(files) // _MEDIAN_SAMPLE)
        sizes = [_checked(read_size, file) for file in files[::step]]
        limit = tuple(statistics.median_low(side) for side in zip(*sizes, strict=True))
    else:
        limit = _read_arrays(path, data, use_labels=False).image_shape[:2]
    height, width = base_size
    while 2 * height <= limit[0] and 2 * width <= limit[1] and 2 * max(height, width) <= MAX_DEFAULT_SIZE:
        height, width = 2 * height, 2 * width
    return height, width


def _resolve(data: str) -> pathlib.Path:
    """Turns the user's word for a data set into an existing folder or array file."""
    if data == BUILT_IN:
        return _PORTRAITS_FILE
    path = pathlib.Path(data).expanduser()
    if not data or not path.exists():
        raise ValueError(
            f"data must be {BUILT_IN!r} (the built-in set), a folder of images, or a .npy or .npz file; "
            f"nothing was found there. Received: data={data!r}."
        )
    if not path.is_dir() and path.suffix.lower() not in _ARRAY_SUFFIXES:
        raise ValueError(
            "data must be a folder, not one file, unless it is a .npy or .npz file; give the folder that "
            f"holds the images. Received: data={data!r}."
        )
    return path


def _checked(read: Callable[[pathlib.Path], T], file: pathlib.Path) -> T:
    """Calls `read(file)` and turns whatever Pillow raises on a broken file into one error that names it."""
    try:
        return read(file)
    except Exception as error:  # Pillow's readers raise nearly every type there is
        raise ValueError(
            f"An image could not be read. Repair or remove the file. "
            f"Received: {file} ({type(error).__name__}: {error})."
        ) from error


def _list_images(folder: pathlib.Path, data: str) -> list[pathlib.Path]:
    """Lists a folder's image files, links followed, in the order of their relative paths."""
    files = []
    visited: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:  # a link back, or a second way to the same folder
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [pathlib.Path(parent, name) for name in names if not name.startswith(".")]
    images = [file for file in files if file.suffix.lower() in _IMAGE_SUFFIXES]
    if not images:
        raise ValueError(
            f"The folder must hold images (.png, .jpg, .webp and others that Pillow reads), in itself or in "
            f"subfolders; none was found among {len(files)} files. Received: data={data!r}."
        )
    return sorted(images, key=lambda file: file.relative_to(folder).as_posix())


def _folder_labels(
    files: list[pathlib.Path], folder: pathlib.Path, data: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels images with their first-level subfolder."""
    parts = [file.relative_to(folder).parts for file in files]
    outside = next((part[0] for part in parts if len(part) == 1), None)
    if outside is not None:
        raise ValueError(
            "With labels, each image must lie in a subfolder named after its class, as in cats/1.png; "
            f"{outside!r} lies in none. Sort the images into subfolders or train without labels. "
            f"Received: data={data!r}."
        )
    names = sorted({part[0] for part in parts})
    index = {name: label for label, name in enumerate(names)}
    return np.array([index[part[0]] for part in parts], np.int32), tuple(names)


def _check_memory(data: str, count: int, size: tuple[int, int], channels: int) -> None:
    needed = count * size[0] * size[1] * channels
    if needed > MAX_BYTES:
        raise ValueError(
            f"Images are held in memory, at most {MAX_BYTES / 2**30:g} GiB; {count:,} images of "
            f"{size[0]}x{size[1]} with {channels} channels need {needed / 2**30:.1f} GiB. Use a smaller "
            f"resolution or fewer images. Received: data={data!r}."
        )


def _load_folder(
    folder: pathlib.Path, data: str, size: tuple[int, int], channels: int, use_labels: bool
) -> ImageSet:
    """Decodes a folder's images in threads (Pillow releases Python's lock while it decodes)."""
    files = _list_images(folder, data)
    labels, label_names = _folder_labels(files, folder, data) if use_labels else (None, ())
    _check_memory(data, len(files), size, channels)
    images = np.empty((len(files), *size, channels), np.uint8)

    def read(index: int) -> None:
        decode = functools.partial(decode_image, size=size, channels=channels)
        images[index] = _checked(decode, files[index])

    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.map(read, range(len(files))), start=1):
            logging.log_every_n_seconds(logging.INFO, "%s: read %d of %d images", 10, data, done, len(files))
    return ImageSet(images, labels, label_names, data)


def _read_arrays(path: pathlib.Path, data: str, use_labels: bool) -> ImageSet:
    """Reads a .npy or .npz file; pickled objects are refused."""
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {"images": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except Exception as error:  # a damaged archive raises as many types as a damaged image
        raise ValueError(f"An array file could not be read: {path} ({error}).") from error
    if "images" not in arrays:
        raise ValueError(f"A .npz file must hold an array 'images'. Received: {path} with {sorted(arrays)}.")
    images = arrays["images"]
    if use_labels:
        if "labels" not in arrays:
            raise ValueError(
                f"With labels, the file must be a .npz that holds an array 'labels'. Received: {path} with "
                f"{sorted(arrays)}."
            )
        labels = np.asarray(arrays["labels"], np.int32)
        classes = int(labels.max(initial=-1)) + 1
        label_names = tuple(str(name) for name in arrays.get("label_names", range(classes)))
    return ImageSet(images[..., None] if images.ndim == 3 else images, labels, label_names, data)


def _fit_set(image_set: ImageSet, size: tuple[int, int] | None, channels: int | None) -> ImageSet:
    """Brings the images of an array to a size and number of channels."""
    own = image_set.image_shape
    size, channels = size or own[:2], channels or own[2]
    if (*size, channels) == own:
        return image_set
    _check_memory(image_set.name, len(image_set), size, channels)
    images = np.empty((len(image_set), *size, channels), np.uint8)
    for index, array in enumerate(image_set.images):
        image = convert_image(Image.fromarray(array.squeeze(-1) if own[2] == 1 else array), channels)
        images[index] = np.asarray(fit_image(image, size)).reshape(*size, channels)
    return dataclasses.replace(image_set, images=images)
