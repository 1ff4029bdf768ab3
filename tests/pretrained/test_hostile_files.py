"""Files that want to harm whoever reads them get one line, and nothing of them happens."""

from __future__ import annotations

import os
import pathlib
import pickle
import resource
import subprocess
import sys

import numpy as np
import pytest
import warm_python
from tensorflow_pickle import Network, pickled

from stylegan_tf.pretrained.pytorch_file import PickledModule, read_pytorch_file
from stylegan_tf.pretrained.read import read_published_file
from stylegan_tf.training.conversion import plan_conversion

PICKLES = pathlib.Path(__file__).parents[1] / "reference" / "pickles"
STYLEGAN, PYTORCH = PICKLES / "stylegan1_2019style.pkl", PICKLES / "stylegan2_ada_2021style.pkl"
CANARY = "the-file-ran"


class Runs:
    """Unpickled, it would make a file."""

    def __init__(self, folder, function=None):
        self.call = function or pathlib.Path.touch, (folder / CANARY,)

    def __reduce__(self):
        return self.call


def refuse(path, words=None):
    """Reads and plans; the error must be one line that names the file. Gives the line."""
    with pytest.raises(ValueError, match=words) as error:
        plan_conversion(read_published_file(path), path.with_name("run"))
    line = str(error.value)
    assert "\n" not in line and "\x1b" not in line and len(line) < 1000
    return line


@pytest.fixture
def path(tmp_path):
    return tmp_path / "networks.pkl"


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("where", ["alone", "in the tuple", "in the arguments", "as a variable", "as the state"])
def test_a_file_that_calls(path, tmp_path, where, protocol):
    hostile = Runs(tmp_path)
    network = {
        "alone": hostile,
        "in the tuple": (None, None, hostile),
        "in the arguments": Network("Gs", "G_style", {"label_size": hostile}, {}),
        "as a variable": Network("Gs", "G_style", {}, {"dlatent_avg": hostile}),
        "as the state": Network("Gs", "G_style", hostile, {}),
    }[where]
    path.write_bytes(pickled(network) if isinstance(network, Network) else pickle.dumps(network, protocol))
    assert "a reference to " in refuse(path, "nothing was run")
    assert not (tmp_path / CANARY).exists()


@pytest.mark.slow
def test_the_command_prints_one_line_and_writes_nothing(path, tmp_path):
    path.write_bytes(pickle.dumps(Runs(tmp_path)))
    command = [sys.executable, "-m", "stylegan_tf.cli.convert", f"--pickle={path}", f"--output_dir={tmp_path / 'run'}"]
    done = warm_python.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr.count("\n") == 1 and "nothing was run. Received: a reference to pathlib.Path.touch" in done.stderr
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["networks.pkl"]


def test_source_code_in_a_file_is_left_alone(path):
    """Real files hold pages of it; here it would end the process, or could not even be compiled."""
    for code in ("import os; os._exit(1)", "def (", "\x00"):
        source = b"X" + len(code).to_bytes(4, "little") + code.encode()
        data = PYTORCH.read_bytes()
        assert data.count(b"X\x00\x00\x00\x00") >= 1
        path.write_bytes(data.replace(b"X\x00\x00\x00\x00", source))
        assert read_published_file(path).generator.arrays.keys() == read_published_file(PYTORCH).generator.arrays.keys()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x8c\x14dnnlib.tflib.network", b"\x8c\x05posix"),
        (b"\x8c\x14dnnlib.tflib.network", b"\x8c\x08builtins"),
        (b"\x8c\x07Network", b"\x8c\x0eNetwork.run_it"),
        (b"\x8c\x07ndarray", b"\x8c\x06memmap"),
        (b"\x8c\x05dtype", b"\x8c\x05fromf"),
        (b"\x8c\x0c_reconstruct", b"\x8c\x04load"),
    ],
)
def test_other_names_in_a_real_file(path, old, new):
    data = STYLEGAN.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    assert "a reference to " in refuse(path, "nothing was run")


WRONG = {
    "number": 5,
    "text": "text",
    "two networks": (1, 2),
    "four": (1, 2, 3, 4),
    "dictionary": {"a": 1},
    "empty dictionary": {},
    "nothing": None,
    "list": [[]],
    "numbers": (1, 2, 3),
    "no networks": (None,) * 3,
}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
def test_pickles_of_something_else(path, value):
    path.write_bytes(pickle.dumps(value))
    refuse(path, r"must hold published networks.* Received: a pickle of type \w+\.$|must be a sound pickle")


def network(**changes):
    """A network's state with some entries of the wrong kind."""
    made = Network("Gs", "G_style", {}, {})
    made._state = {**made._state, **changes}
    return made


CYCLE = network()
CYCLE._state["components"] = {"synthesis": CYCLE}
ARRAY = np.zeros(3, np.float32)
DAMAGED = {
    "arguments a text": network(static_kwargs="text"),
    "arguments a list": network(static_kwargs=[1]),
    "arguments by number": network(static_kwargs={1: 2}),
    "components a list": network(components=[1]),
    "a component that is a number": network(components={"synthesis": 5}),
    "components in themselves": CYCLE,
    "variables a dictionary": network(variables={"a": ARRAY}),
    "a variable without a name": network(variables=[ARRAY]),
    "a variable with a number as name": network(variables=[(1, ARRAY)]),
    "variables twice": network(variables=[("a", ARRAY)] * 2),
    "a variable that is a text": network(variables=[("a", "text")]),
    "no variables": network(),
    "a variable that is a list": network(variables=[("a", [1.0])]),
    "variables in threes": network(variables=[("a", ARRAY, 1)]),
    "not a number": network(variables=[("dlatent_avg", np.array([np.nan], np.float32))]),
    "too large for float32": network(variables=[("dlatent_avg", np.array([1e300]))]),
    "an endless scalar": network(variables=[("dlatent_avg", ARRAY), ("lod", float("inf"))]),
    "labels": network(static_kwargs={"label_size": "many"}, variables=[("dlatent_avg", ARRAY)]),
    "negative labels": network(static_kwargs={"label_size": -5}, variables=[("4x4/Dense/weight", ARRAY)]),
    "names of terminals": network(variables=[("\x1b[2J\n", "text")]),
    "an array of no dimension": network(variables=[("dlatent_avg", np.float32(1)), ("G_mapping/x", ARRAY)]),
}


@pytest.mark.parametrize("value", DAMAGED.values(), ids=DAMAGED)
def test_networks_with_wrong_parts(path, value):
    path.write_bytes(pickled((None, None, value)))
    refuse(path)


def test_state_with_slots(path):
    """How Python sets attributes of classes with slots."""
    path.write_bytes(b"\x80\x02cdnnlib.tflib.network\nNetwork\n)\x81N}X\x05\x00\x00\x00stateNs\x86b.")
    refuse(path, "the state of a network in the published file must be a dictionary of names")


def test_a_folder_and_no_file(path):
    with pytest.raises(OSError):
        read_published_file(path)
    path.mkdir()
    refuse(path, "received a directory")
    os.mkfifo(path.with_name("pipe"))
    refuse(path.with_name("pipe"), "received a pipe or a device")


@pytest.mark.slow
def test_truncated_anywhere(path):
    for source in (STYLEGAN, PYTORCH):
        data = source.read_bytes()
        for length in range(0, len(data), 1997):
            path.write_bytes(data[:length])
            refuse(path, "must be a sound pickle")


def test_modules_in_themselves(path):
    """A module whose only module is itself."""
    data = (
        b"\x80\x02}X\x01\x00\x00\x00Gctorch_utils.persistence\n_reconstruct_persistent_obj\n"
        b"}(X\x05\x00\x00\x00state}X\x08\x00\x00\x00_modules}q\x01ssu\x85Rq\x02sh\x01X\x01\x00\x00\x00ah\x02s0."
    )
    path.write_bytes(data)
    assert "at most 8 levels deep" in refuse(path)


def _limited():
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))


BOMBS = {
    "length": b"\x8e" + (1 << 42).to_bytes(8, "little"),
    "memory": b"K\x01r\xff\xff\xff\xff.",
    "lists": b"]" * 3_000_000 + b".",
    "laughs": b"]q\x00" + b"".join(b"](" + b"h%c" % n * 50 + b"eq%c" % (n + 1) for n in range(200)) + b".",
}
EACH = """
import sys
from stylegan_tf.cli import app, convert
for path in sys.argv[1:]:
    convert.FLAGS.unparse_flags()
    try:
        app.run(convert.main, ["convert", f"--pickle={path}", f"--output_dir={path}.run"], convert.FLAGS)
    except SystemExit as stop:
        print(stop.code)
"""


@pytest.mark.slow
def test_bombs_in_a_small_house(path):
    """With 12 GiB of addresses, of which TensorFlow takes most. One process is given all of them: it takes long."""
    paths = [path.with_name(f"{name}.pkl") for name in BOMBS]
    for bomb, data in zip(paths, BOMBS.values(), strict=True):
        bomb.write_bytes(data)
    command = [sys.executable, "-c", EACH, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, preexec_fn=_limited)
    assert (done.returncode, done.stdout) == (0, "2\n" * len(BOMBS)), done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(BOMBS), done.stderr
    assert all(str(bomb) in line for bomb, line in zip(paths, lines, strict=True)), lines


@pytest.mark.parametrize(
    ("start", "meaning"),
    [
        (b"", "an empty file"),
        (b"Dear reader", "a file that does not begin as pickles do"),
        (b"\x89PNG\r\n", "a picture"),
        (b"\xff\xd8\xff\xe0", "a picture"),
        (pickle.dumps(np.zeros(3)), "an array"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\n <!DOCTYPE html>", "a web page"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\x93NUMPY\x01", "a NumPy array"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2), "a checkpoint of torch.save"),
    ],
)
def test_files_of_other_formats_are_called_by_their_name(path, start, meaning):
    path.write_bytes(start)
    refuse(path, f"[Rr]eceived:? {meaning}")


def test_alias_free_networks_are_called_by_their_name():
    parts = {
        "synthesis": PickledModule(
            {
                "class_name": "SynthesisNetwork",
                "state": {"_modules": {"input": PickledModule({"class_name": "SynthesisInput", "state": {}})}},
            }
        )
    }
    generator = PickledModule({"class_name": "Generator", "state": {"_modules": parts}})
    with pytest.raises(ValueError, match="StyleGAN3's alias-free networks cannot be read"):
        read_pytorch_file({"G": None, "D": None, "G_ema": generator})
