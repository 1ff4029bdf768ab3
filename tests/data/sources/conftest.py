"""Pictures of one grey value each, by which they are told apart, in folders and archives."""

from __future__ import annotations

import io
import pathlib
import tarfile
import zipfile
from collections.abc import Callable

import pytest
from PIL import Image

Files = dict[str, bytes]


def _picture(value: int, size: tuple[int, int] = (4, 4), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("L", size, value).save(file, kind)
    return file.getvalue()


def _write_folder(path: pathlib.Path, files: Files) -> str:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return str(path)


def _write_zip(path: pathlib.Path, files: Files) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return str(path)


def _write_tar(path: pathlib.Path, files: Files, compression: str = "") -> str:
    with tarfile.open(path, f"w:{compression}") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return str(path)


_WRITERS: dict[str, Callable[[pathlib.Path, Files], str]] = {
    "folder": _write_folder,
    "zip": _write_zip,
    "tar": _write_tar,
    "tar.gz": lambda path, files: _write_tar(path, files, "gz"),
    "tar.bz2": lambda path, files: _write_tar(path, files, "bz2"),
    "tar.xz": lambda path, files: _write_tar(path, files, "xz"),
}


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """`picture(value, size, kind)`: an image file."""
    return _picture


@pytest.fixture
def write(tmp_path) -> Callable[[str, Files], str]:
    """`write(kind, files)`: makes a folder or an archive, with no suffix that tells its kind, and gives its path."""

    def write(kind: str, files: Files) -> str:
        return _WRITERS[kind](tmp_path / f"made_{kind.replace('.', '_')}", files)

    return write


@pytest.fixture
def values() -> Callable[..., list[int]]:
    """`values(source)`: the grey value of each picture, in order."""
    return lambda source, start=0: [item.open().convert("L").getpixel((0, 0)) for item in source.items(start)]
