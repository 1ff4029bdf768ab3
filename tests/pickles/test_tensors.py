"""Tensors that carry their storage along as a stream, as pickled modules do; tables are tested with checkpoints."""

from __future__ import annotations

import io
import pickle
import struct

import numpy as np
import pytest

from stylegan_tf.pickles.arrays import NUMPY_NAMES
from stylegan_tf.pickles.machine import Builder, load_pickle
from stylegan_tf.pickles.tensors import MAGIC_NUMBER, PROTOCOL_VERSION, TENSOR_NAMES, as_tensor

NUMBERS = np.arange(12, dtype=np.float32)


class _Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value[1] if isinstance(value, tuple) and value[:1] == ("pid",) else None


class _FloatStorage:
    pass


def dumped(value):
    file = io.BytesIO()
    _Pickler(file, protocol=2).dump(value)
    # The class is called something else here than what stands in for it.
    name = f"{_FloatStorage.__module__}\n_FloatStorage\n".encode()
    return file.getvalue().replace(name, b"torch\nFloatStorage\n")


def stream(numbers=NUMBERS, size=None, key="0", keys=None, counted=None, magic=MAGIC_NUMBER, view=(None,)):
    """A storage as torch.save writes it alone."""
    size = len(numbers) if size is None else size
    pid = ("pid", ("storage", _FloatStorage, key, "cuda:0", size, *view))
    parts = [dumped(part) for part in (magic, PROTOCOL_VERSION, {"little_endian": True}, pid, keys or [key])]
    return b"".join([*parts, struct.pack("<q", size if counted is None else counted), numbers.tobytes()])


def load(data, offset=0, shape=(12,), strides=(1,)):
    """A pickle that rebuilds one tensor of that stream."""
    storage = b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(data)) + data + b"\x85R"
    whole = b"\x80\x04ctorch._utils\n_rebuild_tensor_v2\n(" + storage
    for value in (offset, shape, strides, False):
        whole += pickle.dumps(value, protocol=1)[:-1]
    return load_pickle(io.BytesIO(whole + b"tR."), TENSOR_NAMES)


def test_a_tensor():
    found = load(stream(), 2, (2, 3), (4, 1))
    np.testing.assert_array_equal(found.read(), [[2, 3, 4], [6, 7, 8]])
    assert not found.read().flags.writeable


@pytest.mark.parametrize(("shape", "strides"), [((3, 2, 2), (1, 6, 3)), ((2, 6), (6, 1)), ((), ()), ((0, 5), (5, 1))])
def test_strides(shape, strides):
    """Such as those of a kernel that PyTorch keeps with its channels last."""
    found = load(stream(), 0, shape, strides).read()
    steps = tuple(stride * 4 for stride in strides)
    np.testing.assert_array_equal(found, np.lib.stride_tricks.as_strided(NUMBERS, shape, steps))


@pytest.mark.parametrize(
    "data",
    [
        stream(counted=11),
        stream(counted=13),
        stream(counted=-1),
        stream(size=11),
        stream(size=1 << 39),
        stream(size=-1),
        stream(size=1 << 62),
        stream(magic=1),
        stream(keys=["1"]),
        stream(keys=["0", "1"]),
        stream(key=0),
        stream(view=(("view", 0, 3),)),
        stream()[:-1],
        stream()[:40],
        b"",
        b"PK\x03\x04",
        stream(key=["0"]),
    ],
)
def test_a_stream_that_lies(data):
    load(stream(view=()))  # the first versions write no view
    with pytest.raises(ValueError, match=r"^The pickle is damaged, cut short, or holds [a-z ]+: "):
        load(data)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (1, (12,), (1,)),
        (0, (13,), (1,)),
        (0, (2, 2), (11, 1)),
        (-1, (2,), (1,)),
        (0, (1 << 30, 1 << 30), (0, 0)),
        (0, (2,), (1, 1)),
        (0, (2,), (-1,)),
        (0, (-2,), (1,)),
        (0, "12", (1,)),
        (None, (1,), (1,)),
        (0, (True,), (1,)),
        (0, (20,), (0,)),
        (0, (1,), (1 << 62,)),
        (0, (1,), (1 << 200,)),
        (0, (1 << 200, 0), (1, 1)),
        (1 << 70, (), ()),
    ],
)
def test_a_tensor_outside_its_storage(offset, shape, strides):
    with pytest.raises(ValueError, match=r"reaches past the end|expected a tensor's"):
        load(stream(), offset, shape, strides).read()


def test_a_stream_in_a_stream_is_refused():
    inner = stream().replace(b"ctorch\nFloatStorage\n", b"ctorch.storage\n_load_from_bytes\n")
    with pytest.raises(ValueError, match="a reference to torch.storage._load_from_bytes"):
        load(inner)


def test_parameters():
    data = b"\x80\x02ctorch._utils\n_rebuild_parameter\nca\nt\n\x89}\x87R."
    tensor = load(stream())
    found = load_pickle(io.BytesIO(data), {**TENSOR_NAMES, ("a", "t"): tensor})
    assert as_tensor(found) is tensor
    old = b"\x80\x02ctorch.nn.parameter\nParameter\n)\x81ca\nt\n\x89}\x87b."
    assert as_tensor(load_pickle(io.BytesIO(old), {**TENSOR_NAMES, ("a", "t"): tensor})) is tensor
    for wrong in (5, "x", [1]):
        with pytest.raises(ValueError, match="a parameter to be a tensor"):
            load_pickle(io.BytesIO(data), {**TENSOR_NAMES, ("a", "t"): wrong})
    assert as_tensor(5) is None and as_tensor(Builder(int)) is None


def test_what_torch_itself_writes():
    """A second opinion, where it is installed."""
    torch = pytest.importorskip("torch")
    numbers = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    tensors = {
        "plain": numbers, "turned": numbers.permute(2, 0, 1), "part": numbers[1, :, ::2], "spread": numbers[:, :1, :1],
        "half": numbers.half(), "long": numbers.long(), "truth": numbers > 3, "point": torch.tensor(2.5),
        "none": numbers[:0], "parameter": torch.nn.Parameter(numbers + 1),
    }  # fmt: skip
    for protocol in (2, 3, 4, 5):
        found = load_pickle(io.BytesIO(pickle.dumps(tensors, protocol)), {**NUMPY_NAMES, **TENSOR_NAMES})
        assert found.keys() == tensors.keys()
        for name, tensor in tensors.items():
            array = as_tensor(found[name]).read()
            np.testing.assert_array_equal(array, tensor.detach().numpy(), strict=True)
