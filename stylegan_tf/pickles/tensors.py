"""PyTorch's tensors in pickles: which elements of which storage each is, and the stream that storages travel in.

A storage's stream is what `torch.save` wrote before version 1.6, and what tensors are pickled with to this day: pickles
of a magic number, a protocol version, system information, the saved object and the storages' keys, then of each storage
an int64 count of elements and as many raw elements.
"""

from __future__ import annotations

import dataclasses
import io
import math
from typing import IO, Any

import numpy as np

from stylegan_tf.errors import UserError
from stylegan_tf.pickles.machine import (
    Builder,
    Refused,
    build_dictionary,
    is_count,
    is_shape,
    load_pickle,
    require_plain,
)

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

_LONGEST_KEY = 1000

_DTYPES: dict[str, np.dtype[Any]] = {
    "HalfStorage": np.dtype("<f2"),
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "IntStorage": np.dtype("<i4"),
    "LongStorage": np.dtype("<i8"),
    "BoolStorage": np.dtype("?"),
    "ByteStorage": np.dtype("u1"),
    "CharStorage": np.dtype("i1"),
    "ShortStorage": np.dtype("<i2"),
}


@dataclasses.dataclass(frozen=True)
class Storage:
    """A flat run of numbers that one or more tensors look at.

    Attributes:
        key: Name of the storage in its file.
        dtype: Type of an element.
        size: Number of elements.
        numbers: The elements; None where they lie elsewhere in the file.
    """

    key: str
    dtype: np.dtype[Any]
    size: int
    numbers: np.ndarray | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True)
class TensorView:
    """What the pickle says about one tensor: which elements of which storage it is made of, counted in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, numbers: np.ndarray | None = None) -> np.ndarray:
        """The tensor, a read-only view of the storage's numbers.

        Args:
            numbers: Of the storage; None for those that it has itself.

        Raises:
            ValueError: The tensor is not inside them.
        """
        numbers = self.storage.numbers if numbers is None else numbers
        if numbers is None:
            raise UserError(f"A tensor needs the numbers of its storage. Received: {self}.")
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        if math.prod(self.shape) > len(numbers) or last >= len(numbers) or numbers.dtype != self.storage.dtype:
            raise UserError(f"A tensor reaches past the end of its storage. Received: {self}.")
        if not math.prod(self.shape):
            return np.empty(self.shape, self.storage.dtype)
        steps = tuple(stride * self.storage.dtype.itemsize for stride in self.strides)
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps, writeable=False)


class Parameter:
    """A parameter as the first versions of PyTorch pickled it: its tensor is an argument, or the first part of a state.

    Later ones call `_rebuild_parameter`, and a `state_dict` has held plain tensors since.
    """

    def __init__(self, tensor: Any = None, *_: Any) -> None:
        require_plain(tensor is None or isinstance(tensor, TensorView), "a parameter to be a tensor")
        self.tensor: TensorView | None = tensor

    def set_state(self, state: Any) -> None:
        """Takes the tensor from the state, unless there is one."""
        if self.tensor is None:
            require_plain(
                isinstance(state, tuple) and bool(state) and isinstance(state[0], TensorView), "a parameter's tensor"
            )
            self.tensor = state[0]


def as_tensor(value: Any) -> TensorView | None:
    """A tensor, or a parameter's; None for anything else."""
    value = value.tensor if isinstance(value, Parameter) else value
    return value if isinstance(value, TensorView) else None


def unpickle(file: IO[bytes]) -> Any:
    """Reads the pickle that comes next in a file that `torch.save` wrote; tensors become `TensorView`s.

    Raises:
        ValueError: The pickle is damaged or cut short, refers to anything but dictionaries and tensors, or names a type
            of numbers that NumPy does not have.
    """
    return load_pickle(file, _TABLE_NAMES, _load_storage)


def read_header(file: IO[bytes]) -> bool:
    """Whether the first two pickles of a stream are those that `torch.save` begins with."""
    try:
        return (unpickle(file), unpickle(file)) == (MAGIC_NUMBER, PROTOCOL_VERSION)
    except ValueError:
        return False


def read_storage(file: IO[bytes], storage: Storage) -> np.ndarray:
    """The elements that come next in a stream. Raises ValueError when there are others than the storage has."""
    size = int.from_bytes(file.read(8), "little", signed=True)
    if size != storage.size:
        raise UserError(f"Storage {storage.key!r} must have {storage.size} elements. Received: {size}.")
    data = file.read(size * storage.dtype.itemsize)
    if len(data) != size * storage.dtype.itemsize:
        raise UserError(f"The checkpoint ends inside storage {storage.key!r}: it is cut short.")
    return np.frombuffer(data, storage.dtype)


def _storage_from_bytes(stream: Any) -> Storage:
    """A storage that was saved alone, with its numbers."""
    require_plain(isinstance(stream, bytes), "a storage's bytes")
    file = io.BytesIO(stream)
    require_plain(read_header(file), "a storage that torch.save wrote")
    unpickle(file)  # system information: sizes of C types, not needed
    storage = unpickle(file)
    require_plain(isinstance(storage, Storage) and unpickle(file) == [storage.key], "one storage")
    found = dataclasses.replace(storage, numbers=read_storage(file, storage))
    require_plain(not file.read(1), "nothing behind a storage's elements")
    return found


def _load_storage(pid: Any) -> Storage:
    require_plain(isinstance(pid, tuple) and len(pid) >= 5, "a storage")
    kind, dtype, key, _, size, *view = pid
    require_plain(
        kind == "storage"
        and isinstance(dtype, np.dtype)
        and isinstance(key, str)
        and len(key) <= _LONGEST_KEY
        and is_count(size)
        and all(part is None for part in view),
        "a plain storage",
    )
    return Storage(key, dtype, size)


def _tensor_view(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> TensorView:
    require_plain(
        isinstance(storage, Storage)
        and is_count(offset)
        and is_shape(shape)
        and is_shape(strides)
        and len(shape) == len(strides),
        "a tensor's storage, offset, shape and strides",
    )
    return TensorView(storage, offset, tuple(shape), tuple(strides))


# What both kinds of files refer to.
TENSOR_NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): Builder(build_dictionary),
    ("torch._utils", "_rebuild_tensor"): Builder(_tensor_view),
    ("torch._utils", "_rebuild_tensor_v2"): Builder(_tensor_view),
    ("torch._utils", "_rebuild_parameter"): Builder(Parameter),
    ("torch.nn.parameter", "Parameter"): Builder(Parameter),
    ("torch.storage", "_load_from_bytes"): Builder(_storage_from_bytes),
}
_REFUSED = Refused(f"Tensors must be of one of the types {', '.join(dtype.name for dtype in _DTYPES.values())}")
_TABLE_NAMES = {
    **TENSOR_NAMES,
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
    **{("torch", f"{name}Storage"): _REFUSED for name in ("BFloat16", "ComplexFloat", "ComplexDouble")},
}
del _TABLE_NAMES["torch.storage", "_load_from_bytes"]  # streams do not hold streams
