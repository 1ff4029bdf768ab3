"""Zip and tar archives: read as the folders they were made of, whatever they hold."""

import gzip
import io
import os
import pathlib
import random
import shutil
import struct
import tarfile
import zipfile

import pytest

from stylegan_tf.data.sources import archive, tar_archive
from stylegan_tf.data.sources.find import open_source

COMPRESSED = ("tar.gz", "tar.bz2", "tar.xz")
ARCHIVES = ("zip", "tar", *COMPRESSED)


def names(source):
    return [item.name for item in source.items()]


def opened(source):
    """What opening each item gives: a grey value, or an error's text."""
    results = {}
    for item in source.items():
        try:
            results[item.name] = item.open().convert("L").getpixel((0, 0))
        except ValueError as error:
            results[item.name] = str(error)
    return results


@pytest.fixture
def files(picture):
    made = {f"{folder}/{number}.png": picture(number) for folder in ("b", "a", "Ünï") for number in range(12)}
    made |= {"a/deep/x.jpeg": picture(99, kind="JPEG"), "a.png": picture(98), "日本.gif": picture(97, kind="GIF")}
    made |= {"a/readme.txt": b"", "LICENSE": b"", ".hidden/1.png": b"", "a/._1.png": b"", "__MACOSX/a/1.png": b""}
    made |= {"b/.trashed.jpg": b"", ".hidden/.1.png": b""}
    order = sorted(made)
    random.Random(0).shuffle(order)
    return {name: made[name] for name in order}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_is_read_as_the_folder_it_was_made_of(kind, files, write, values):
    folder, packed = open_source(write("folder", files)), open_source(write(kind, files))
    assert len(packed) == len(folder) == 39
    assert names(packed) == names(folder)
    assert values(packed) == values(folder)
    assert values(packed, 17) == values(folder)[17:]
    assert packed.ignored == folder.ignored == {".txt": 1, "no ending": 1, "hidden .jpg": 1}
    assert packed.random_access == (kind not in COMPRESSED)


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("top", ["", "./", "top/", "./top//"])
def test_labels_are_folders_below_the_top(kind, top, picture, write):
    files = {f"{top}{name}": picture(1) for name in ("cats/1.png", "dogs/1.png", "cats/a/b.png")}
    source = open_source(write(kind, files | {"__MACOSX/x": b""}), use_labels=True)
    assert source.label_names == ("cats", "dogs")
    assert {item.name: item.label for item in source.items()} == {"cats/1.png": 0, "cats/a/b.png": 0, "dogs/1.png": 1}
    assert opened(source) == dict.fromkeys(("cats/1.png", "cats/a/b.png", "dogs/1.png"), 1)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_folders_in_a_top_folder_with_something_beside_it_are_classes(kind, picture, write):
    source = open_source(write(kind, {"top/a/1.png": picture(1), "LICENSE": b""}), use_labels=True)
    assert source.label_names == ("a",)
    assert names(source) == ["top/a/1.png"]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_dataset_json_lies_below_the_top_folder(kind, picture, write):
    labels = b'{"labels": [["a/1.png", 1], ["b.png", 0]]}'
    source = open_source(write(kind, {"t/a/1.png": picture(1), "t/b.png": picture(2), "t/dataset.json": labels}))
    assert [(item.name, item.label) for item in source.items()] == [("a/1.png", 1), ("b.png", 0)]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_labels_need_folders(kind, picture, write):
    with pytest.raises(ValueError, match=r"subfolder named after its class.*'stray.png'"):
        open_source(write(kind, {"a/1.png": picture(1), "stray.png": picture(2)}), use_labels=True)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_no_images(kind, write):
    with pytest.raises(ValueError, match=r"archive must hold images.*among 1 file \(\.txt 1\)\. .*Received: data="):
        open_source(write(kind, {"a.txt": b"", "._x.png": b""}))


@pytest.mark.parametrize("kind", ("zip", "tar"))
def test_of_two_members_with_one_name_the_later_counts(kind, tmp_path, picture):
    path = tmp_path / "archive"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as made:
            made.writestr("a.png", picture(1))
            with pytest.warns(UserWarning, match="Duplicate"):
                made.writestr("a.png", picture(2))
    else:
        with tarfile.open(path, "w") as made:
            for value in (1, 2):
                info = tarfile.TarInfo("a.png")
                info.size = len(picture(value))
                made.addfile(info, io.BytesIO(picture(value)))
    assert opened(open_source(str(path))) == {"a.png": 2}


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_folders_in_an_archive_are_no_files(kind, tmp_path, write, picture):
    """As ordinary tools pack a folder, with entries for the folders themselves."""
    folder = write("folder", {"set/a/1.png": picture(1), "set/b/2.png": picture(2), "set/empty/deep/x.txt": b""})
    source = open_source(shutil.make_archive(str(tmp_path / "packed"), kind, folder, "set"))
    assert (opened(source), source.ignored) == ({"a/1.png": 1, "b/2.png": 2}, {".txt": 1})


BAD_NAMES = {
    "../up.png": "leads out",
    "a/../../up.png": "leads out",
    "/abs/x.png": "absolute",
    "C:/x.png": "absolute",
    "c:x.png": "absolute",
    "a\\x.png": "backslashes",
    "..\\up.png": "backslashes",
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_names_that_lead_elsewhere_do_not_open(kind, picture, write, tmp_path, monkeypatch):
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "up.png").write_bytes(picture(7))
    monkeypatch.chdir(tmp_path / "in")
    path = write(kind, {name: picture(1) for name in BAD_NAMES} | {"cats/1.png": picture(2), "dogs/2.png": picture(3)})
    before = sorted(map(str, tmp_path.rglob("*")))
    source = open_source(path, use_labels=True)
    results = opened(source)
    assert results.pop("cats/1.png") == 2
    assert results.pop("dogs/2.png") == 3
    assert results.keys() == BAD_NAMES.keys()
    for name, reason in BAD_NAMES.items():
        assert reason in results[name]
    assert source.label_names == ("cats", "dogs")
    assert {item.label for item in source.items() if item.name in BAD_NAMES} == {-1}
    assert sorted(map(str, tmp_path.rglob("*"))) == before


@pytest.mark.parametrize("kind", ARCHIVES)
def test_bad_names_need_no_entry_in_dataset_json(kind, picture, write):
    files = {"../x.png": picture(1), "a.png": picture(2), "dataset.json": b'{"labels": [["a.png", 1]]}'}
    assert {item.name: item.label for item in open_source(write(kind, files)).items()} == {"../x.png": -1, "a.png": 1}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_members_that_claim_to_be_enormous(kind, picture, write, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 1000)
    results = opened(open_source(write(kind, {"a.png": picture(1), "bomb.png": bytes(1001)})))
    assert results["a.png"] == 1
    assert "claims to have 1,001 bytes" in results["bomb.png"]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_cut_off(kind, picture, write):
    noise = random.Random(0)
    path = pathlib.Path(write(kind, {f"{number}.png": noise.randbytes(3000) for number in range(9)}))
    path.write_bytes(path.read_bytes()[:15_000])
    # Of so little bzip2 data nothing at all can be unpacked, so that it cannot be told what it was.
    message = "or damaged" if kind == "tar.bz2" else r"archive is damaged or cut off.*download it again"
    with pytest.raises(ValueError, match=rf"{message}\. Received: data="):
        open_source(str(path))


class TestZip:
    def entry(self, write, picture, offset: int, value: bytes):
        """An archive where the second member's entry in the directory has other bytes at `offset`."""
        path = pathlib.Path(write("zip", {"a.png": picture(1), "bad.png": picture(2)}))
        content = bytearray(path.read_bytes())
        start = content.rindex(b"PK\x01\x02")
        content[start + offset : start + offset + len(value)] = value
        path.write_bytes(content)
        results = opened(open_source(str(path)))
        assert results["a.png"] == 1
        return results["bad.png"]

    def test_encrypted(self, write, picture):
        assert "encrypted; pack it again without a password" in self.entry(write, picture, 8, b"\x01")

    def test_checksum(self, write, picture):
        assert "Bad CRC-32" in self.entry(write, picture, 16, b"abcd")

    @pytest.mark.parametrize(
        ("size", "expected"),
        [(10, "cannot be read from the archive"), (5000, "the archive says 5,000"), (2**29, "says 536,870,912")],
    )
    def test_lying_size(self, write, picture, size, expected):
        assert expected in self.entry(write, picture, 24, struct.pack("<I", size))

    def test_lying_compressed_size(self, write, picture):
        assert "cannot be" in self.entry(write, picture, 20, struct.pack("<I", 3))

    def test_absurd_size(self, write, picture):
        assert "claims to have 2,147,483,648 bytes" in self.entry(write, picture, 24, struct.pack("<I", 2**31))

    def test_unknown_compression(self, write, picture):
        assert "NotImplementedError" in self.entry(write, picture, 10, struct.pack("<H", 77))

    def test_another_place(self, write, picture):
        assert "cannot be read" in self.entry(write, picture, 42, struct.pack("<I", 0))

    def test_links_are_ignored(self, tmp_path, picture):
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        with zipfile.ZipFile(tmp_path / "a", "w") as made:
            made.writestr(link, "/etc/passwd")
            made.writestr("a.png", picture(1))
        source = open_source(str(tmp_path / "a"))
        assert (names(source), source.ignored) == (["a.png"], {"link or device": 1})

    def test_utf8_names_that_are_not_marked_as_such(self, write, picture):
        path = pathlib.Path(write("zip", {"äö/1.png": picture(1), "x.png": picture(2)}))
        content = path.read_bytes()
        unmarked = content.replace(struct.pack("<HHH", 20, 0x800, 8), struct.pack("<HHH", 20, 0, 8))
        assert content != unmarked
        path.write_bytes(unmarked)
        assert opened(open_source(str(path))) == {"x.png": 2, "äö/1.png": 1}

    def test_a_zip_of_arrays_and_pictures_is_no_npz(self, write, picture):
        assert names(open_source(write("zip", {"x.npy": b"", "a.png": picture(1)}))) == ["a.png"]

    def test_an_archive_that_was_replaced(self, write, picture):
        item = next(open_source(write("zip", {"a.png": picture(1)})).items())
        assert item.open().getpixel((0, 0)) == 1
        path = write("zip", {"b.png": picture(2), "c.png": picture(2)})
        with pytest.raises(ValueError, match="archive has changed"):
            item.open()
        assert opened(open_source(path)) == {"b.png": 2, "c.png": 2}


class TestTar:
    @pytest.mark.parametrize("compression", ["", "gz"])
    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
    def test_links_and_devices_are_ignored(self, tmp_path, picture, compression, kind):
        with tarfile.open(tmp_path / "a", f"w:{compression}") as made:
            info = tarfile.TarInfo("link.png")
            info.type, info.linkname = kind, "/etc/passwd"
            made.addfile(info)
            info = tarfile.TarInfo("a.png")
            info.size = len(picture(1))
            made.addfile(info, io.BytesIO(picture(1)))
        source = open_source(str(tmp_path / "a"))
        assert (opened(source), source.ignored) == ({"a.png": 1}, {"link or device": 1})

    @pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_formats_and_long_names(self, tmp_path, picture, form):
        name = f"{'d' * 90}/{'f' * 60}.png"
        with tarfile.open(tmp_path / "a", "w", format=form) as made:
            for each in (name, "b.png"):
                info = tarfile.TarInfo(each)
                info.size = len(picture(1))
                made.addfile(info, io.BytesIO(picture(1)))
        assert opened(open_source(str(tmp_path / "a"))) == {"b.png": 1, name: 1}

    @pytest.mark.parametrize("kind", ("tar", "tar.gz"))
    def test_a_damaged_header_is_not_taken_for_the_end(self, kind, tmp_path, picture, write):
        plain = bytearray(pathlib.Path(write("tar", {f"{n}.png": picture(n) for n in range(3)})).read_bytes())
        start = plain.index(b"1.png")
        plain[start : start + 5] = b"x.png"
        path = tmp_path / "damaged"
        path.write_bytes(plain if kind == "tar" else gzip.compress(plain))
        with pytest.raises(ValueError, match=r"archive is damaged.*header at byte 1024"):
            open_source(str(path))

    @pytest.mark.parametrize(
        "size",
        [
            b"\xff" * 12,
            b"\x80" + b"\xff" * 11,
            b"77777777777\0",
            (-512).to_bytes(12, "big", signed=True),  # leads back to the same header, again and again
        ],
    )
    def test_impossible_sizes(self, tmp_path, picture, write, size):
        path = pathlib.Path(write("tar", {"a.png": picture(1), "b.png": picture(2)}))
        content = bytearray(path.read_bytes())
        header = bytearray(content[1024:1536])
        header[124:136] = size
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        content[1024:1536] = header
        path.write_bytes(content)
        with pytest.raises(ValueError, match="archive is damaged"):
            open_source(str(path))

    def test_an_archive_cut_off_later(self, write, picture):
        path = write("tar", {"a.png": picture(1)})
        item = next(open_source(path).items())
        os.truncate(path, 520)
        with pytest.raises(ValueError, match=r"it has 8 bytes where the archive says"):
            item.open()


class TestStream:
    """Compressed tar archives whose members lie in another order than that of their names."""

    @pytest.fixture
    def path(self, write, picture):
        order = list(range(40))
        random.Random(1).shuffle(order)
        return write("tar.gz", {f"{number:02}.png": picture(number) for number in order})

    @pytest.fixture
    def scans(self, monkeypatch):
        """How often an archive was read from its beginning."""
        counted = []
        scan = tar_archive._scan
        monkeypatch.setattr(tar_archive, "_scan", lambda path: counted.append(path) or scan(path))
        return counted

    @pytest.mark.parametrize(("held", "passes"), [(2**20, 1), (700, range(4, 20)), (0, range(15, 41))])
    def test_order_with_any_memory(self, path, values, monkeypatch, scans, held, passes):
        source = open_source(path)
        scans.clear()
        monkeypatch.setattr(tar_archive, "_HELD_BYTES", held)
        assert values(source) == list(range(40))
        assert len(scans) == passes if isinstance(passes, int) else len(scans) in passes
        assert values(source, 25) == list(range(25, 40))

    def test_a_sorted_archive_is_read_once_with_no_memory(self, write, picture, values, monkeypatch, scans):
        source = open_source(write("tar.xz", {f"{number}.png": picture(number) for number in range(9)}))
        scans.clear()
        monkeypatch.setattr(tar_archive, "_HELD_BYTES", 0)
        assert values(source) == list(range(9))
        assert len(scans) == 1

    def test_an_archive_that_was_replaced(self, path, write, picture, values):
        source = open_source(path)
        write("tar.gz", {"00.png": picture(0)})
        with pytest.raises(ValueError, match="archive has changed"):
            values(source)
