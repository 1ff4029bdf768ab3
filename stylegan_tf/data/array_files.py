"""NumPy's .npy and .npz files, read so that no header is believed before the file has the bytes that it tells of."""

from __future__ import annotations

import io
import math
import os
import struct
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from stylegan_tf.errors import UserError
from stylegan_tf.zip_files import OpenedMember, opened_member, opened_zip, unpacked_limit

_MAX_HEADER_BYTES = 10_000  # NumPy's own bound, which it checks after it has read the header
_LENGTHS = {(1, 0): "<H", (2, 0): "<I"}
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in a .npy file, in memory.

    Raises:
        ValueError: The file is no .npy file, holds pickled objects, or has other bytes than its header says.
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        dtype, shape, is_fortran = _header(file.read, os.path.getsize(path))
        array = np.empty(math.prod(shape), dtype)
        if file.readinto(array.view(np.uint8).data) != array.nbytes:
            raise UserError("the file ends early")
    return array.reshape(shape, order="F" if is_fortran else "C")


def map_npy(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in a .npy file, which stays on disk; raises as `read_npy` does."""
    with open(path, "rb") as file:
        dtype, shape, is_fortran = _header(file.read, os.path.getsize(path))
        if not math.prod(shape):
            return np.empty(shape, dtype)
        return np.memmap(file, dtype, "r", file.tell(), shape, "F" if is_fortran else "C")


def read_npz(path: str | os.PathLike[str], names: Collection[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of these names in a .npz file, as far as they are there, and the names of all.

    Raises:
        ValueError: The file is damaged, holds pickled objects, or the arrays would take more memory than
            `zip_files.unpacked_limit` grants.
        OSError: It cannot be read.
    """
    limit = unpacked_limit(path)
    arrays = {}
    with opened_zip(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        wanted = [members[name] for name in names if name in members]
        total = sum(info.file_size for info in wanted)
        if total > limit:
            raise UserError(
                f"its arrays unpack to {total:,} bytes, and at most {limit:,} are unpacked; save the images with "
                "numpy.save as a .npy file, which is read from disk piece by piece"
            )
        for info in wanted:
            with opened_member(archive, info, limit) as member:
                arrays[info.filename.removesuffix(".npy")] = _read_member(member)
    return arrays, sorted(members)


def _read_member(member: OpenedMember) -> np.ndarray:
    dtype, shape, is_fortran = _header(member.read, member.left)
    array = np.empty(math.prod(shape), dtype)
    member.read_into(array.view(np.uint8).data)
    return array.reshape(shape, order="F" if is_fortran else "C")


def _header(read: Callable[[int], bytes], size: int) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Type, shape and order of the array in `size` bytes, which must be as many as the array takes."""
    start = read(8)
    if len(start) < 8 or not start.startswith(b"\x93NUMPY"):
        raise UserError("it does not begin as a .npy file does")
    version = (start[6], start[7])
    if version not in _LENGTHS:
        raise UserError(f"version {version[0]}.{version[1]} of the .npy format is not supported")
    length_bytes = read(struct.calcsize(_LENGTHS[version]))
    length = int.from_bytes(length_bytes, "little")
    if length > min(_MAX_HEADER_BYTES, size):
        raise UserError(f"its header has {length:,} bytes, and at most {_MAX_HEADER_BYTES:,} are read")
    text = read(length)
    try:
        shape, is_fortran, dtype = _READERS[version](io.BytesIO(length_bytes + text))
    except Exception as error:  # the text is a Python literal, which can be wrong in as many ways as Python
        raise UserError(f"its header cannot be understood ({type(error).__name__})") from error
    if dtype.hasobject:
        raise UserError("it holds pickled objects, not numbers")
    expected = math.prod(shape) * dtype.itemsize
    found = size - len(start) - len(length_bytes) - len(text)
    if min(shape, default=0) < 0 or expected != found or not dtype.itemsize or len(shape) > 32:
        raise UserError(f"an array {dtype} of shape {_shown(shape)} does not have {found:,} bytes")
    return dtype, shape, is_fortran


def _shown(shape: tuple[int, ...]) -> str:
    sides = [f"{side}" if abs(side) < 2**63 else "an enormous number" for side in shape[:8]]
    return f"[{', '.join(sides)}{', ...' if len(shape) > 8 else ''}]"
