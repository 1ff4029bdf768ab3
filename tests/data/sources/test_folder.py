"""Folders: what is found in them, in which order, and what is not followed."""

import os

import pytest

from stylegan_tf.data.sources.find import open_source


def names(source):
    return [item.name for item in source.items()]


@pytest.fixture
def files(picture):
    return {
        "b/2.png": picture(20),
        "a/9.PNG": picture(10),
        "b/1.bmp": picture(30, kind="BMP"),
        "a/deep/1.webp": picture(40, kind="WEBP"),
        "README.txt": b"no image",
        "a/.hidden.png": b"no image either",
        ".git/x.png": picture(1),
        "__MACOSX/a/9.png": picture(1),
        "b/notes": b"",
    }


def test_order_is_that_of_relative_paths(write, files, values):
    source = open_source(write("folder", files))
    assert names(source) == ["a/9.PNG", "a/deep/1.webp", "b/1.bmp", "b/2.png"]
    assert values(source) == [10, 40, 30, 20]
    assert source.ignored == {".txt": 1, "no ending": 1, "hidden .png": 1}
    assert source.random_access


def test_order_is_of_whole_paths_not_folder_by_folder(write, picture):
    source = open_source(write("folder", {name: picture(1) for name in ("a.png", "a/1.png", "a-/1.png", "B.png")}))
    assert names(source) == ["B.png", "a-/1.png", "a.png", "a/1.png"]


def test_labels_are_first_level_folders(write, files):
    folder = write("folder", files)
    source = open_source(folder, use_labels=True)
    assert [item.label for item in source.items()] == [0, 0, 1, 1]
    assert source.label_names == ("a", "b")
    assert open_source(folder).label_names == ()
    assert source.signature() != open_source(folder).signature()


def test_labels_need_folders(write, files, picture):
    folder = write("folder", files | {"stray.png": picture(1)})
    with pytest.raises(ValueError, match=r"subfolder named after its class.*'stray.png'.*Received: data="):
        open_source(folder, use_labels=True)


def test_links_are_followed_once(write, files, tmp_path):
    folder = write("folder", files)
    os.symlink(folder, os.path.join(folder, "b", "back"))
    os.symlink("b", os.path.join(folder, "second"))
    os.symlink("around", os.path.join(folder, "around"))
    write("folder", {"../elsewhere/1.png": files["b/2.png"]})
    os.symlink(tmp_path / "elsewhere", os.path.join(folder, "c"))
    os.symlink(tmp_path / "elsewhere" / "1.png", os.path.join(folder, "one.png"))
    found = names(open_source(folder))
    assert found == ["a/9.PNG", "a/deep/1.webp", "b/1.bmp", "b/2.png", "c/1.png", "one.png"]


def test_names_in_any_script_and_in_none(write, picture, values):
    folder = write("folder", {"日本語/ä ö.png": picture(1), "عربى.png": picture(2), "line\nbreak/😀'.png": picture(3)})
    with open(os.fsencode(folder) + b"/\xff\xfe.png", "wb") as file:
        file.write(picture(4))
    source = open_source(folder)
    assert values(source) == [3, 2, 1, 4]
    assert len(source.signature()) == 16


def test_pipes_are_not_opened_and_broken_links_are_missing_pictures(write, picture):
    folder = write("folder", {"a.png": picture(1)})
    os.mkfifo(os.path.join(folder, "pipe.png"))
    os.symlink("pipe.png", os.path.join(folder, "to_pipe.png"))
    os.symlink("nowhere", os.path.join(folder, "broken.png"))
    source = open_source(folder)
    assert names(source) == ["a.png", "broken.png"]
    assert source.ignored == {"link or device": 2}
    with pytest.raises(FileNotFoundError):
        list(source.items())[1].open()
    assert len(source.signature()) == 16


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_subfolder_that_cannot_be_read_is_left_out(write, files):
    folder = write("folder", files)
    os.chmod(os.path.join(folder, "b"), 0)
    try:
        assert names(open_source(folder)) == ["a/9.PNG", "a/deep/1.webp"]
    finally:
        os.chmod(os.path.join(folder, "b"), 0o700)


@pytest.mark.parametrize("files", [{}, {"a/text.txt": b""}])
def test_no_images(write, tmp_path, files):
    (tmp_path / "made_folder").mkdir()
    found = rf"{len(files)} files?( \(.txt 1\))?\."
    with pytest.raises(ValueError, match=rf"must hold images.*among {found} .*Received: data="):
        open_source(write("folder", files))


def test_signature_tells_every_change(write, files, picture):
    folder = write("folder", files)
    seen = {open_source(folder).signature()}

    def changed():
        seen.add(open_source(folder).signature())
        return len(seen)

    os.rename(f"{folder}/b/2.png", f"{folder}/b/3.png")
    assert changed() == 2
    os.remove(f"{folder}/b/1.bmp")
    assert changed() == 3
    os.utime(f"{folder}/b/3.png", ns=(1, 1))
    assert changed() == 4
    write("folder", {"c/1.png": picture(1)})
    assert changed() == 5
    labels = b'{"labels": [["a/9.PNG", 0], ["a/deep/1.webp", 1], ["b/3.png", 0], ["c/1.png", 1]]}'
    write("folder", {"dataset.json": labels})
    assert changed() == 6
    write("folder", {"README.txt": b"other words"})
    assert changed() == 6
