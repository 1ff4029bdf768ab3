"""NumPy's arrays and numbers, of all protocols, and what is no array of numbers."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest

from stylegan_tf.pickles.arrays import NUMPY_NAMES, PickledArray, PickledType
from stylegan_tf.pickles.machine import load_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
NUMBERS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
ARRAYS = {
    "float32": NUMBERS, "column-major": np.asfortranarray(NUMBERS), "transposed": NUMBERS.T,
    "big-endian": NUMBERS.astype(">f4"),
    "half": NUMBERS.astype(np.float16), "double": NUMBERS.astype(np.float64), "bytes": NUMBERS.astype(np.uint8),
    "long": NUMBERS.astype(np.int64), "truth": NUMBERS > 5, "empty": NUMBERS[:0], "point": np.array(2.5, np.float32),
    "part": NUMBERS[:, ::2],
}  # fmt: skip


def load(data):
    return load_pickle(io.BytesIO(data), NUMPY_NAMES)


def of_numpy_1(data):
    """The same pickle with the module names of NumPy 1, and without frames, whose lengths would no longer be right."""
    data = data[:2] + data[11:] if data[2:3] == b"\x95" else data
    for module in (b"multiarray", b"numeric"):
        new, old = b"numpy._core." + module, b"numpy.core." + module
        data = data.replace(b"\x8c%c" % len(new) + new, b"\x8c%c" % len(old) + old).replace(b"c" + new, b"c" + old)
    return data


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays(array, protocol):
    for data in (pickle.dumps(array, protocol), of_numpy_1(pickle.dumps(array, protocol))):
        found = load(data).read()
        assert found.dtype == array.dtype and found.shape == array.shape
        np.testing.assert_array_equal(found, array)
        assert not found.flags.writeable


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("number", [np.float32(2.5), np.float64(-1e300), np.int64(7), np.float16(0.5)])
def test_numbers(number, protocol):
    assert load(pickle.dumps(number, protocol)) == number.item()


def test_bytes_of_python_2():
    """Whose strings are written as text of one byte a letter."""
    state = (1, (2,), PickledType("<f4"), False, np.array([1, 200], np.float32).tobytes().decode("latin-1"))
    array = PickledArray()
    array.set_state(state)
    np.testing.assert_array_equal(array.read(), [1, 200])


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()]),
        np.array(["text"]),
        np.array([b"bytes"]),
        np.array(["2020"], "datetime64[s]"),
        np.array([1j]),
        np.zeros(2, [("a", "f4")]),
    ],
    ids=["objects", "text", "bytes", "dates", "complex", "records"],
)
def test_arrays_of_anything_but_numbers_are_refused(array):
    for protocol in (2, 4):
        with pytest.raises(ValueError, match=r"arrays of numbers only|a reference to builtins\.object|__builtin__"):
            load(pickle.dumps(array, protocol))


@pytest.mark.parametrize(
    ("shape", "length"),
    [
        ((2, 3), 23),
        ((2, 3), 25),
        ((-1,), 4),
        ((2**40, 2**40), 4),
        ((2**62, 4), 0),
        ((1.5,), 4),
        ((True,), 4),
        ("2", 8),
        ((1,) * 33, 4),
        (None, 4),
    ],
)
def test_shapes_that_do_not_fit_the_bytes(shape, length):
    array = PickledArray()
    with pytest.raises(ValueError, match="expected an array"):
        array.set_state((1, shape, PickledType("<f4"), False, bytes(length)))


@pytest.mark.parametrize(
    "state",
    [
        None,
        (),
        (1, (1,), "f4", False, b"abcd"),
        [1, (1,), PickledType("f4"), False, b"abcd"],
        (1, (1,), PickledType("f4"), False, [0] * 4),
    ],
)
def test_states_of_other_types(state):
    with pytest.raises(ValueError, match="expected an array"):
        PickledArray().set_state(state)


def test_an_array_that_never_got_numbers():
    with pytest.raises(ValueError, match="an array that has numbers"):
        PickledArray().read()


@pytest.mark.parametrize(
    "code", ["O", "O8", "V8", "S4", "U4", "f16", "c8", "", "f4,f4", "(1000000,1000000)f4", 4, None, "M8[s]"]
)
def test_types_that_are_refused(code):
    with pytest.raises(ValueError, match="arrays of numbers only"):
        PickledType(code)


def test_byte_orders_that_are_none():
    kind = PickledType("f4")
    for state in (None, (), (3,), (3, "x"), (3, None), "<<"):
        with pytest.raises(ValueError, match="a byte order"):
            kind.set_state(state)
    kind.set_state((3, ">", None, None, None, -1, -1, 0))
    assert kind.type == np.dtype(">f4")
