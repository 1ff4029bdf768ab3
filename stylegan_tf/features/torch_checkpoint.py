"""Reads the tensors of a PyTorch checkpoint with NumPy alone, and without running anything it holds.

`torch.save` has written two layouts. Since PyTorch 1.6 it is a zip archive: NAME/data.pkl holds the object, and each
storage is a file NAME/data/KEY of raw elements. Before, it was one file: four pickles (magic number, protocol version,
system information, the object), a pickled list of storage keys, then each storage as an int64 element count followed by
that many raw elements.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Mapping
from typing import IO

import numpy as np

from stylegan_tf.errors import UserError
from stylegan_tf.pickles.machine import mapped
from stylegan_tf.pickles.tensors import Storage, TensorView, as_tensor, read_header, read_storage, unpickle
from stylegan_tf.zip_files import ArchiveError, check_total, opened_zip, read_member

_LARGEST_TABLE = 1 << 26  # bytes
_MOST_UNPACKED = 16  # times an archive's size; torch.save does not even compress


def read_torch_checkpoint(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads a table of tensors that `torch.save` wrote.

    Args:
        path: The checkpoint, usually a `.pth` file that holds a `state_dict`.

    Returns:
        Tensor name -> array, read-only, in the file's order, with the file's shapes and types.

    Raises:
        ValueError: The file is in another format, such as TorchScript's, damaged, or cut short; it refers to anything
            but dictionaries and tensors, or its numbers are of a type that NumPy does not have.
    """
    if zipfile.is_zipfile(path):
        return _read_archive(path)
    with mapped(path) as file:
        return _read_single_file(file, os.fspath(path))


def _read_archive(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    try:
        with opened_zip(path) as archive:
            check_total(archive, _MOST_UNPACKED * os.path.getsize(path))
            folder = _checked_folder(archive, os.fspath(path))
            table_bytes = read_member(archive, archive.getinfo(f"{folder}/data.pkl"), _LARGEST_TABLE)
            table = _tensor_table(unpickle(io.BytesIO(table_bytes)))
            return _tensors(table, lambda storage: _read_member(archive, f"{folder}/data/{storage.key}", storage))
    except ArchiveError as error:
        raise UserError(f"The checkpoint is damaged: {error}. Received: {os.fspath(path)!r}.") from None


def _checked_folder(archive: zipfile.ZipFile, path: str) -> str:
    """The folder that everything in a checkpoint's archive is in."""
    names = set(archive.namelist())
    folders = [name.removesuffix("/data.pkl") for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(folders) != 1:
        raise UserError(f"Expected a checkpoint that torch.save wrote. Received: {path!r}, an archive of other files.")
    folder = folders[0]
    if f"{folder}/constants.pkl" in names or any(name.startswith(f"{folder}/code/") for name in names):
        raise UserError(
            "Expected a table of tensors; a TorchScript program is code, which is not run. Give what "
            f"torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE) writes. Received: {path!r}."
        )
    order = f"{folder}/byteorder"
    if order in names and read_member(archive, archive.getinfo(order), _LARGEST_TABLE) != b"little":
        raise UserError(f"The numbers of a checkpoint must be in little-endian order. Received: {path!r}.")
    return folder


def _read_member(archive: zipfile.ZipFile, name: str, storage: Storage) -> np.ndarray:
    needed = storage.size * storage.dtype.itemsize
    try:
        found = archive.getinfo(name).file_size
    except KeyError:
        raise UserError(f"The checkpoint has no storage {storage.key!r}, which its tensors name.") from None
    if found != needed:
        raise UserError(f"Storage {storage.key!r} must have {needed} bytes. Received: {found}.")
    return np.frombuffer(read_member(archive, archive.getinfo(name), needed), storage.dtype)


def _read_single_file(file: IO[bytes], path: str) -> dict[str, np.ndarray]:
    if not read_header(file):
        raise UserError(f"Expected a checkpoint that torch.save wrote. Received: {path!r}.")
    unpickle(file)  # system information: sizes of C types, not needed
    table = _tensor_table(unpickle(file))
    needed = {view.storage.key: view.storage for view in table.values()}
    keys = unpickle(file)
    words = [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []
    if sorted(words) != sorted(needed) or len(words) != len(keys):
        raise UserError("The storages in the checkpoint are not those that its tensors name.")
    storages = {key: read_storage(file, needed[key]) for key in keys}
    return _tensors(table, lambda storage: storages[storage.key])


def _tensor_table(unpickled: object) -> dict[str, TensorView]:
    """What was unpickled, as name -> tensor. Raises ValueError when it is something else."""
    if isinstance(unpickled, dict):
        table = {name: as_tensor(value) for name, value in unpickled.items()}
        views = {name: view for name, view in table.items() if isinstance(name, str) and view is not None}
        if len(views) == len(unpickled):
            return views
    raise UserError(f"Expected a dictionary of tensors. Received: {type(unpickled).__name__}.")


def _tensors(table: Mapping[str, TensorView], read_storage: Callable[[Storage], np.ndarray]) -> dict[str, np.ndarray]:
    """Reads each storage once, however many tensors look at it."""
    storages: dict[str, np.ndarray] = {}
    tensors = {}
    for name, view in table.items():
        key = view.storage.key
        if key not in storages:
            storages[key] = read_storage(view.storage)
        tensors[name] = view.read(storages[key])
    return tensors
