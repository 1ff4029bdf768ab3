"""Mutates files and reads them, watched: what fuzzing_published_files.py and fuzzing_checkpoints.py share.

Both are run as processes of their own. A mutated file may be read or refused with a ValueError. Anything else ends the
process: another exception, more steps than its size allows (see counted.py), more than a few seconds, and, told by an
audit hook, an import, a compilation, a call to the system, a file that is written.

Prints a line of JSON: files tried, files that could be read, the most steps for a byte, and how often the most
frequent errors came.
"""

from __future__ import annotations

import codecs
import collections
import json
import os
import pathlib
import pickletools
import random
import re
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable

from counted import counting

Mutate = Callable[[random.Random], tuple[bytes, Callable[[pathlib.Path], None]]]  # a file, and what reads it

SECONDS = 20.0  # for one file; it takes milliseconds
MOST_STEPS = 2.0  # for each byte of a file and a thousand more; sound ones take less than one
SAME_HASH = (1 << 61) - 1  # Python's hash of every multiple is 0

# Instructions that mutations put anywhere: names to be called, bombs, and lengths that lie.
NASTY = [
    b"cos\nsystem\n(X\x04\x00\x00\x00truetR",
    b"\x8c\x02os\x8c\x06system\x93",
    b"(ios\nsystem\n",
    b"\x82\x01",
    b"Pid\n",
    b"Q",
    b"r\xff\xff\xff\xff",
    b"\x8e" + b"\xff" * 7 + b"\x00",
    b"\x8d" + b"\xff" * 7 + b"\x00",
    b"\x96" + b"\xff" * 7 + b"\x00",
    b"\x8b\xff\xff\xff\x7f",
    b"\x85" * 500,
    b"]" * 500,
    b"2" * 500,
    b"(" * 500,
    b"0",
    b"1",
    b"b",
    b"R",
    b"\x81",
    b"\x92",
    b"N",
    b"a",
    b"e",
    b"s",
    b"u",
    b"t",
    b"}b",
    b"Nb",
    b"K\x00",
    b"G\x7f\xf8\x00\x00\x00\x00\x00\x00",
    b"J\xff\xff\xff\x7f",
    b"h\x00",
    b"j\x00\x00\x00\x00",
    b"\x8a\x08" + b"\xff" * 7 + b"\x7f",
    b".",
    b"\x00",
    b"p%d\n" % SAME_HASH,
    b"r\x00\x00\x01\x00",
    b"h\x00h\x00s",
    b"h\x00b",
]


def crowd(draw: random.Random) -> bytes:
    """Numbers of one hash, as keys or to remember a value by, one by one or all at once."""
    numbers = [number * SAME_HASH for number in range(draw.choice([10, 300, 1000]))]
    kind = draw.randrange(4)
    if kind == 0:
        return b"N" + b"".join(b"p%d\n" % number for number in numbers)
    keys = [b"\x8a\x09" + number.to_bytes(9, "little") for number in numbers]
    if kind == 1:
        return b"}" + b"".join(key + b"Ns" for key in keys)
    if kind == 2:
        return b"}(" + b"".join(key + b"N" for key in keys) + b"u"
    return b"ccollections\nOrderedDict\n](" + b"".join(key + b"N\x86" for key in keys) + b"e\x85R"


def instruction_places(data: bytes) -> list[int]:
    """Where instructions begin."""
    return [place for _, _, place in pickletools.genops(data)]


def change_values(data: bytes, places: list[int], draw: random.Random) -> bytes:
    """One to four instructions are replaced by others of the file, left out, or doubled: the rest stays sound."""
    pieces = [data[start:end] for start, end in zip(places, [*places[1:], len(data)], strict=True)]
    values = [index for index, piece in enumerate(pieces) if piece[:1] not in b"\x80\x95.q\x94r"]
    for _ in range(draw.choice([1, 1, 2, 4])):
        index = draw.choice(values)
        pieces[index] = draw.choice(
            [
                lambda index: pieces[draw.choice(values)],
                lambda index: pieces[draw.choice(values)],
                lambda index: draw.choice(NASTY),
                lambda index: crowd(draw),
                lambda index: b"",
                lambda index: pieces[index] * 2,
                lambda index: b"K" + bytes([draw.randrange(256)]),
                lambda index: b"J" + draw.randbytes(4),
                lambda index: b"\x8a\x08" + draw.randbytes(8),
                lambda index: b"N",
                lambda index: b"G" + draw.randbytes(8),
                lambda index: b"\x8c\x01x",
            ]
        )(index)
    return b"".join(pieces)


def change_bytes(data: bytes, places: list[int], other: bytes, draw: random.Random) -> bytes:
    """One to four changes, most of them at an instruction."""
    for _ in range(draw.choice([1, 1, 1, 2, 3, 4])):
        place = draw.choice(places) if draw.random() < 0.85 else draw.randrange(len(data) + 1)
        place = min(place + draw.choice([0, 0, 1, 2, 3, 8]), max(len(data) - 1, 0))
        length = draw.choice([1, 1, 2, 4, 16, 200, 5000])
        kind = draw.randrange(9)
        if kind == 0:
            data = data[:place] + bytes([draw.randrange(256)]) + data[place + 1 :]
        elif kind == 1 and data:
            data = data[:place] + bytes([data[place] ^ (1 << draw.randrange(8))]) + data[place + 1 :]
        elif kind == 2:
            data = data[:place] + data[place + length :]
        elif kind == 3:
            data = data[:place] + data[place : place + length] + data[place:]
        elif kind == 4:
            data = data[:place] + draw.choice(NASTY) + data[place:]
        elif kind == 5:
            data = data[:place] + draw.choice(NASTY) + data[place + length :]
        elif kind == 6:
            data = (
                data[:place]
                if draw.random() < 0.3
                else data[:place] + draw.choice([b"\x00", b"\xff"]) * 4 + data[place + 4 :]
            )
        elif kind == 7:
            source = draw.randrange(len(other))
            data = data[:place] + other[source : source + length] + data[place:]
        else:
            target = draw.choice(places)
            data = data[:place] + data[target : target + length] + data[place + length :]
    return data


class Watch:
    """Ends the process when something happens that reading a file must not do."""

    FORBIDDEN = re.compile(
        r"os\.(system|exec|fork|spawn|posix_spawn|remove|rename|mkdir|kill|putenv|chmod|link|symlink|truncate)|subprocess|"
        r"socket|ctypes|exec$|compile$|import$|marshal|pickle\.find_class|shutil|code\.|pty|webbrowser|http|urllib"
    )

    def __init__(self) -> None:
        self.on = False
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self.on:
            return
        writes = event == "open" and (not isinstance(arguments[1], str) or set(arguments[1]) & set("wax+"))
        if self.FORBIDDEN.match(event) or (writes and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            self.on = False
            print(f"forbidden: {event} {arguments!r}"[:500], file=sys.stderr, flush=True)
            os._exit(3)


def too_slow(*_):
    """Of the alarm."""
    print("too slow", file=sys.stderr, flush=True)
    os._exit(4)


def main(seed: int, count: int, mutate: Mutate) -> None:
    """Tries `count` files."""
    warnings.simplefilter("error", RuntimeWarning)
    for encoding in ("ascii", "latin-1", "unicode_escape", "raw_unicode_escape"):
        codecs.lookup(encoding)  # Python imports what pickletools decodes with when it is first asked for
    draw, watch, errors, readable = random.Random(seed), Watch(), collections.Counter(), 0
    most = 0.0
    signal.signal(signal.SIGALRM, too_slow)
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "mutated.pkl"
        for number in range(count):
            data, action = mutate(draw)
            path.write_bytes(data)
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            watch.on = True
            try:
                with counting() as steps:
                    action(path)
                readable += 1
            except ValueError as error:
                if "\n" in str(error) or "\x1b" in str(error):
                    raise AssertionError(f"not one line: {error!r}") from None
                errors[re.sub(r"[^a-zA-Z ]+", "#", str(error).partition("networks: ")[2] or str(error))[:60]] += 1
            except BaseException:
                watch.on = False
                print(f"number {number}", file=sys.stderr)
                (pathlib.Path(tempfile.gettempdir()) / f"mutated-{seed}-{number}.pkl").write_bytes(data)
                raise
            finally:
                watch.on = False
                signal.setitimer(signal.ITIMER_REAL, 0)
            most = max(most, steps.count / (len(data) + 1000))
            if most > MOST_STEPS:
                raise AssertionError(f"too many steps: {steps.count} for {len(data)} bytes, of number {number}")
    found = {"tried": count, "readable": readable, "steps": round(most, 3), "errors": dict(errors.most_common(12))}
    print(json.dumps(found))
