"""Reading PyTorch's older checkpoint layout, on files written here piece by piece."""

import io
import os
import pathlib
import pickle
import sys
import types
from typing import Any

import numpy as np
import pytest

from stylegan_tf.features.torch_checkpoint import read_torch_checkpoint

_MAGIC = 0x1950A86A20F9469CFC6C


class _Storage:
    """Stands for a storage in the pickle: written as a persistent id, as PyTorch does."""

    def __init__(self, kind: type, key: str, size: int) -> None:
        self.pid = ("storage", kind, key, "cpu", size, None)


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        return value.pid if isinstance(value, _Storage) else None


class _Tensor:
    def __init__(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        self._arguments: tuple[Any, ...] = (storage, offset, shape, strides, False, {})

    def __reduce__(self) -> Any:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self._arguments


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The few names of PyTorch that a checkpoint refers to; pickle looks them up to write them."""
    torch, utilities = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2() -> None:
        raise AssertionError("only its name is used")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utilities.__dict__["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utilities)
    return torch


def _checkpoint(table: Any, storages: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    for part in (_MAGIC, 1001, {"little_endian": True}, table, list(storages)):
        _Pickler(file, protocol=2).dump(part)
    for numbers in storages.values():
        file.write(len(numbers).to_bytes(8, "little") + numbers.tobytes())
    return file.getvalue()


def _write(folder: pathlib.Path, data: bytes) -> pathlib.Path:
    path = folder / "weights.pth"
    path.write_bytes(data)
    return path


_FLOATS = np.arange(10, dtype="<f4") / 4


def test_reads_tensors_that_share_or_reorder_a_storage(torch: Any, tmp_path: pathlib.Path) -> None:
    floats = _Storage(torch.FloatStorage, "7", 10)
    table = {
        "matrix": _Tensor(floats, 1, (2, 3), (3, 1)),
        "transposed": _Tensor(floats, 1, (3, 2), (1, 3)),
        "steps": _Tensor(_Storage(torch.LongStorage, "8", 1), 0, (), ()),
        "empty": _Tensor(floats, 0, (0,), (1,)),
    }
    data = _checkpoint(table, {"7": _FLOATS, "8": np.array([1 << 40], "<i8")})
    arrays = read_torch_checkpoint(_write(tmp_path, data))
    assert list(arrays) == list(table)
    np.testing.assert_array_equal(arrays["matrix"], _FLOATS[1:7].reshape(2, 3))
    np.testing.assert_array_equal(arrays["transposed"], _FLOATS[1:7].reshape(2, 3).T)
    assert arrays["steps"].shape == () and arrays["steps"] == 1 << 40
    assert arrays["empty"].shape == (0,)
    assert arrays["matrix"].dtype == np.float32


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (5, (2, 3), (3, 1)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (-2,), (1,)),
        (0, (1 << 20, 1 << 20), (0, 0)),
        (0, (2,), ()),
    ],
)
def test_refuses_a_tensor_outside_its_storage(
    torch: Any, tmp_path: pathlib.Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    table = {"x": _Tensor(_Storage(torch.FloatStorage, "7", 10), offset, shape, strides)}
    with pytest.raises(ValueError, match="A tensor (needs|reaches)"):
        read_torch_checkpoint(_write(tmp_path, _checkpoint(table, {"7": _FLOATS})))


def test_never_runs_what_a_file_names(tmp_path: pathlib.Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    with pytest.raises(pickle.UnpicklingError, match=r"Received: a reference to \w+\.mkdir"):
        read_torch_checkpoint(_write(tmp_path, _checkpoint({"x": Harmful()}, {})))
    assert not (tmp_path / "made").exists()


def test_refuses_a_file_that_is_cut_short(torch: Any, tmp_path: pathlib.Path) -> None:
    data = _checkpoint({"x": _Tensor(_Storage(torch.FloatStorage, "7", 10), 0, (10,), (1,))}, {"7": _FLOATS})
    with pytest.raises(ValueError, match="cut short"):
        read_torch_checkpoint(_write(tmp_path, data[:-4]))


def test_refuses_a_storage_of_another_size(torch: Any, tmp_path: pathlib.Path) -> None:
    data = _checkpoint({"x": _Tensor(_Storage(torch.FloatStorage, "7", 9), 0, (9,), (1,))}, {"7": _FLOATS})
    with pytest.raises(ValueError, match="must have 9 elements. Received: 10"):
        read_torch_checkpoint(_write(tmp_path, data))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a newer checkpoint is a zip", pickle.dumps({"x": 1})])
def test_refuses_other_formats(tmp_path: pathlib.Path, data: bytes) -> None:
    with pytest.raises(ValueError, match="as PyTorch before 1.6 wrote it"):
        read_torch_checkpoint(_write(tmp_path, data))


def test_refuses_other_contents(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="Expected a dictionary of tensors. Received: list"):
        read_torch_checkpoint(_write(tmp_path, _checkpoint([1], {})))
