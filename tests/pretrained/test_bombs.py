"""Small files that mean much work, by using one value in many places, are refused before the work is done."""

from __future__ import annotations

import faulthandler
import struct
import tracemalloc

import numpy as np
import pytest

from stylegan_tf.pretrained.published_file import checked_arrays
from stylegan_tf.pretrained.read import read_published_file
from stylegan_tf.pretrained.tensorflow_file import PickledNetwork, read_tensorflow_file
from stylegan_tf.training.conversion import plan_conversion

NETWORK = b"cdnnlib.tflib.network\nNetwork\n"
MODULE = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n"
TYPE = b"cnumpy\ndtype\n(U\x02u1tR"
AGAIN = b"h\x00h\x01R" * 20_000  # calls the first value with the second


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value


def number(value):
    return b"J" + struct.pack("<i", value)


def table(entries):
    return b"}(" + b"".join(text(name) + value for name, value in entries) + b"u"


def repeated(maker, argument, again=AGAIN):
    """A list of what a maker makes of one long argument, again and again."""
    return b"\x80\x03" + maker + b"q\x000" + argument + b"q\x010](" + again + b"e."


def stream(size):
    """A storage, with its numbers, as torch.save writes it alone."""
    pid = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + number(size) + b"NtQ."
    magic = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    parts = (magic, b"M\xe9\x03.", b"}.", pid, b"]" + text(b"0") + b"a.")
    return b"".join(b"\x80\x02" + part for part in parts) + struct.pack("<q", size) + bytes(4 * size)


def many(count, value=b"N"):
    return [(b"%d" % index, value) for index in range(count)]


def module(state):
    return MODULE + table([(b"state", state)]) + b"\x85R"


def network(state):
    return NETWORK + b")\x81" + state + b"b"


def nested(count, levels, wrap, key):
    """Levels that each hold the one below under many names: as many as atoms, all of them one and the same."""
    data = wrap(b"}") + b"q\x00"
    for level in range(levels):
        data = b"0".join([data, wrap(table([(key, table(many(count, b"h%c" % level)))])) + b"q%c" % (level + 1)])
    return data


def shared_array(count, code, size):
    """A network whose variables are all the same array."""
    kind = TYPE.replace(b"u1", code)
    state = b"(K\x01" + number(size) + b"\x85" + kind + b"\x89B" + struct.pack("<I", size * int(code[1:]))
    array = ARRAY + b")R" + state + bytes(size * int(code[1:])) + b"tbq\x01"
    names = b"".join(text(name) + b"h\x01\x86" for name, _ in many(count))
    return b"\x80\x03" + network(table([(b"variables", b"](" + text(b"x") + array + b"\x86" + names + b"e")])) + b"."


def shared_modules(kind, content):
    """A generator of many modules that share a long table."""
    inner = MODULE + b"}" + text(b"state") + b"}" + text(kind) + b"h\x00ss\x85R"
    modules = table([(b"_modules", table(many(900, inner)))])
    return b"\x80\x03" + content + b"q\x000}" + text(b"G") + module(modules) + b"s."


STREAM = stream(250_000)
SMALL = stream(1)
TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\nB"
    + struct.pack("<I", len(SMALL))
    + SMALL
    + b"\x85RK\x00K\x01\x85K\x01\x85\x89}tR"
)
LONG = b"a" * 1_000_000
HUGE = b"\x8b" + struct.pack("<I", 1_000_000) + b"\x7f" * 1_000_000
BOMBS = {
    "a set of a list": repeated(b"c__builtin__\nset\n", b"](" + b"N" * 100_000 + b"e\x85"),
    "dictionaries of pairs": repeated(
        b"ccollections\nOrderedDict\n",
        b"](" + b"".join(number(index) + b"N\x86" for index in range(20_000)) + b"e\x85",
    ),
    "bytes of a text": repeated(b"c_codecs\nencode\n", text(LONG) + text(b"latin1") + b"\x86"),
    "arguments that are left alone": repeated(ARRAY, b"(" + b"N" * 100_000 + b"t"),
    "arrays of a text": repeated(
        ARRAY, b"(K\x01" + number(1_000_000) + b"\x85" + TYPE + b"\x89" + text(LONG) + b"t", b"h\x00)Rh\x01b" * 20_000
    ),
    "states of networks": repeated(NETWORK, table(many(20_000)), b"h\x00)\x81h\x01b" * 10_000),
    "tables of modules": repeated(MODULE, table([(b"state", b"}"), *many(20_000)]) + b"\x85"),
    "states of modules": repeated(MODULE, table([(b"state", table(many(20_000)))]) + b"\x85"),
    "storages": repeated(
        b"ctorch.storage\n_load_from_bytes\n", b"B" + struct.pack("<I", len(STREAM)) + STREAM + b"\x85"
    ),
    "a large number as key": b"\x80\x02}(" + HUGE + b"q\x00N" + b"h\x00N" * 100_000 + b"u.",
    "a long word as key": b"\x80\x02}(" + text(LONG) + b"N" + text(LONG) + b"q\x00N" + b"h\x00N" * 100_000 + b"u.",
    "large numbers as a shape": repeated(
        ARRAY, b"(K\x01(" + HUGE + b"q\x02" + b"h\x02" * 31 + b"t" + TYPE + b"\x89C\x01at", b"h\x00)Rh\x01b"
    ),
    "modules in modules": b"\x80\x02" + nested(100, 6, module, b"_modules") + b"q\x000}" + text(b"G") + b"h\x00s.",
    "components in components": b"\x80\x02" + nested(900, 2, network, b"components") + b".",
    "one array of bytes": shared_array(9000, b"u1", 100_000),
    "one array of doubles": shared_array(9000, b"f8", 50_000),
    "tables of parameters in every module": shared_modules(b"_parameters", table(many(900, TENSOR))),
    "one list of parameters": shared_modules(b"_parameters", table(many(20_000))),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.slow
def test_refused_before_time_and_memory_are_taken(tmp_path, name):
    path = tmp_path / "networks.pkl"
    path.write_bytes(BOMBS[name])
    assert len(BOMBS[name]) < 5_000_000
    faulthandler.dump_traceback_later(120, exit=True)  # each takes a second, or would take hours
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as error:
            plan_conversion(read_published_file(path), tmp_path / "run")
        assert tracemalloc.get_traced_memory()[1] < 150 * 2**20
    finally:
        tracemalloc.stop()
        faulthandler.cancel_dump_traceback_later()
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_the_same_variables_in_every_component():
    leaf, root = PickledNetwork(2019), PickledNetwork(2019)
    leaf.set_state({"variables": [(f"v{number}", 0.0) for number in range(900)]})
    root.set_state({"components": {f"c{number}": leaf for number in range(8)}})
    with pytest.raises(ValueError, match="arrays of a network in the published file must be at most 5,000"):
        read_tensorflow_file(root)


def test_arrays_that_lie_on_each_other():
    """A little is allowed, for filters; not much, in any order and layout."""
    numbers = np.arange(600_000, dtype=np.float64)
    halves = checked_arrays({"a": numbers[:300_000], "b": numbers[300_000:].reshape(2, -1).T, "none": numbers[3:3]})
    np.testing.assert_array_equal(halves["b"][:2], [[300_000, 450_000], [300_001, 450_001]])
    assert len(checked_arrays({"a": numbers, "b": numbers[:9], "c": numbers[:9]})) == 3
    still = np.lib.stride_tricks.as_strided(numbers, (200_000,), (0,))
    for other in (numbers[5:], numbers[::4], numbers[-200_000:], still):
        for pair in ((numbers, other), (other, numbers)):
            with pytest.raises(ValueError, match="array [ab] .* must be made of its own numbers"):
                checked_arrays(dict(zip("ab", pair, strict=True)))
    with pytest.raises(ValueError, match="made of its own numbers"):
        checked_arrays({"a": still, "b": np.lib.stride_tricks.as_strided(numbers[1:], (200_000,), (0,))})
    with pytest.raises(ValueError, match="made of its own numbers"):
        checked_arrays({"a": numbers, **{f"b{index}": numbers[:9_000] for index in range(20)}})
