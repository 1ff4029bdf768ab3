"""The same as fuzzing.py for tables of tensors that PyTorch saved, in both layouts.

python tests/pretrained/fuzzing_checkpoints.py SEED COUNT
"""

from __future__ import annotations

import functools
import io
import pathlib
import random
import sys
import tempfile
import zipfile
from collections.abc import Callable

from fuzzing import change_bytes, change_values, instruction_places, main

from stylegan_tf.features.torch_checkpoint import read_torch_checkpoint

PID = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0%dX\x03\0\0\0cpuK\x0cNtQ"
TENSOR = b"X\x01\0\0\0%cctorch._utils\n_rebuild_tensor_v2\n(" + PID + b"K\x00K\x03K\x04\x86K\x04K\x01\x86\x89}tR"
TABLE = b"\x80\x02}(" + TENSOR % (b"a", 0) + TENSOR % (b"b", 1) + b"u."
NUMBERS = (bytes(48), b"\x01" * 48)
PICKLES = (
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", b"\x80\x02M\xe9\x03.", b"\x80\x02}.", TABLE,
    b"\x80\x02](X\x01\0\0\x000X\x01\0\0\x001e.",
)  # fmt: skip
SINGLE = b"".join(PICKLES) + b"".join((12).to_bytes(8, "little") + numbers for numbers in NUMBERS)


def archive(table: bytes) -> bytes:
    """A sound archive with a table in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("weights/data.pkl", table)
        for key, numbers in enumerate(NUMBERS):
            made.writestr(f"weights/data/{key}", numbers)
    return file.getvalue()


@functools.cache
def places_in_single_file() -> list[int]:
    """Where instructions of all its pickles begin."""
    places, start = [], 0
    for data in PICKLES:
        places += [start + place for place in instruction_places(data)]
        start += len(data)
    return places


def read(path: pathlib.Path) -> None:
    """All tensors."""
    read_torch_checkpoint(path)


def mutate(draw: random.Random) -> tuple[bytes, Callable[[pathlib.Path], None]]:
    """Single files; and tables in archives that are sound otherwise, since their checksums cover them."""
    kind = draw.randrange(4)
    if kind == 0:
        return change_values(SINGLE, places_in_single_file(), draw), read
    if kind == 1:
        return change_bytes(SINGLE, places_in_single_file(), TABLE, draw), read
    if kind == 2:
        return archive(change_values(TABLE, instruction_places(TABLE), draw)), read
    return archive(change_bytes(TABLE, instruction_places(TABLE), SINGLE, draw)), read


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for sound in (SINGLE, archive(TABLE)):
            sound_path = pathlib.Path(folder) / "sound.pth"
            sound_path.write_bytes(sound)
            read(sound_path)  # imports everything
    main(int(sys.argv[1]), int(sys.argv[2]), mutate)
