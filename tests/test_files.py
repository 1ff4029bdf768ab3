"""Files are there whole, or as they were before."""

import os
from pathlib import Path

import pytest

from stylegan_tf.files import expanded, write_text, written_whole


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "notes.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), written_whole(path) as beside:
        beside.write_text("half of the ne")
        assert path.read_text() == "old"
        raise RuntimeError
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("notes.txt", "old")]
    write_text(path, "né")
    assert [(found.name, found.read_text("utf-8")) for found in tmp_path.iterdir()] == [("notes.txt", "né")]


def test_a_block_that_fails_before_writing_says_its_own_error(tmp_path):
    with pytest.raises(ZeroDivisionError), written_whole(tmp_path / "new" / "file"):
        raise ZeroDivisionError
    assert list((tmp_path / "new").iterdir()) == []


def test_the_part_stays_out_of_globs(tmp_path):
    """Somebody who lists *.png while a file is written must not read half of it."""
    with written_whole(tmp_path / "kimg_1.png") as beside:
        beside.write_bytes(b"half")
        assert list(tmp_path.glob("*.png")) == []
    assert [path.name for path in tmp_path.glob("*.png")] == ["kimg_1.png"]


def test_folders_on_the_way_are_made(tmp_path):
    write_text(tmp_path / "new" / "newer" / "file", "text")
    assert (tmp_path / "new" / "newer" / "file").read_text() == "text"


def test_a_path_may_be_a_text(tmp_path):
    write_text(str(tmp_path / "file"), "text")
    with written_whole(os.path.join(tmp_path, "other")) as beside:
        beside.write_bytes(b"bytes")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "other"]


def test_what_is_written_beside_lies_on_the_same_disk(tmp_path):
    """A file can take another's place at once only within a file system, so the part lies in the same folder."""
    with written_whole(tmp_path / "file") as beside:
        assert beside.parent == tmp_path
        beside.touch()


def test_processes_do_not_share_a_part(tmp_path, monkeypatch):
    with written_whole(tmp_path / "file") as first:
        first.write_text("first")
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with written_whole(tmp_path / "file") as second:
            second.write_text("second")
        assert (tmp_path / "file").read_text() == "second"
    assert (tmp_path / "file").read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_home_is_written_out_where_it_is_known(monkeypatch):
    monkeypatch.setenv("HOME", "/somebody")
    assert expanded("~/runs") == Path("/somebody/runs")
    assert expanded("~nobody-of-this-name/runs") == Path("~nobody-of-this-name/runs")
    assert expanded("runs/~") == Path("runs/~")
