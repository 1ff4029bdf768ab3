"""What a word for a data set is taken for, and what is said where it is nothing."""

import gzip
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

from stylegan_tf.data.image_file import UnusableImageError
from stylegan_tf.data.sources.find import open_source

OPEN_IN_ANOTHER_PROCESS = """
import pickle, sys
items = pickle.load(sys.stdin.buffer)
print([item.open().convert("L").getpixel((0, 0)) for item in items])
print([name for name in ("tensorflow", "keras", "jax", "torch") if name in sys.modules])
"""
OPEN_ALL = """
import sys
from stylegan_tf.data.image_file import UnusableImageError
from stylegan_tf.data.sources.find import open_source
for data in sys.argv[1:]:
    print(open_source(data).kind)
print([name for name in ("tensorflow", "keras", "jax", "torch") if name in sys.modules])
"""


def run(code, *arguments, **kwargs):
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, **kwargs)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


@pytest.fixture
def everything(tmp_path, write, picture):
    """A path for each kind that needs no TensorFlow, each with pictures of grey 10 and 20."""
    images = np.full((2, 4, 4), [[[10]], [[20]]], np.uint8)
    np.save(tmp_path / "rows.npy", images)
    np.savez(tmp_path / "rows.npz", images=images)
    idx = b"\0\0\x08\x03" + np.array([2, 4, 4], ">u4").tobytes() + images.tobytes()
    (tmp_path / "images.idx").write_bytes(idx)
    (tmp_path / "images.idx.gz").write_bytes(gzip.compress(idx))
    files = {"a.png": picture(10), "b/c.png": picture(20)}
    paths = {kind: write(kind, files) for kind in ("folder", "zip", "tar", "tar.gz", "tar.bz2", "tar.xz")}
    return paths | {name: str(tmp_path / name) for name in ("rows.npy", "rows.npz", "images.idx", "images.idx.gz")}


def test_kinds_are_told_by_contents_and_need_no_tensorflow(everything, tmp_path):
    renamed = {}
    for kind, path in everything.items():
        renamed[kind] = tmp_path / f"renamed_{len(renamed)}"
        renamed[kind].symlink_to(path)
    *kinds, imported = run(OPEN_ALL, "portraits", *map(str, renamed.values()))
    assert kinds == [
        "built-in set",
        "folder",
        "zip archive",
        "tar archive",
        *["compressed tar archive"] * 3,
        "NumPy array",
        "NumPy arrays",
        "idx images",
        "idx images",
    ]
    assert imported == "[]"


def test_items_are_opened_in_another_process(everything):
    items = [item for path in everything.values() for item in open_source(path).items()]
    values, imported = run(OPEN_IN_ANOTHER_PROCESS, input=pickle.dumps(items))
    assert values == str([10, 20] * len(everything))
    assert imported == "[]"


def test_items_are_small(everything):
    for kind, path in everything.items():
        assert len(pickle.dumps(next(open_source(path).items()))) < 1000, kind


@pytest.mark.parametrize("start", [0, 1, 2])
def test_items_start_anywhere(everything, values, start):
    for kind, path in everything.items():
        source = open_source(path)
        assert len(source) == 2
        assert values(source, start) == [10, 20][start:], kind


def test_signatures_are_steady_and_differ(everything):
    signatures = {kind: open_source(path).signature() for kind, path in everything.items()}
    assert signatures == {kind: open_source(path).signature() for kind, path in everything.items()}
    assert len(set(signatures.values())) == len(everything)
    assert all(len(signature) == 16 for signature in signatures.values())


def test_a_changed_file_changes_the_signature(everything):
    for kind, path in everything.items():
        before = open_source(path).signature()
        changed = path + "/a.png" if kind == "folder" else path
        with open(changed, "r+b") as file:
            content = file.read()
            file.seek(0)
            file.write(content)
        assert open_source(path).signature() != before, kind


@pytest.mark.parametrize("data", ["", "/no/such/folder", "portrait", "keras", "C:nothing"])
def test_nothing_there(data):
    with pytest.raises(ValueError, match=r"'portraits' \(the built-in set\).*zip.*\.npy.*idx.*tfds:.*nothing was"):
        open_source(data)


@pytest.mark.parametrize("name", ["one.png", "one"])
def test_one_image_file(tmp_path, picture, name):
    (tmp_path / name).write_bytes(picture(1))
    with pytest.raises(ValueError, match=r"not one image file; give the folder.*Received: data=.*one"):
        open_source(str(tmp_path / name))


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"PK", gzip.compress(b"text", mtime=0), gzip.compress(b"", mtime=0), b"\x1f\x8b\x08"],
    ids=["empty", "text", "zip's first letters", "text in gzip", "nothing in gzip", "gzip's first letters"],
)
def test_a_file_of_no_known_kind(tmp_path, content):
    (tmp_path / "file.tar.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"this file is none of them, or damaged\. Received: data="):
        open_source(str(tmp_path / "file.tar.gz"))


def test_home_is_expanded(tmp_path, picture, monkeypatch):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "1.png").write_bytes(picture(1))
    monkeypatch.setenv("HOME", str(tmp_path))
    source = open_source("~/set")
    assert len(source) == 1
    assert source.name == "~/set"


def test_every_kind_says_when_there_is_nothing_to_make_labels_of(everything):
    for kind, path in everything.items():
        with pytest.raises(ValueError, match=r"[Ww]ith labels.*train without labels.*Received: data="):
            open_source(path, use_labels=True)
        assert open_source(path).label_names == (), kind
        assert {item.label for item in open_source(path).items()} == {-1}


def test_sets_beside_images_are_not_looked_into(tmp_path, write, picture):
    """A folder of images may hold archives of them, too."""
    folder = write("folder", {"1.png": picture(1), "all.npz": b"PK", "labels.npy": b""})
    source = open_source(folder)
    assert (len(source), source.ignored) == (1, {".npz": 1, ".npy": 1})


def test_pictures_beside_an_idx_file_are_counted(tmp_path, everything, picture):
    folder = tmp_path / "mnist"
    folder.mkdir()
    (tmp_path / "images.idx").rename(folder / "train-images-idx3-ubyte")
    for name in ("1.png", "2.PNG", "3.heic", "._1.png", "read.me"):
        (folder / name).write_bytes(picture(1))
    source = open_source(str(folder))
    assert (source.kind, source.ignored) == ("idx images", {".png": 2, ".heic": 1})


def test_a_folder_with_nothing_but_an_archive_names_it(write, picture):
    folder = write("folder", {"images.zip": b"PK"})
    with pytest.raises(ValueError, match=r"among 1 file \(\.zip 1\)\. It holds 'images\.zip': give the path"):
        open_source(folder)


def test_images_that_are_no_images_are_items_that_do_not_open(write):
    contents = {"empty.png": b"", "text.jpg": b"hello", "z.webp": io.BytesIO(b"RIFF").getvalue()}
    for kind in ("folder", "zip", "tar", "tar.gz"):
        items = list(open_source(write(kind, contents)).items())
        assert [item.name for item in items] == sorted(contents)
        for item in items:
            with pytest.raises(UnusableImageError) as caught:
                item.open()
            assert (
                str(caught.value)
                == {
                    "empty.png": "the file is empty",
                    "text.jpg": "no image format that Pillow knows",
                    "z.webp": "the WebP file is damaged near its beginning or ends early",
                }[item.name]
            )
