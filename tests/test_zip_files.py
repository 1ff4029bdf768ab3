"""Zip archives are read within bounds, and whatever is wrong with them is told in plain words."""

import struct
import tracemalloc
import zipfile

import pytest

from stylegan_tf.zip_files import ArchiveError, check_total, opened_zip, read_member, unpacked_limit

METHODS = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2,
           "lzma": zipfile.ZIP_LZMA}  # fmt: skip


def write(path, content, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x", content)
    return path


def patch(path, offset, value):
    """Changes bytes of the first member's entry in the directory."""
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x01\x02") + offset
    content[start : start + len(value)] = value
    path.write_bytes(content)


def read(path, limit=2**30):
    with opened_zip(path) as archive:
        return read_member(archive, archive.getinfo("x"), limit)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_members_are_read_whole(tmp_path, method, size):
    content = bytes(number % 251 for number in range(size))
    assert read(write(tmp_path / "a.zip", content, METHODS[method])) == content


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.slow
def test_a_member_that_unpacks_to_more_than_it_claims_takes_little_memory(tmp_path, method):
    size = 2**24
    path = write(tmp_path / "a.zip", b"ab" * (size // 2), METHODS[method])
    patch(path, 24, struct.pack("<I", 2**18))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="Bad CRC-32"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < size * 3 // 4  # of which LZMA needs half for itself
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [
        (8, b"\x01", "encrypted; pack it again without a password"),
        (10, b"\x4d", "compression method is not supported"),
        (16, b"abcd", "Bad CRC-32"),
        (24, struct.pack("<I", 5000), "has 100 bytes where the archive says 5,000"),
        (24, struct.pack("<I", 2**31), "claims to have 2,147,483,648 bytes; at most 1,073,741,824 are read"),
        (42, struct.pack("<I", 7), "Bad magic number"),
    ],
)
def test_members_that_cannot_be_read(tmp_path, offset, value, words):
    path = write(tmp_path / "a.zip", bytes(range(100)))
    patch(path, offset, value)
    with pytest.raises(ArchiveError, match=words):
        read(path)


def test_archives_that_cannot_be_opened(tmp_path):
    path = write(tmp_path / "a.zip", b"x" * 100)
    for content in (b"", b"PK\x03\x04", path.read_bytes()[:-30]):
        path.write_bytes(content)
        with pytest.raises(ArchiveError, match="it is damaged or cut off"), opened_zip(path):
            pass
    with pytest.raises(FileNotFoundError), opened_zip(tmp_path / "b.zip"):
        pass


def test_what_somebody_else_may_unpack(tmp_path):
    path = write(tmp_path / "a.zip", bytes(1000))
    with opened_zip(path) as archive:
        check_total(archive, 1000)
        with pytest.raises(ArchiveError, match="it would unpack to 1,000 bytes; at most 999 are read"):
            check_total(archive, 999)
    for name in ("bzip2", "lzma"):
        words = "neither stored nor deflated"
        with opened_zip(write(path, b"", METHODS[name])) as archive, pytest.raises(ArchiveError, match=words):
            check_total(archive, 1000)


def test_a_large_file_may_unpack_to_its_own_size(tmp_path):
    (tmp_path / "a").write_bytes(bytes(100))
    assert (unpacked_limit(tmp_path / "a", 10), unpacked_limit(tmp_path / "a", 1000)) == (100, 1000)
