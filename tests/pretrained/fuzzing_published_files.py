"""Mutates published files and reads them, see fuzzing.py.

python tests/pretrained/fuzzing_published_files.py SEED COUNT FOLDER
"""

from __future__ import annotations

import io
import pathlib
import random
import sys
from collections.abc import Callable
from typing import Any

from fuzzing import Mutate, change_bytes, change_values, instruction_places, main

from stylegan_tf.cli.convert import describe_conversion
from stylegan_tf.pickles.machine import load_pickle
from stylegan_tf.pretrained.published_file import PublishedFile
from stylegan_tf.pretrained.pytorch_file import read_pytorch_file
from stylegan_tf.pretrained.read import _ALLOWED, read_published_file
from stylegan_tf.pretrained.tensorflow_file import read_tensorflow_file
from stylegan_tf.training.conversion import Conversion, plan_conversion


def parts_of(value: Any) -> list[tuple[Any, Any]]:
    """Everything in what was unpickled, as (container, key)."""
    found, waiting, seen = [], [value], set()
    while waiting:
        value = waiting.pop()
        value = getattr(value, "state", value)  # arrays and tensors were checked when they were made
        if id(value) in seen or not isinstance(value, (dict, list, tuple)):
            continue
        seen.add(id(value))
        keys = list(value) if isinstance(value, dict) else range(len(value))
        if not isinstance(value, tuple):
            found += [(value, key) for key in keys]
        waiting += [value[key] for key in keys]
    return found


def change_records(unpickled: Any, draw: random.Random) -> None:
    """One to three values of what was unpickled become something else, for the readers behind the machine."""
    places = parts_of(unpickled)
    for _ in range(draw.choice([1, 1, 2, 3])):
        container, key = draw.choice(places)
        if isinstance(container, dict) and draw.random() < 0.2:
            container.pop(key, None)
            continue
        other, name = draw.choice(places)
        wrong = [
            None,
            True,
            0,
            -1,
            7,
            1 << 70,
            0.5,
            float("nan"),
            float("inf"),
            "",
            "x",
            "\x1b[2J",
            b"",
            [],
            {},
            (),
            [[]],
            {"a": 1},
        ]
        kept = other[name] if isinstance(other, list) and name < len(other) else None
        container[key] = draw.choice([*wrong, other.get(name) if isinstance(other, dict) else kept])


def plan(file: PublishedFile, path: pathlib.Path) -> Conversion:
    """Works out what a file becomes, and describes it in lines that are fit to be printed."""
    conversion = plan_conversion(file, path.with_name("run"))
    if not all(line.isprintable() for line in describe_conversion(file, conversion).split("\n")):
        raise AssertionError("a description that could change a terminal")
    return conversion


def read(path: pathlib.Path) -> None:
    """All that is done with a file before networks are built."""
    plan(read_published_file(path), path)


def read_changed(data: bytes, draw: random.Random) -> None:
    """The same with what was unpickled of a sound file, changed."""
    unpickled = load_pickle(io.BytesIO(data), _ALLOWED)
    change_records(unpickled, draw)
    found = read_tensorflow_file(unpickled) or read_pytorch_file(unpickled)
    if found is None:
        raise ValueError("networks: something else")
    plan(found, pathlib.Path("run"))


def of_published_files(folder: pathlib.Path) -> Mutate:
    """Mutations of all pickles in a folder."""
    paths = sorted(folder.glob("*.pkl"))
    files = [path.read_bytes() for path in paths]
    places = [instruction_places(data) for data in files]
    for path in paths:
        read(path)  # imports everything

    def mutate(draw: random.Random) -> tuple[bytes, Callable[[pathlib.Path], None]]:
        index = draw.randrange(len(files))
        if draw.random() < 0.3:
            return files[index], lambda path: read_changed(path.read_bytes(), draw)
        if draw.random() < 0.6:
            return change_values(files[index], places[index], draw), read
        return change_bytes(files[index], places[index], draw.choice(files), draw), read

    return mutate


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), of_published_files(pathlib.Path(sys.argv[3])))
