"""What a file of strangers takes, in steps and in memory, grows no faster than the file; see counted.py."""

from __future__ import annotations

import contextlib
import io
import itertools
import struct
import tracemalloc
from collections.abc import Callable

import pytest
from counted import counting

from stylegan_tf.features.torch_checkpoint import read_torch_checkpoint
from stylegan_tf.pickles.machine import load_pickle
from stylegan_tf.pretrained.pytorch_file import read_pytorch_file
from stylegan_tf.pretrained.read import _ALLOWED
from stylegan_tf.pretrained.tensorflow_file import read_tensorflow_file

SAME_HASH = (1 << 61) - 1  # Python's hash of every multiple is 0
SMALL = 300

NETWORK = b"cdnnlib.tflib.network\nNetwork\n"
MODULE = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n"
TABLE = b"ccollections\nOrderedDict\n"


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value


def integer(value):
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return (b"\x8a" + bytes([len(data)]) if len(data) < 256 else b"\x8b" + struct.pack("<I", len(data))) + data


def crowd(count, of=SAME_HASH):
    """Numbers that a dictionary of Python keeps in one place."""
    return [integer(number * of) for number in range(1, count + 1)]


def laughs(count, wrap=b"t"):
    """A value that holds the one before ten times, again and again."""
    levels = (b"(" + b"h%c" % level * 10 + wrap + b"q%c" % (level + 1) for level in range(2, min(count // 5, 200)))
    return b")q\x02" + b"".join(levels)


def items(values):
    return b"}(" + b"".join(value + b"N" for value in values) + b"u"


def state(entries):
    return b"}(" + b"".join(text(name) + value for name, value in entries.items()) + b"u"


def variables(*pairs):
    return NETWORK + b")\x81" + state({b"variables": b"](" + b"".join(pairs) + b"e"}) + b"b"


def repeated(value, use, count):
    """A list of what is done with a value that is remembered as number 1; OrderedDict is number 0."""
    return b"ccollections\nOrderedDict\nq\x000" + value + b"q\x010](" + use * count + b"e"


# Long values to be used often, by how long they are.
VALUES: dict[str, Callable[[int], bytes]] = {
    "a list": lambda count: b"](" + b"N" * count + b"e",
    "a tuple": lambda count: b"(" + b"N" * count + b"t",
    "nested tuples": laughs,
    "nested lists": lambda count: laughs(count, b"l"),
    "deep tuples": lambda count: b")" + b"\x85" * count,
    "pairs": lambda count: b"](" + b"".join(text(b"%d" % index) + b"N\x86" for index in range(count)) + b"e",
    "crowded pairs": lambda count: b"](" + b"".join(number + b"N\x86" for number in crowd(count)) + b"e",
    "a table": lambda count: items(text(b"%d" % index) for index in range(count)),
    "a crowded table": lambda count: items(crowd(count)),
    "a word": lambda count: text(b"x" * 10 * count),
    "bytes": lambda count: b"B" + struct.pack("<I", 10 * count) + b"x" * 10 * count,
    "a long number": lambda count: integer((1 << 8 * count) - 1),
    "digits": lambda count: b"L" + b"9" * 10 * count + b"L\n",
    "a float": lambda count: b"F0." + b"4" * 10 * count + b"\n",
}
USES = {
    "put": b"h\x01", "doubled": b"h\x012", "in a tuple": b"h\x01h\x01\x86", "as a key": b"}h\x01Ns",
    "as values": b"}K\x01h\x01sK\x02h\x01s", "as pairs": b"h\x00h\x01\x85R", "as arguments": b"h\x00h\x01R",
    "as a word of two": b"c_codecs\nencode\nh\x01X\x06\0\0\0latin1\x86R", "as a set": b"c__builtin__\nset\nh\x01\x85R",
    "as a list to add": b"](h\x01h\x01e", "as a list to add to": b"h\x01(NNe0h\x01",
    "as a state": NETWORK + b")\x81h\x01b",
    "as a module": MODULE + b"h\x01\x85R", "as a type": b"cnumpy\ndtype\nh\x01\x85R",
    "as a shape": b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01h\x01cnumpy\ndtype\n(U\x02u1tR\x89h\x01tb",
    "remembered": b"h\x01q\x030", "as a name": b"h\x01h\x01\x93", "as an id": b"h\x01Q",
}  # fmt: skip

# Files that are one whole.
FILES: dict[str, Callable[[int], bytes]] = {
    "keys of one hash": lambda count: items(crowd(count)),
    "keys of one hash, one by one": lambda count: b"}" + b"".join(number + b"Ns" for number in crowd(count)),
    "keys of one hash, made at once": lambda count: b"(" + b"".join(number + b"N" for number in crowd(count)) + b"d",
    "keys of one place": lambda count: items(crowd(count, 1 << 40)),
    "keys below zero": lambda count: items(integer(-number * SAME_HASH) for number in range(1, count + 1)),
    "keys that are floats": lambda count: b"}" + b"".join(b"G" + struct.pack(">d", 2.0**(61 + n % 900)) + b"Ns"
                                                          for n in range(count)),
    "pairs of one hash": lambda count: TABLE + VALUES["crowded pairs"](count) + b"\x85R",
    "places of one hash": lambda count: b"N" + b"".join(b"p%d\n" % (n * SAME_HASH) for n in range(count)),
    "places far apart": lambda count: b"N" + b"".join(b"r" + struct.pack("<I", n << 16) for n in range(count)),
    "values of one hash, asked for": lambda count: b"N" + b"".join(
        b"p%d\ng%d\n" % (n * SAME_HASH, n * SAME_HASH) for n in range(count)
    ),
    "variables of long names": lambda count: NETWORK + b")\x81" + state({b"components": b"}(" + b"".join(
        text(b"%d" % n) + (b"h\x00" if n else variables(text(b"x" * 1000 * count) + b"K\x01\x86") + b"q\x00")
        for n in range(8)
    ) + b"u"}) + b"b",
    "nested arguments": lambda count: laughs(count) + b"q\xf00" + NETWORK + b")\x81" + state({
        b"static_kwargs": state({b"label_size": b"h\xf0", b"fused_scale": b"h\xf0", b"blur_filter": b"h\xf0"}),
        b"variables": b"](X\x0b\0\0\0dlatent_avgG\0\0\0\0\0\0\0\0\x86e",
    }) + b"b",
    "nested variables": lambda count: laughs(count) + b"q\xf00" + variables(b"h\xf0h\xf0\x86"),
    "modules that share their tables": lambda count: items(text(b"%d" % n) for n in range(900)) + b"q\x010}" + text(
        b"G"
    ) + MODULE + state({b"state": state({b"_modules": b"}(" + b"".join(
        text(b"%d" % n) + MODULE + state({b"state": state({b"_buffers": b"h\x01"})}) + b"\x85R" for n in range(count)
    ) + b"u"})}) + b"\x85Rs",
    "records in records": lambda count: b"N" + (b"q\x000" + MODULE + b"}X\5\0\0\0state}X\1\0\0\0ah\x00ss\x85R") * count,
}  # fmt: skip


def read(data):
    with contextlib.suppress(ValueError):
        unpickled = load_pickle(io.BytesIO(b"\x80\x04" + data + b"."), _ALLOWED)
        read_tensorflow_file(unpickled)
        read_pytorch_file(unpickled)


def taken(act, data):
    """Steps, and bytes of memory at most."""
    tracemalloc.start()
    try:
        act(data)
        memory = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    with counting(calls=True) as steps:
        act(data)
    return steps.count, memory


def check_growth(make, act=read, small=SMALL):
    """Doubles the count, and again."""
    files = [make(small << doubling) for doubling in range(3)]
    found = [taken(act, data) for data in files]
    for (steps, memory), (more_steps, more_memory) in itertools.pairwise(found):
        assert more_steps <= 2.1 * steps + 200, found
        assert more_memory <= 2.2 * memory + 100_000, found
    for data, (steps, memory) in zip(files, found, strict=True):
        assert steps <= 2_000_000 + 100 * len(data) and memory <= 10_000_000 + 100 * len(data), found


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
@pytest.mark.slow
def test_files(make):
    check_growth(make)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_long_values_that_are_used_often(value, use):
    check_growth(lambda count: repeated(value(count), use, count), small=SMALL // 3)


def tensors(count, key):
    """A checkpoint whose tensors look at two storages in turn; both have the same long key."""
    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + key + text(b"cpu") + b"K\x01NtQ"
    views = (
        text(b"%d" % number) + b"ctorch._utils\n_rebuild_tensor_v2\n(h" + bytes([number % 2]) + b"K\x00))\x89NtR"
        for number in range(count)
    )
    table = storage + b"q\x000" + storage + b"q\x010}(" + b"".join(views) + b"u"
    parts = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19", b"M\xe9\x03", b"}", table, b"]" + key + b"a"
    return b"".join(b"\x80\x02" + part + b"." for part in parts) + struct.pack("<qf", 1, 0.5)


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.slow
def test_tables_of_tensors(tmp_path, long):
    path = tmp_path / "weights.pth"

    def make(count):
        return tensors(count, text(b"x" * 100 * count if long else b"0"))

    def act(data):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="expected a plain storage") if long else contextlib.nullcontext():
            assert len(read_torch_checkpoint(path)) >= SMALL

    check_growth(make, act)
