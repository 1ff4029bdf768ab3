"""Reading both layouts of PyTorch's checkpoints, on files written here piece by piece."""

import copyreg
import io
import os
import pathlib
import pickle
import sys
import types
import zipfile
import zlib
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
    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self._arguments: tuple[Any, ...] = (storage, offset, shape, strides, False, {})

    def __reduce__(self) -> Any:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self._arguments


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The few names of PyTorch that a checkpoint refers to; pickle looks them up to write them."""
    torch, utilities = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "BFloat16Storage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def only_its_name_is_used() -> None:
        raise NotImplementedError

    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"):
        function = types.FunctionType(only_its_name_is_used.__code__, {}, name)
        function.__module__, function.__qualname__ = "torch._utils", name
        setattr(utilities, name, function)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utilities)
    return torch


def _pickled(value: Any) -> bytes:
    file = io.BytesIO()
    _Pickler(file, protocol=2).dump(value)
    return file.getvalue()


def _checkpoint(table: Any, storages: dict[str, np.ndarray]) -> bytes:
    """A file as PyTorch wrote it before 1.6."""
    parts = [_pickled(part) for part in (_MAGIC, 1001, {"little_endian": True}, table, list(storages))]
    parts += [len(numbers).to_bytes(8, "little") + numbers.tobytes() for numbers in storages.values()]
    return b"".join(parts)


def _archive(
    table: Any, storages: dict[str, np.ndarray], others: dict[str, bytes] | None = None, compression: int = 0
) -> bytes:
    """A file as PyTorch has written it since 1.6."""
    members = {"data.pkl": _pickled(table), "byteorder": b"little", "version": b"3\n"}
    members |= {f"data/{key}": numbers.tobytes() for key, numbers in storages.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in {**members, **(others or {})}.items():
            archive.writestr(f"weights/{name}", data)
    return file.getvalue()


def _write(folder: pathlib.Path, data: bytes) -> pathlib.Path:
    path = folder / "weights.pth"
    path.write_bytes(data)
    return path


_FLOATS = np.arange(10, dtype="<f4") / 4


@pytest.fixture(params=[_checkpoint, _archive])
def layout(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_reads_tensors_that_share_or_reorder_a_storage(torch: Any, layout: Any, tmp_path: pathlib.Path) -> None:
    floats = _Storage(torch.FloatStorage, "7", 10)
    table = {
        "matrix": _Tensor(floats, 1, (2, 3), (3, 1)),
        "transposed": _Tensor(floats, 1, (3, 2), (1, 3)),
        "steps": _Tensor(_Storage(torch.LongStorage, "8", 1), 0, (), ()),
        "empty": _Tensor(floats, 0, (0,), (1,)),
    }
    data = layout(table, {"7": _FLOATS, "8": np.array([1 << 40], "<i8")})
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
    torch: Any, layout: Any, tmp_path: pathlib.Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    table = {"x": _Tensor(_Storage(torch.FloatStorage, "7", 10), offset, shape, strides)}
    with pytest.raises(ValueError, match="(expected a tensor's|A tensor reaches)"):
        read_torch_checkpoint(_write(tmp_path, layout(table, {"7": _FLOATS})))


def test_refuses_tensors_that_see_one_storage_differently(torch: Any, tmp_path: pathlib.Path) -> None:
    """Either would look beyond the numbers that the other one had read."""
    floats = _Tensor(_Storage(torch.FloatStorage, "7", 10), 0, (10,), (1,))
    for other in (_Storage(torch.LongStorage, "7", 10), _Storage(torch.FloatStorage, "7", 20)):
        table = {"x": floats, "y": _Tensor(other, 0, (other.pid[4],), (1,))}
        with pytest.raises(ValueError, match="A tensor reaches|must have 20 elements|cut short"):
            read_torch_checkpoint(_write(tmp_path, _checkpoint(table, {"7": _FLOATS})))
        with pytest.raises(ValueError, match="A tensor reaches"):
            read_torch_checkpoint(_write(tmp_path, _archive(table, {"7": _FLOATS})))


def test_never_runs_what_a_file_names(layout: Any, tmp_path: pathlib.Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    with pytest.raises(ValueError, match=r"Received: a reference to \w+\.mkdir"):
        read_torch_checkpoint(_write(tmp_path, layout({"x": Harmful()}, {})))
    assert not (tmp_path / "made").exists()


def test_refuses_types_that_numpy_does_not_have(torch: Any, layout: Any, tmp_path: pathlib.Path) -> None:
    table = {"x": _Tensor(_Storage(torch.BFloat16Storage, "7", 10), 0, (10,), (1,))}
    with pytest.raises(ValueError, match="one of the types float16, float32.*Received: .* torch.BFloat16Storage"):
        read_torch_checkpoint(_write(tmp_path, layout(table, {"7": _FLOATS})))


def test_refuses_a_file_that_is_cut_short(torch: Any, tmp_path: pathlib.Path) -> None:
    data = _checkpoint({"x": _Tensor(_Storage(torch.FloatStorage, "7", 10), 0, (10,), (1,))}, {"7": _FLOATS})
    for missing in (4, 50, 80):
        with pytest.raises(ValueError, match="cut short"):
            read_torch_checkpoint(_write(tmp_path, data[:-missing]))


def test_refuses_a_storage_of_another_size(torch: Any, tmp_path: pathlib.Path) -> None:
    table = {"x": _Tensor(_Storage(torch.FloatStorage, "7", 9), 0, (9,), (1,))}
    with pytest.raises(ValueError, match="must have 9 elements. Received: 10"):
        read_torch_checkpoint(_write(tmp_path, _checkpoint(table, {"7": _FLOATS})))
    with pytest.raises(ValueError, match="must have 36 bytes. Received: 40"):
        read_torch_checkpoint(_write(tmp_path, _archive(table, {"7": _FLOATS})))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 the rest is missing", pickle.dumps({"x": 1})])
def test_refuses_other_formats(tmp_path: pathlib.Path, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expected a checkpoint that torch.save wrote. Received: '.*weights.pth'"):
        read_torch_checkpoint(_write(tmp_path, data))


def test_refuses_other_contents(layout: Any, tmp_path: pathlib.Path) -> None:
    for contents, kind in (([1], "list"), ({"x": 1}, "dict")):
        with pytest.raises(ValueError, match=f"Expected a dictionary of tensors. Received: {kind}"):
            read_torch_checkpoint(_write(tmp_path, layout(contents, {})))


class TestParameters:
    """State dictionaries of the first versions of PyTorch hold parameters."""

    @pytest.fixture
    def tensor(self, torch: Any) -> _Tensor:
        return _Tensor(_Storage(torch.FloatStorage, "7", 10), 0, (10,), (1,))

    def _read(self, table: Any, folder: pathlib.Path) -> np.ndarray:
        return read_torch_checkpoint(_write(folder, _checkpoint(table, {"7": _FLOATS})))["x"]

    def test_made_by_a_function(self, tensor: _Tensor, tmp_path: pathlib.Path) -> None:
        class Parameter:
            def __reduce__(self) -> Any:
                return sys.modules["torch._utils"]._rebuild_parameter, (tensor, True, {})

        np.testing.assert_array_equal(self._read({"x": Parameter()}, tmp_path), _FLOATS)

    @pytest.mark.parametrize("in_state", [False, True])
    def test_made_as_objects(
        self, tensor: _Tensor, in_state: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
    ) -> None:
        class Parameter:
            def __reduce__(self) -> Any:
                arguments = (Parameter,) if in_state else (Parameter, tensor)
                state = (tensor, None, {}, True, False) if in_state else (True, False, {})
                return copyreg.__newobj__, arguments, state

        Parameter.__module__, Parameter.__qualname__ = "torch.nn.parameter", "Parameter"
        for name in ("torch.nn", "torch.nn.parameter"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        sys.modules["torch.nn.parameter"].Parameter = Parameter
        np.testing.assert_array_equal(self._read({"x": Parameter()}, tmp_path), _FLOATS)

    def test_an_older_way_to_make_tensors(self, torch: Any, tmp_path: pathlib.Path) -> None:
        storage = _Storage(torch.FloatStorage, "7", 10)

        class Tensor:
            def __reduce__(self) -> Any:
                return sys.modules["torch._utils"]._rebuild_tensor, (storage, 2, (3,), (1,))

        np.testing.assert_array_equal(self._read({"x": Tensor()}, tmp_path), _FLOATS[2:5])


class TestArchives:
    @pytest.fixture
    def table(self, torch: Any) -> Any:
        return {"x": _Tensor(_Storage(torch.FloatStorage, "7", 10), 0, (10,), (1,))}

    @pytest.mark.parametrize("others", [{"constants.pkl": b""}, {"code/__torch__.py": b""}])
    def test_programs_are_refused_with_what_to_give_instead(
        self, table: Any, tmp_path: pathlib.Path, others: dict[str, bytes]
    ) -> None:
        with pytest.raises(ValueError, match=r"TorchScript.*torch.save\(torch.jit.load\(FILE\).state_dict\(\)"):
            read_torch_checkpoint(_write(tmp_path, _archive(table, {"7": _FLOATS}, others)))

    def test_numbers_of_the_other_byte_order_are_refused(self, table: Any, tmp_path: pathlib.Path) -> None:
        with pytest.raises(ValueError, match="little-endian"):
            read_torch_checkpoint(_write(tmp_path, _archive(table, {"7": _FLOATS}, {"byteorder": b"big"})))

    def test_a_missing_storage(self, table: Any, tmp_path: pathlib.Path) -> None:
        with pytest.raises(ValueError, match="has no storage '7'"):
            read_torch_checkpoint(_write(tmp_path, _archive(table, {})))

    def test_changed_bytes_are_noticed(self, table: Any, tmp_path: pathlib.Path) -> None:
        data = bytearray(_archive(table, {"7": _FLOATS}))
        data[data.index(_FLOATS.tobytes()) + 5] ^= 1
        with pytest.raises(ValueError, match="The checkpoint is damaged: Bad CRC-32"):
            read_torch_checkpoint(_write(tmp_path, bytes(data)))

    @pytest.mark.parametrize("other", ["data/8", "byteorder"])
    def test_an_archive_that_unpacks_to_much_more(self, table: Any, tmp_path: pathlib.Path, other: str) -> None:
        data = _archive(table, {"7": _FLOATS}, {other: bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
        assert len(data) < 20_000
        with pytest.raises(ValueError, match="would unpack to 10,000,.* bytes; at most .* are read"):
            read_torch_checkpoint(_write(tmp_path, data))

    def test_members_that_lie_in_each_other(self, torch: Any, tmp_path: pathlib.Path) -> None:
        """Fifty storages, each with the next among its bytes: together they are fifty times the archive."""
        content, members, storages = bytes(40_000), [], []
        for number in range(50):
            member = zipfile.ZipInfo(f"weights/data/{number:05}")  # its header has a multiple of four bytes
            member.file_size = member.compress_size = len(content)
            member.CRC = zlib.crc32(content)
            storages.append(_Storage(torch.FloatStorage, f"{number:05}", len(content) // 4))
            content = member.FileHeader() + content
            members.append((member, len(content)))
        path = tmp_path / "weights.pth"
        with zipfile.ZipFile(path, "w") as archive:
            table = {storage.pid[2]: _Tensor(storage, 0, (1,), (1,)) for storage in storages}
            archive.writestr("weights/data.pkl", _pickled(table))
            assert archive.fp is not None
            archive.fp.seek(archive.start_dir)
            archive.fp.write(content)
            end = archive.start_dir = archive.fp.tell()
            for member, length in members:
                member.header_offset = end - length
                archive.filelist.append(member)
                archive.NameToInfo[member.filename] = member
            archive._didModify = True
        with zipfile.ZipFile(path) as archive:
            assert archive.getinfo("weights/data/00049").file_size > 40_000  # which newer Pythons refuse to read
        with pytest.raises(ValueError, match="would unpack to .* at most"):
            read_torch_checkpoint(path)

    def test_a_compressed_archive(self, table: Any, tmp_path: pathlib.Path) -> None:
        data = _archive(table, {"7": _FLOATS}, None, zipfile.ZIP_DEFLATED)
        np.testing.assert_array_equal(read_torch_checkpoint(_write(tmp_path, data))["x"], _FLOATS)

    def test_archives_of_other_things(self, tmp_path: pathlib.Path) -> None:
        path = tmp_path / "weights.pth"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
        with pytest.raises(ValueError, match="Expected a checkpoint that torch.save wrote.*an archive of other files"):
            read_torch_checkpoint(path)
