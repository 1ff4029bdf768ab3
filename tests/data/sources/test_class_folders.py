"""Folders as classes: at which depth, which look the same, and which have no pictures."""

import os

import pytest

from stylegan_tf.data.sources.find import open_source

KINDS = ("folder", "zip", "tar", "tar.gz")


def classes(source):
    return {item.name: source.label_names[item.label] for item in source.items()}


@pytest.mark.parametrize("kind", KINDS)
class TestDepth:
    def test_folders_further_down(self, kind, picture, write):
        files = {"a/b/cats/1.png": picture(1), "a/b/dogs/deep/2.png": picture(2), "LICENSE": b""}
        source = open_source(write(kind, files), use_labels=True)
        assert classes(source) == {"a/b/cats/1.png": "cats", "a/b/dogs/deep/2.png": "dogs"}
        assert source.label_names == ("cats", "dogs")
        assert source.label_notes == ("the classes are the folders in 'a/b/'",)

    def test_one_folder_with_pictures_in_it_is_a_class(self, kind, picture, write):
        files = {"cats/1.png": picture(1), "cats/young/2.png": picture(2), "LICENSE": b""}
        assert open_source(write(kind, files), use_labels=True).label_names == ("cats",)

    def test_a_folder_beside_keeps_the_level(self, kind, picture, write):
        files = {"cats/black/1.png": picture(1), "cats/white/2.png": picture(2), "dogs/readme.txt": b""}
        source = open_source(write(kind, files), use_labels=True)
        assert source.label_names == ("cats",)
        assert source.label_notes == ("folders without pictures are not classes: 'dogs'",)

    def test_folders_that_look_the_same_are_one_class(self, kind, picture, write):
        files = {"caf\u00e9/1.png": picture(1), "cafe\u0301/2.png": picture(2), "bar/3.png": picture(3)}
        source = open_source(write(kind, files), use_labels=True)
        assert source.label_names == ("bar", "cafe\u0301")
        assert sorted(item.label for item in source.items()) == [0, 1, 1]
        assert any("look the same" in note for note in source.label_notes)

    def test_names_stay_as_they_are(self, kind, picture, write):
        source = open_source(write(kind, {"e\u0301/1.png": picture(1), "f/2.png": picture(2)}), use_labels=True)
        assert source.label_names == ("e\u0301", "f")
        assert source.label_notes == ()


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("top", ["", "top/"])
def test_folders_that_an_archive_lists_may_be_empty(kind, top, picture, write, tmp_path):
    import tarfile
    import zipfile

    path = tmp_path / "made"
    for name in (f"{top}cats", f"{top}dogs", f"{top}empty", f"{top}.hidden"):
        os.makedirs(tmp_path / "tree" / name)
    for name in ("cats", "dogs"):
        (tmp_path / "tree" / top / name / "1.png").write_bytes(picture(1))
    names = sorted(str(file.relative_to(tmp_path / "tree")) for file in (tmp_path / "tree").rglob("*"))
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.write(tmp_path / "tree" / name, name)
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
            for name in names:
                archive.add(tmp_path / "tree" / name, name, recursive=False)
    source = open_source(str(path), use_labels=True)
    assert source.label_names == ("cats", "dogs")
    assert source.label_notes == ("folders without pictures are not classes: 'empty'",)


def test_empty_folder(tmp_path, picture):
    for name in ("cats", "dogs", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "cats" / "1.png").write_bytes(picture(1))
    (tmp_path / "dogs" / "1.png").write_bytes(picture(2))
    source = open_source(str(tmp_path), use_labels=True)
    assert source.label_names == ("cats", "dogs")
    assert source.label_notes == ("folders without pictures are not classes: 'empty'",)


def test_class_whose_name_cannot_be_written_has_a_literal_in_it(tmp_path, picture):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.makedirs(folder)
    with open(folder + b"/1.png", "wb") as file:
        file.write(picture(1))
    assert open_source(str(tmp_path)).label_names == ()
    assert open_source(str(tmp_path), use_labels=True).label_names == (r"caf\udce9",)
