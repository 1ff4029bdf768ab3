"""Reads the tensors of a PyTorch checkpoint with NumPy alone, and without running anything it holds.

Only the layout that `torch.save` wrote before PyTorch 1.6 is read: four pickles (magic number, protocol
version, system information, the object), a pickled list of storage keys, then each storage as an int64
element count followed by that many raw elements.
"""

import dataclasses
import math
import os
import pickle
from collections import OrderedDict
from typing import Any, BinaryIO

import numpy as np

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001


@dataclasses.dataclass(frozen=True)
class _Storage:
    """A flat run of numbers that one or more tensors look at; its numbers come later in the file."""

    key: str
    dtype: np.dtype[Any]
    size: int


@dataclasses.dataclass(frozen=True)
class _TensorView:
    """What the pickle says about one tensor: which elements of which storage it is made of."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        if (
            self.offset < 0
            or min(self.shape + self.strides, default=0) < 0
            or len(self.shape) != len(self.strides)
        ):
            raise ValueError(f"A tensor needs a shape and strides of at least 0. Received: {self}.")
        # Bounded before any index is built, so that a damaged file cannot ask for a huge array.
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        if math.prod(self.shape) > self.storage.size or last >= self.storage.size:
            raise ValueError(f"A tensor reaches past the end of its storage. Received: {self}.")
        indices: np.ndarray = np.asarray(self.offset)
        for n, stride in zip(self.shape, self.strides, strict=True):
            indices = indices[..., np.newaxis] + np.arange(n) * stride
        return storages[self.storage.key][indices]


def _tensor_view(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _TensorView:
    return _TensorView(storage, offset, tuple(shape), tuple(strides))


_DTYPES = {
    "HalfStorage": np.dtype("<f2"),
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "IntStorage": np.dtype("<i4"),
    "LongStorage": np.dtype("<i8"),
}
_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor_view,
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
}


class _TensorUnpickler(pickle.Unpickler):
    """Refuses every name but the few that a plain table of tensors needs."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _ALLOWED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                "A checkpoint may hold dictionaries and tensors only. "
                f"Received: a reference to {module_name}.{global_name}."
            ) from None

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, size, *view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or any(part is not None for part in view):
            raise pickle.UnpicklingError(f"Expected a plain storage. Received: {pid!r}.")
        return _Storage(key, dtype, size)


def _unpickle(file: BinaryIO) -> Any:
    return _TensorUnpickler(file).load()


def _read_storage(file: BinaryIO, storage: _Storage) -> np.ndarray:
    size = int.from_bytes(file.read(8), "little", signed=True)
    if size != storage.size:
        raise ValueError(f"Storage {storage.key!r} must have {storage.size} elements. Received: {size}.")
    data = file.read(size * storage.dtype.itemsize)
    if len(data) != size * storage.dtype.itemsize:
        raise ValueError(f"The checkpoint ends inside storage {storage.key!r}: it is cut short.")
    return np.frombuffer(data, storage.dtype)


def read_torch_checkpoint(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads a table of tensors that `torch.save` wrote before PyTorch 1.6.

    Args:
        path: The checkpoint, usually a `.pth` file that holds a `state_dict`.

    Returns:
        Tensor name -> array, in the file's order, with the file's shapes and types.

    Raises:
        ValueError: The file is in another format, damaged, or cut short.
        pickle.UnpicklingError: The file refers to anything but dictionaries and tensors.
    """
    with open(path, "rb") as file:
        try:
            header = _unpickle(file), _unpickle(file)
        except (pickle.UnpicklingError, EOFError):
            header = None, None
        if header != (_MAGIC_NUMBER, _PROTOCOL_VERSION):
            raise ValueError(
                f"Expected a checkpoint as PyTorch before 1.6 wrote it. Received: {os.fspath(path)!r}."
            )
        _unpickle(file)  # system information: sizes of C types, not needed
        table = _unpickle(file)
        if not isinstance(table, dict) or not all(isinstance(view, _TensorView) for view in table.values()):
            raise ValueError(f"Expected a dictionary of tensors. Received: {type(table).__name__}.")
        needed = {view.storage.key: view.storage for view in table.values()}
        keys = _unpickle(file)
        if sorted(keys) != sorted(needed):
            raise ValueError("The storages in the checkpoint are not those that its tensors name.")
        storages = {key: _read_storage(file, needed[key]) for key in keys}
    return {name: view.read(storages) for name, view in table.items()}
