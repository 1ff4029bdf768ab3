"""The pickles inside PyTorch checkpoints, read with an allow-list of the few names that a table of tensors needs."""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections import OrderedDict
from typing import IO, Any

import numpy as np

_DTYPES: dict[str, np.dtype[Any]] = {
    "HalfStorage": np.dtype("<f2"),
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "IntStorage": np.dtype("<i4"),
    "LongStorage": np.dtype("<i8"),
}


@dataclasses.dataclass(frozen=True)
class Storage:
    """A flat run of numbers that one or more tensors look at; the numbers themselves lie elsewhere in the file.

    Attributes:
        key: Name of the storage in its file.
        dtype: Type of an element.
        size: Number of elements.
    """

    key: str
    dtype: np.dtype[Any]
    size: int


@dataclasses.dataclass(frozen=True)
class TensorView:
    """What the pickle says about one tensor: which elements of which storage it is made of, counted in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The tensor, a read-only view of the storage's numbers.

        Raises:
            ValueError: The tensor is not inside them.
        """
        if (
            self.offset < 0
            or min(self.shape + self.strides, default=0) < 0
            or len(self.shape) != len(self.strides)
        ):
            raise ValueError(f"A tensor needs a shape and strides of at least 0. Received: {self}.")
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        if math.prod(self.shape) > len(numbers) or last >= len(numbers) or numbers.dtype != self.storage.dtype:
            raise ValueError(f"A tensor reaches past the end of its storage. Received: {self}.")
        if not math.prod(self.shape):
            return np.empty(self.shape, self.storage.dtype)
        steps = tuple(stride * self.storage.dtype.itemsize for stride in self.strides)
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps, writeable=False)


class _Parameter:
    """A parameter as the first versions of PyTorch pickled it: its tensor is an argument, or the first part of a state.

    Later ones call `_rebuild_parameter`, and a `state_dict` has held plain tensors since.
    """

    tensor: TensorView | None

    def __new__(cls, tensor: TensorView | None = None, *_: Any) -> _Parameter:
        parameter = super().__new__(cls)
        parameter.tensor = tensor
        return parameter

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if self.tensor is None:
            self.tensor = state[0]


def unpickle(file: IO[bytes]) -> Any:
    """Reads the pickle that comes next in a file; tensors become `TensorView`s.

    Raises:
        ValueError: The pickle is damaged or cut short, refers to anything but dictionaries and tensors, or names a type
            of numbers that NumPy does not have.
    """
    try:
        return _TensorUnpickler(file).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"The checkpoint is damaged or cut short: {error}.") from None


def tensor_table(unpickled: object) -> dict[str, TensorView]:
    """What was unpickled, as name -> tensor. Raises ValueError when it is something else."""
    if isinstance(unpickled, dict):
        table: dict[str, Any] = {
            name: value.tensor if isinstance(value, _Parameter) else value for name, value in unpickled.items()
        }
        if all(isinstance(view, TensorView) for view in table.values()):
            return table
    raise ValueError(f"Expected a dictionary of tensors. Received: {type(unpickled).__name__}.")


def _tensor_view(storage: Storage, offset: int, shape: Any, strides: Any, *_: Any) -> TensorView:
    return TensorView(storage, offset, tuple(shape), tuple(strides))


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _tensor_view,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor_view,
    ("torch._utils", "_rebuild_parameter"): _Parameter,
    ("torch.nn.parameter", "Parameter"): _Parameter,
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
}


class _TensorUnpickler(pickle.Unpickler):
    """Refuses every name but the few that a plain table of tensors needs."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _ALLOWED[module_name, global_name]
        except KeyError:
            pass
        if module_name == "torch" and global_name.endswith("Storage"):
            known = ", ".join(dtype.name for dtype in _DTYPES.values())
            raise ValueError(f"Tensors must be of one of the types {known}. Received: a torch.{global_name}.")
        raise ValueError(
            "A checkpoint may hold dictionaries and tensors only. "
            f"Received: a reference to {module_name}.{global_name}."
        )

    def persistent_load(self, pid: Any) -> Storage:
        kind, dtype, key, _, size, *view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or any(part is not None for part in view):
            raise ValueError(f"Expected a plain storage. Received: {pid!r}.")
        return Storage(key, dtype, size)
