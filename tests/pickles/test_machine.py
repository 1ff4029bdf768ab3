"""The pickle machine gives the plain values that Python's gives, and refuses everything else."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import time
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest

from stylegan_tf.pickles import machine
from stylegan_tf.pickles.arrays import NUMPY_NAMES
from stylegan_tf.pickles.machine import Builder, build_dictionary, load_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
DICTIONARIES = {("collections", "OrderedDict"): Builder(build_dictionary)}

PLAIN = {
    "none": None,
    "true": True,
    "false": False,
    "small": 7,
    "byte": 255,
    "two bytes": 65535,
    "negative": -1,
    "four bytes": 2**31 - 1,
    "long": 2**63 + 5,
    "longer": -(2**300),
    "longest": 2**3000,
    "float": -0.1,
    "infinity": float("inf"),
    "text": "text",
    "umlaut": "\xe4\u20ac\n\\",
    "long text": "x" * 300,
    "empty": "",
    "list": [1, [2, [3, []]]],
    "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    "dictionary": {"a": {"b": [1]}, 1: 2, None: 3},
}


def load(data, allowed=None):
    return load_pickle(io.BytesIO(data), allowed or {})


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN)
def test_plain_values(value, protocol):
    assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", [4, 5])
def test_bytes_and_sets(protocol):
    value = [b"abc", b"x" * 300, bytearray(b"abc") if protocol == 5 else b"", {1, 2}, frozenset({3})]
    assert load(pickle.dumps(value, protocol)) == [b"abc", b"x" * 300, value[2], [1, 2], [3]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_of_every_protocol(protocol):
    for value in (b"", b"\x00\xff"):
        assert load(pickle.dumps(value, protocol), NUMPY_NAMES) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_values_that_appear_twice_are_one(protocol):
    shared = ["shared"]
    a, b = load(pickle.dumps([shared, shared], protocol))
    assert a is b and a == shared


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_ordered_dictionary(protocol):
    value = OrderedDict([("b", 1), ("a", {"c": 2})])
    assert load(pickle.dumps(value, protocol), DICTIONARIES) == {"b": 1, "a": {"c": 2}}


def test_pickles_behind_each_other_in_one_file():
    file = io.BytesIO(b"".join(pickle.dumps(value, protocol) for protocol in PROTOCOLS for value in (1, "two", [3])))
    assert [load_pickle(file, {}) for _ in range(18)] == [1, "two", [3]] * 6
    assert file.read() == b""


def test_what_long_values_are_made_of():
    """The longest forms, which Python writes for gigabytes only."""
    assert load(b"\x8e" + struct.pack("<Q", 3) + b"abc.") == b"abc"
    assert load(b"\x8d" + struct.pack("<Q", 3) + b"abc.") == "abc"
    assert load(b"\x8b" + struct.pack("<i", 2) + b"\x00\x01.") == 256
    assert load(b"(I1\nI2\nd.") == {1: 2}
    assert load(b"(K\x01K\x02l.") == [1, 2]
    assert load(b"I01\n.") is True
    assert load(b"F1.5\n.") == 1.5
    assert load(b"(K\x01K\x02K\x03" + b"1K\x04.") == 4  # POP_MARK
    assert load(b"K\x01K\x020.") == 1
    assert load(b"K\x012\x86.") == (1, 1)


# What Python would carry out or import, in all the ways that a pickle can say it.
REFUSED = {
    "os.system": b"cos\nsystem\n(X\x04\x00\x00\x00truetR.",
    "posix.system": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    "builtins.eval": b"cbuiltins\neval\n(S'1'\ntR.",
    "builtins.exec": b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x041+1\n\x85\x81.",
    "operator.methodcaller": b"coperator\nmethodcaller\n(S'system'\nS'true'\ntR.",
    "builtins.getattr": b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93.",
    "subprocess.Popen": b"csubprocess\nPopen\n.",
    "os.path.join": b"\x80\x04\x8c\x02os\x8c\tpath.join\x93.",
    "numpy.load": b"cnumpy\nload\n.",
    "torch.load": b"ctorch\nload\n.",
    "functools.partial": b"cfunctools\npartial\n.",
    "copyreg._reconstructor": b"ccopyreg\n_reconstructor\n.",
    "dnnlib.tflib.network.Network.__init__": b"\x80\x04\x8c\x14dnnlib.tflib.network\x8c\x10Network.__init__\x93.",
}
DAMAGED = {
    "empty": b"", "no end": b"K\x01", "nothing": b".", "mark alone": b"(.", "text": b"hello", "zip": b"PK\x03\x04",
    "html": b"<!DOCTYPE html>", "unknown memory": b"h\x05.", "no mark": b"t.", "append to a number": b"K\x01K\x02a.",
    "pairs in a list": b"]K\x01K\x02s.", "half a pair": b"}(K\x01u.", "a list as key": b"}]K\x01s.",
    "a tuple as key": b"}K\x01\x85K\x01s.", "call a number": b"K\x01)R.", "call with a list": b"K\x01]R.",
    "state of a number": b"K\x01}b.", "state of a list": b"]}b.", "name of numbers": b"\x80\x04K\x01K\x02\x93.",
    "bytes of terabytes": b"\x8e" + struct.pack("<Q", 1 << 42) + b"abc.", "text of terabytes": b"\x8d" + b"\xff" * 8,
    "bytearray of terabytes": b"\x96" + struct.pack("<Q", 1 << 40), "number of gigabytes": b"\x8b\xff\xff\xff\x7f1.",
    "negative length": b"\x8b\xff\xff\xff\xff.", "digits": b"I" + b"9" * 5000 + b"\n.", "no digits": b"Iabc\n.",
    "no newline": b"I1", "no float": b"Fone\n.", "no text": b"X\x02\x00\x00\x00\xff\xff.", "quotes": b"S'a\n.",
}  # fmt: skip
INSTRUCTIONS = {
    "INST": b"(ios\nsystem\n.", "OBJ": b"(cos\nsystem\no.", "EXT1": b"\x82\x01.", "EXT2": b"\x83\x01\x00.",
    "EXT4": b"\x84\x01\x00\x00\x00.", "PERSID": b"Pid\n.", "NEXT_BUFFER": b"\x97.", "NEWOBJ_EX": b"]]]\x92.",
    "READONLY_BUFFER": b"]\x98.",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_is_refused_before_anything_happens(name):
    modules = set(sys.modules)
    with pytest.raises(ValueError, match=rf"nothing was run\. Received: a reference to {name}\.$"):
        load(REFUSED[name], {("dnnlib.tflib.network", "Network"): Builder(dict)})
    assert set(sys.modules) == modules


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damage(data):
    with pytest.raises(ValueError, match=r"^The pickle is damaged, cut short, or holds [a-z ]+: [ -~]+\.$"):
        load(data)


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_an_instruction_that_plain_values_do_not_need(name):
    with pytest.raises(ValueError, match=rf"plain values only\. Received: the instruction {name}\.$|os\.system\.$"):
        load(INSTRUCTIONS[name])


def test_names_cannot_write_to_the_terminal():
    with pytest.raises(ValueError) as error:
        load(b"\x80\x04\x8c\x05\x1b[31m\x8c\x05a\nb\rc\x93.")
    assert "\x1b" not in str(error.value) and "\n" not in str(error.value)
    assert r"\x1b[31m.a\nb\rc" in str(error.value)
    with pytest.raises(ValueError) as error:
        load(b"\x80\x04\x8c\xc8" + b"a" * 200 + b"\x8c\x01b\x93.")
    assert len(str(error.value)) < 250


def test_a_builder_decides_what_arguments_it_takes():
    class Record:
        def __init__(self, *arguments):
            self.arguments, self.states = arguments, []

        def set_state(self, state):
            self.states.append(state)

    names = {("a", "B"): Builder(Record), ("a", "one"): Builder(lambda one: one), ("a", "c"): 5}
    record = load(b"ca\nB\n(K\x01K\x02tR}X\x01\x00\x00\x00xK\x01sb.", names)
    assert (record.arguments, record.states) == ((1, 2), [{"x": 1}])
    assert load(b"ca\nB\n)\x81.", names).arguments == ()
    assert load(b"ca\nc\n.", names) == 5
    for data in (b"ca\none\n)R.", b"ca\nc\n)R.", b"ca\none\n(K\x01tR}b."):
        with pytest.raises(ValueError, match=r"^The pickle is damaged"):
            load(data, names)


def bounded(data, megabytes=20.0, seconds=20.0):
    """Reads a pickle; fails when it takes more memory or time."""
    tracemalloc.start()
    started = time.monotonic()
    try:
        return load(data)
    finally:
        assert time.monotonic() - started < seconds
        assert tracemalloc.get_traced_memory()[1] < megabytes * 2**20
        tracemalloc.stop()


@pytest.mark.slow
def test_bombs_take_no_memory():
    with pytest.raises(ValueError, match="expected remembered values to be counted from 0"):
        bounded(b"K\x01r\xff\xff\xff\xff.")  # as number four billion
    laughs = b"]q\x00" + b"".join(b"](" + b"h%c" % n * 10 + b"eq%c" % (n + 1) for n in range(100)) + b"."
    assert len(bounded(laughs)) == 10
    tuples = b")q\x00" + b"".join(b"(" + b"h%c" % n * 10 + b"tq%c" % (n + 1) for n in range(100)) + b"."
    assert len(bounded(tuples)) == 10
    with pytest.raises(ValueError, match="keys to be short words or small numbers"):
        bounded(tuples[:-1] + b"}hdK\x01s.")  # Python's dictionary would hash it for ever
    assert bounded(b"]" + b"]" * 50_000 + b"a" * 50_000 + b".") is not None  # deeply nested
    for opcode in (b"\x8e", b"\x8d", b"\x96"):
        with pytest.raises(ValueError, match="damaged"):
            bounded(opcode + struct.pack("<Q", 1 << 45) + b"x" * 100)


def test_long_numbers_and_keys():
    """Python would compute with them, and compare them, for as long as a file wishes."""
    assert load(b"\x8b" + struct.pack("<I", 512) + b"\x7f" * 512 + b".").bit_length() == 4095
    with pytest.raises(ValueError, match="expected numbers of at most 4096 bits"):
        load(b"\x8b" + struct.pack("<I", 514) + b"\x7f" * 514 + b".")
    for length in (1000, 1001):
        data = b"}X" + struct.pack("<I", length) + b"x" * length + b"K\x01s."
        if length == 1000:
            assert load(data) == {"x" * 1000: 1}
        else:
            with pytest.raises(ValueError, match="expected keys to be short words or small numbers"):
                load(data)


@pytest.mark.parametrize("use", [b"h\x00h\x01R", b"h\x00)Rh\x01b", b"h\x01Q"], ids=["arguments", "state", "id"])
def test_builders_get_a_value_once_or_twice(use):
    """So that what they do with it takes no longer than reading it did."""

    class Record:
        def __init__(self, *arguments):
            self.set_state = handed.append
            handed.extend(arguments)

    for value in (b"X" + struct.pack("<I", 10_000) + b"x" * 10_000, b"(" + b"N" * 10_000 + b"t"):
        for times in (2, 20):
            handed = []
            data = b"ca\nB\nq\x000" + value + b"\x85q\x010(" + use * times + b"t."
            file = io.BytesIO(data)
            if times == 2:
                load_pickle(file, {("a", "B"): Builder(Record)}, handed.append)
                assert len(handed) == 2
            else:
                with pytest.raises(ValueError, match="values to be used once or twice, not often"):
                    load_pickle(file, {("a", "B"): Builder(Record)}, handed.append)
                assert len(handed) <= 4


def test_the_number_of_instructions_is_limited(monkeypatch):
    monkeypatch.setattr(machine, "MOST_OPCODES", 1000)
    load(b"]" * 999 + b".")
    with pytest.raises(ValueError, match="more than 1,000 instructions"):
        load(b"]" * 1000 + b".")


def test_a_file_is_mapped(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(np.arange(3).tolist()))
    with machine.mapped(path) as file:
        assert load_pickle(file, {}) == [0, 1, 2]
    path.write_bytes(b"")
    with machine.mapped(path) as file, pytest.raises(ValueError, match="damaged, cut short"):
        load_pickle(file, {})
