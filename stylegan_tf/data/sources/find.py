"""Finds out what a user's word for a data set is, by looking at what is there."""

from __future__ import annotations

import collections
import gzip
import os
import zipfile
import zlib
from collections.abc import Iterable

from PIL import Image

from stylegan_tf.data.sources.arrays import BUILT_IN, open_npy, open_npz, open_portraits
from stylegan_tf.data.sources.base import Source
from stylegan_tf.data.sources.folder import FolderSource
from stylegan_tf.data.sources.idx import find_image_files, is_idx, open_idx_file, open_idx_folder
from stylegan_tf.data.sources.keras_sets import PREFIX as KERAS_PREFIX
from stylegan_tf.data.sources.keras_sets import open_keras_set
from stylegan_tf.data.sources.listing import is_image_name, is_left_out, kind_of_other, needs_extra
from stylegan_tf.data.sources.original_records import OriginalRecordsSource, find_record_file, is_records
from stylegan_tf.data.sources.tar_archive import TarSource, find_compression, is_tar
from stylegan_tf.data.sources.tfds_sets import PREFIX as TFDS_PREFIX
from stylegan_tf.data.sources.tfds_sets import TfdsSource
from stylegan_tf.data.sources.zip_archive import ZipSource
from stylegan_tf.errors import UserError

_UNDERSTOOD = (
    f"{BUILT_IN!r} (the built-in set), a folder of images, a zip or tar archive of them, a .npy or .npz file, idx "
    "files (the format of MNIST), TFRecords of the original StyleGAN (NAME-r*.tfrecords), keras:NAME, or tfds:NAME"
)


def open_source(data: str, *, use_labels: bool = False) -> Source:
    """Opens a data set of any kind that is understood. Files are recognised by their contents, not by their names.

    Args:
        data: One of

            * `"portraits"`, the built-in set: 2,339 emoji portraits of 32x32 in RGB, labelled with their drawing
              style. A folder that is itself called so can be given as `"./portraits"`;
            * a folder, searched with its subfolders for files that Pillow reads, in the order of their relative
              paths; names that start with a dot are left out;
            * a zip archive or a tar archive (plain, .gz, .bz2 or .xz), read in the same way without being unpacked;
            * a `.npy` file, uint8 `[N, height, width]` or `[N, height, width, channels]` (or with the channels
              first), or uint16 and grey, or a `.npz` file that holds this as `images` and may hold `labels`, `[N]`,
              and `label_names`;
            * a file in the idx format, or a folder with a training and a test set in it;
            * a folder with the TFRecords of the original StyleGAN or ProGAN, of which the highest resolution is
              taken, or one such file;
            * `"keras:mnist"`, `"keras:fashion_mnist"` or `"keras:cifar10"`: the training split;
            * `"tfds:NAME"`, `"tfds:NAME/CONFIG"`, each with or without `":SPLIT"`: a data set of TensorFlow Datasets.
        use_labels: Whether labels are needed. Those that are written somewhere (arrays, label files, a dataset.json
            in a folder or an archive) are taken anyway, where they can be classes. If this is set, folders become
            classes where there is no dataset.json, and a source that has nothing to make labels of is an error.

    Returns:
        The source; nothing is decoded yet.

    Raises:
        ValueError: Nothing that can be understood, something damaged, or labels that cannot be had.
        ImportError: TensorFlow Datasets was asked for and is not installed.
    """
    if data == BUILT_IN:
        return open_portraits()
    if data.startswith(KERAS_PREFIX):
        return open_keras_set(data)
    if data.startswith(TFDS_PREFIX):
        return TfdsSource(data, use_labels=use_labels)
    path = os.path.expanduser(data)
    if data and os.path.isdir(path):
        return _open_folder(data, path, use_labels)
    if data and os.path.isfile(path):
        return _open_file(data, path, use_labels)
    raise UserError(f"data must be {_UNDERSTOOD}; nothing was found there. Received: data={data!r}.")


def _open_folder(data: str, folder: str, use_labels: bool) -> Source:
    try:
        with os.scandir(folder) as entries:
            names, images = _matter(entry.name for entry in entries)
    except OSError as error:
        raise UserError(f"The folder cannot be read ({error}). Received: data={data!r}.") from error
    names = [name for name in names if os.path.isfile(os.path.join(folder, name))]
    record_file = find_record_file(names, data)
    if record_file is not None:
        records = OriginalRecordsSource(data, os.path.join(folder, record_file), use_labels=use_labels)
        records.ignored = images
        return records
    idx_files = find_image_files(names)
    if idx_files:
        idx = open_idx_folder(data, folder, idx_files, use_labels=use_labels)
        idx.ignored = images
        return idx
    return FolderSource(data, folder, use_labels=use_labels)


def _matter(names: Iterable[str]) -> tuple[list[str], collections.Counter[str]]:
    """Names of a folder that could be records or idx files, and the numbers of pictures, which may be millions."""
    kept: list[str] = []
    images = collections.Counter[str]()
    for name in names:
        if "idx3" in name or name.endswith(".tfrecords"):
            kept.append(name)
        elif (is_image_name(name) or needs_extra(name)) and not is_left_out(name):
            images[kind_of_other(name)] += 1
    return kept, images


def _open_file(data: str, path: str, use_labels: bool) -> Source:
    try:
        with open(path, "rb") as file:
            header = file.read(512)
    except OSError as error:
        raise UserError(f"The file cannot be read ({error}). Received: data={data!r}.") from error
    if header.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if _holds_arrays(path, header):
            return open_npz(data, path, use_labels=use_labels)
        return ZipSource(data, path, use_labels=use_labels)
    if header.startswith(b"\x93NUMPY"):
        return open_npy(data, path, use_labels=use_labels)
    if is_records(header):
        return OriginalRecordsSource(data, path, use_labels=use_labels)
    if is_idx(_unpacked_header(path) if find_compression(header) == "gz" else header):
        return open_idx_file(data, path, use_labels=use_labels)
    if header and is_tar(path):
        return TarSource(data, path, use_labels=use_labels)
    if _is_image(path):
        raise UserError(
            "data must be a folder or an archive, not one image file; give the folder that holds the images. "
            f"Received: data={data!r}."
        )
    raise UserError(f"data must be {_UNDERSTOOD}; this file is none of them, or damaged. Received: data={data!r}.")


def _holds_arrays(path: str, header: bytes) -> bool:
    """Whether a zip archive is what numpy.savez writes."""
    first_name = header[30 : 30 + int.from_bytes(header[26:28], "little")]
    if not first_name.endswith(b".npy"):  # spares the directory of an archive of a million images
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # a damaged archive raises many types; whoever reads it then says so
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def _unpacked_header(path: str) -> bytes:
    try:
        with gzip.open(path, "rb") as file:
            return file.read(4)
    except (OSError, EOFError, zlib.error):
        return b""


def _is_image(path: str) -> bool:
    if is_image_name(path) or needs_extra(path):
        return True
    try:
        with Image.open(path):
            return True
    except Exception:  # Pillow's readers raise nearly every type there is
        return False
