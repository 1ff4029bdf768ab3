"""Files are there whole, or as they were before."""

import errno
import io
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from stylegan_tf import files
from stylegan_tf.files import (
    DiskError,
    begin_command,
    disk_errors,
    expanded,
    remove_rests,
    work_folder,
    write_text,
    written_folder,
    written_together,
    written_whole,
)

WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from stylegan_tf.files import work_folder, written_folder, written_whole
folder = Path(sys.argv[1])
with written_whole(folder / "a.png") as file, written_folder(folder / "1") as version, work_folder() as work:
    file.write_bytes(b"half")
    (version / "variables").mkdir()
    (version / "variables" / "data").write_bytes(b"half")
    (work / "features").write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory, monkeypatch):
    """The system's temporary folder, for one test."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def writing(tmp_path):
    """A process in the midst of writing a file, a folder and a temporary folder."""
    process = subprocess.Popen([sys.executable, "-c", WRITE_AND_WAIT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


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


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_everything(folder):
    """As the next command does, elsewhere in the same folder."""
    begin_command()
    write_text(folder / "b.png", "new")
    with written_folder(folder / "2") as beside:
        (beside / "data").touch()
    with work_folder():
        pass


def test_what_a_killed_process_left_goes_when_the_next_one_writes_there(writing, tmp_path, temporary):
    assert len(names(tmp_path)) == 2 and len(names(temporary)) == 1
    writing.kill()
    writing.wait()
    write_everything(tmp_path)
    assert names(tmp_path) == ["2", "b.png"]
    assert names(temporary) == []


def test_what_a_living_process_writes_stays(writing, tmp_path, temporary):
    left = names(tmp_path), names(temporary)
    write_everything(tmp_path)
    assert names(tmp_path) == [*left[0], "2", "b.png"]
    assert names(temporary) == left[1]


def test_what_a_process_of_another_namespace_writes_stays(writing, tmp_path):
    """A container can have its machine's name, and sees no process of that machine."""
    left = names(tmp_path)
    script = f"from stylegan_tf.files import write_text; write_text({str(tmp_path / 'b.png')!r}, 'new')"
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", sys.executable, "-c"]
    if not shutil.which("unshare") or subprocess.run([*command, ""], capture_output=True, check=False).returncode:
        pytest.skip("needs process namespaces")
    subprocess.run([*command, script], check=True)
    assert names(tmp_path) == [*left, "b.png"]


def test_files_are_written_whole_where_there_is_no_proc(tmp_path, monkeypatch):
    """As on macOS."""
    monkeypatch.setattr(os, "readlink", unreadable)
    monkeypatch.setattr(Path, "read_text", unreadable)
    files._host.cache_clear()
    try:
        with written_whole(tmp_path / "a") as beside:
            beside.write_bytes(b"whole")
            assert re.fullmatch(rf"\.a\.[0-9a-f]{{8}}-{os.getpid()}\.part", beside.name)
    finally:
        files._host.cache_clear()
    assert names(tmp_path) == ["a"]


def unreadable(*arguments, **options):
    raise FileNotFoundError


def test_only_parts_are_rests(tmp_path):
    others = [".a.part", "a.99999999.part", ".a.99999999.parts", "99999999.part", ".a.part.99999999", ".a-9.part"]
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / ".2.99999999.part").mkdir()  # as older versions named them
    (tmp_path / ".2.99999999.part" / "saved_model.pb").touch()
    (tmp_path / ".metrics.jsonl.99999999.part").touch()
    (tmp_path / f".metrics.jsonl.{os.getppid()}.part").touch()
    remove_rests(tmp_path)
    assert names(tmp_path) == sorted([*others, f".metrics.jsonl.{os.getppid()}.part"])


def test_a_link_goes_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "picture").touch()
    (tmp_path / ".a.99999999.part").symlink_to(tmp_path / "data", target_is_directory=True)
    remove_rests(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["data", "data/picture"]


def test_parts_of_other_machines_are_rests_after_a_day_without_a_change(tmp_path):
    """Whose processes cannot be asked."""
    (tmp_path / ".a.0a1b2c3d-99999999.part").touch()
    folder = tmp_path / ".1.0a1b2c3d-99999999.part"
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "data").touch()
    old = time.time() - 25 * 3600
    for path in (folder / "variables", folder):
        os.utime(path, (old, old))
    remove_rests(tmp_path)
    assert len(names(tmp_path)) == 2
    for path in (folder / "variables" / "data", folder, tmp_path / ".a.0a1b2c3d-99999999.part"):
        os.utime(path, (old, old))
    remove_rests(tmp_path)
    assert names(tmp_path) == []


def test_an_earlier_process_of_the_same_number_is_another_one(tmp_path):
    """In a container that is started again, processes have the same numbers."""
    with written_folder(tmp_path / "1") as beside:
        name = beside.name
        remove_rests(tmp_path)
        assert names(tmp_path) == [name]
    (tmp_path / name.replace("1", "2", 1)).mkdir()
    with written_folder(tmp_path / "2"):
        pass
    assert names(tmp_path) == ["1", "2"]


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError), written_folder(tmp_path / "new" / "models" / "1") as beside:
        (beside / "data").touch()
        raise RuntimeError
    assert names(tmp_path) == []
    with written_folder(tmp_path / "models" / "1") as beside:
        (beside / "data").touch()
    assert names(tmp_path / "models") == ["1"]
    with pytest.raises(OSError, match="not empty"), written_folder(tmp_path / "models" / "1") as beside:
        (beside / "other").touch()
    assert names(tmp_path / "models") == ["1"] and names(tmp_path / "models" / "1") == ["data"]


def test_files_that_belong_together_change_together(tmp_path):
    paths = [tmp_path / "model", tmp_path / "model.json"]
    with written_together(paths) as parts:
        for part in parts:
            part.write_text("old")
    with pytest.raises(RuntimeError), written_together(paths) as parts:
        parts[0].write_text("new")
        raise RuntimeError
    assert names(tmp_path) == ["model", "model.json"]
    assert [path.read_text() for path in paths] == ["old", "old"]


def full_checkpoint(path):
    import tensorflow as tf

    tf.train.Checkpoint(x=tf.Variable(tf.zeros([64, 1024]))).write(str(path))


def full_hdf5(path):
    import h5py
    import numpy as np

    with h5py.File(path, "w") as file:
        file["x"] = np.random.default_rng(0).random(65536)


def full_array(path):
    import numpy as np

    with open(path, "wb") as file:
        np.save(file, np.zeros(65536))


def full_archive(path):
    with zipfile.ZipFile(path, "w") as archive, archive.open("x", "w") as file:
        file.write(os.urandom(65536))


def full_picture(path):
    import numpy as np
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 256, [256, 256, 3], np.uint8)).save(path, "PNG")


@pytest.mark.parametrize("write", [full_checkpoint, full_hdf5, full_array, full_archive, full_picture])
def test_every_library_finds_a_full_disk_the_same(tmp_path, small_files, write):
    """In one error that names the place and says what to do."""
    target = tmp_path / "target"
    with pytest.raises(DiskError) as caught, small_files(4096), written_folder(target) as beside:
        write(beside / "file")
    assert caught.value.filename == str(target)
    assert "run the same command again" in caught.value.strerror
    assert names(tmp_path) == []


def test_the_old_file_outlives_a_full_disk(tmp_path, small_files):
    write_text(tmp_path / "file", "old")
    with pytest.raises(DiskError, match="ulimit"), small_files(4096):
        write_text(tmp_path / "file", "new" * 4096)
    assert names(tmp_path) == ["file"] and (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "make room"), (errno.EDQUOT, "quota"), (errno.EFBIG, "ulimit"), (errno.EIO, "check the disk")],
)
def test_the_reason_is_kept(number, advice):
    with pytest.raises(DiskError, match=advice) as caught, disk_errors("place"):
        raise OSError(number, os.strerror(number), "place/.part")
    assert (caught.value.errno, caught.value.filename) == (number, "place")


def test_the_innermost_place_is_named():
    with pytest.raises(DiskError) as caught, disk_errors("outer"), disk_errors("inner"):
        raise OSError(errno.ENOSPC, "")
    assert caught.value.filename == "inner"


def test_a_folder_is_named_by_its_own_name(tmp_path):
    with pytest.raises(DiskError) as caught, written_folder(tmp_path / "1") as beside, disk_errors(beside / "warmup"):
        raise OSError(errno.ENOSPC, "")
    assert caught.value.filename == str(tmp_path / "1")


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError(errno.ENOENT, "none", "a"), ValueError("No space left on device"), io.UnsupportedOperation()],
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)) as caught, disk_errors("place"):
        raise error
    assert caught.value is error


def test_a_home_is_written_out_where_it_is_known(monkeypatch):
    monkeypatch.setenv("HOME", "/somebody")
    assert expanded("~/runs") == Path("/somebody/runs")
    assert expanded("~nobody-of-this-name/runs") == Path("~nobody-of-this-name/runs")
    assert expanded("runs/~") == Path("runs/~")
