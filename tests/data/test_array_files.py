"""Arrays are read as NumPy wrote them; no header is believed before the file has the bytes that it tells of."""

import struct
import zipfile

import numpy as np
import pytest

from stylegan_tf import zip_files
from stylegan_tf.data.array_files import map_npy, read_npy, read_npz

ARRAYS = [
    np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array(["a", "bc"]),
    np.zeros((0, 3), np.int32),
    np.array(7, ">u2"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=str)
@pytest.mark.parametrize("read", ["npy", "map", "npz", "packed npz"])
def test_arrays_are_read_as_they_were_written(array, read, tmp_path):
    if "npz" in read:
        (np.savez if read == "npz" else np.savez_compressed)(tmp_path / "a.npz", x=array, y=1)
        arrays, names = read_npz(tmp_path / "a.npz", ["x", "z"])
        assert (list(arrays), names) == (["x"], ["x", "y"])
        found = arrays["x"]
    else:
        np.save(tmp_path / "a.npy", array)
        found = (read_npy if read == "npy" else map_npy)(tmp_path / "a.npy")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def npy(descr="'|u1'", shape="(64, 1, 1)", *, header=None, data=bytes(64)):
    text = (header or f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}").encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


DAMAGED = {
    "more than there is": (npy(shape="(1000000000000, 1000, 1000)"), "does not have 64 bytes"),
    "a byte too many": (npy(shape="(63,)"), "does not have 64 bytes"),
    "negative sides": (npy(shape="(-8, -8)"), "does not have 64 bytes"),
    "thousands of digits": (npy(shape=f"({'9' * 5000},)"), "cannot be understood"),
    "deep": (npy(header="(" * 9000), "cannot be understood"),
    "no dictionary": (npy(header="[]"), "cannot be understood"),
    "pickled objects": (npy(descr="'|O'", shape="(8,)"), "pickled objects"),
    "elements of no bytes": (npy(descr="'|V0'", shape="(10000000000,)", data=b""), "does not have 0 bytes"),
    "enormous header": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + bytes(99), "at most 10,000 are read"),
    "other version": (b"\x93NUMPY\x07\x00" + bytes(99), "version 7.0 of the .npy format"),
    "nothing": (b"", "does not begin as a .npy file"),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("read", [read_npy, map_npy, "npz"])
def test_headers_that_lie(name, read, tmp_path):
    content, words = DAMAGED[name]
    path = tmp_path / "a"
    if read == "npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", content)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_npz(path, ["images"]) if read == "npz" else read(path)


def test_little_that_unpacks_to_much(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((100, 100), np.uint8), labels=np.zeros(5))
    monkeypatch.setattr(zip_files.unpacked_limit, "__defaults__", (1000,))
    with pytest.raises(ValueError, match=r"unpack to 10,128 bytes, and at most 1,000 are.*numpy.save as a .npy file"):
        read_npz(tmp_path / "a.npz", ["images"])
    assert read_npz(tmp_path / "a.npz", ["labels"])[0]["labels"].shape == (5,)
