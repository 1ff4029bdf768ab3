"""Writing prepared sets: the same files whatever happens on the way, and nothing lost or spoilt when it goes wrong."""

import csv
import errno
import fcntl
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stylegan_tf.data.prepare as preparing
from stylegan_tf.data import shards
from stylegan_tf.data.decode import PictureForm
from stylegan_tf.data.prepare import prepare
from stylegan_tf.data.prepared import INCOMPLETE, LEFT_OUT, MANIFEST, Manifest, PreparedImageSet
from stylegan_tf.data.sources.base import Source
from stylegan_tf.data.sources.folder import FolderSource
from stylegan_tf.data.verify import verify_set
from stylegan_tf.files import DiskError

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120
RGB = PictureForm((8, 8), 3)
COUNT = 20  # pictures, in shards of 8, 8 and 4


def folder_source(folder, labels=True):
    return FolderSource(str(folder), str(folder), use_labels=labels)


class Through(Source):
    """Another source's pictures, with something done before each."""

    def __init__(self, source, before, random_access=True):
        self._source, self._before = source, before
        self.name, self.kind, self.label_names = source.name, source.kind, source.label_names
        self.random_access = random_access

    def __len__(self):
        return len(self._source)

    def items(self, start=0):
        for number, item in enumerate(self._source.items(start), start):
            self._before(number)
            yield item

    def signature(self):
        return self._source.signature()


def stop_at_call(number):
    """Interrupts the work when so many pictures were given out."""
    calls = itertools.count(1)

    def before(_):
        if next(calls) == number:
            raise KeyboardInterrupt

    return before


@pytest.fixture(autouse=True)
def _small(small_shards):
    with small_shards(8):
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, write_pictures):
    """Good pictures, which no test changes."""
    return write_pictures(tmp_path_factory.mktemp("pictures"), COUNT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, pictures, small_shards, files_of):
    """The files of a set that was prepared without any trouble."""
    directory = tmp_path_factory.mktemp("whole") / "set"
    with small_shards(8):
        prepare(folder_source(pictures), directory, RGB, 2)
    return files_of(directory)


@pytest.fixture
def own_pictures(tmp_path, write_pictures):
    """Pictures that the test may spoil."""
    return write_pictures(tmp_path / "pictures", COUNT)


def times(directory):
    """When each shard was written, by its name."""
    return {str(path.relative_to(directory)): path.stat().st_mtime_ns for path in directory.rglob("shard-*")}


def assert_begun(directory):
    """Some shards are finished, but not all."""
    assert (directory / INCOMPLETE).is_file()
    assert not (directory / MANIFEST).exists()
    assert 1 <= len(list((directory / ".work").glob("*.json"))) <= 2


class TestFiles:
    def test_are_these_and_no_others(self, whole):
        assert sorted(whole) == [
            "4x4/shard-00000.tfrecord",
            "4x4/shard-00001.tfrecord",
            "4x4/shard-00002.tfrecord",
            "8x8/shard-00000.tfrecord",
            "8x8/shard-00001.tfrecord",
            "8x8/shard-00002.tfrecord",
            MANIFEST,
        ]

    def test_manifest_tells_what_is_there_and_from_what_it_was_made(self, whole, pictures):
        manifest = json.loads(whole[MANIFEST])
        assert (manifest["format"], manifest["version"]) == ("stylegan_tf image set", 1)
        assert (manifest["count"], manifest["shard_counts"]) == (COUNT, [8, 8, 4])
        assert (manifest["sizes"], manifest["channels"]) == ([[8, 8], [4, 4]], 3)
        assert (manifest["label_names"], manifest["label_counts"]) == (["a", "b"], [10, 10])
        source = manifest["source"]
        assert (source["data"], source["kind"], source["crop"]) == (str(pictures), "folder", "center")
        assert source["left_out"] == 0
        assert {name: check["bytes"] for name, check in manifest["files"].items()} == {
            name: len(content) for name, content in whole.items() if name != MANIFEST
        }

    @pytest.mark.parametrize("max_workers", [1, 3])
    @pytest.mark.slow
    def test_do_not_depend_on_the_number_of_workers(
        self, tmp_path, pictures, whole, files_of, small_shards, max_workers
    ):
        """`whole` was made in this process; these are made by others."""
        with small_shards(8, processes=True):
            prepare(folder_source(pictures), tmp_path / "set", RGB, 2, max_workers=max_workers)
        assert files_of(tmp_path / "set") == whole

    def test_do_not_depend_on_how_many_pictures_are_held_at_once(
        self, tmp_path, pictures, whole, files_of, monkeypatch
    ):
        monkeypatch.setattr(shards, "_CHUNK_BYTES", 3 * 8 * 8 * 3)
        prepare(folder_source(pictures), tmp_path / "set", RGB, 2)
        assert files_of(tmp_path / "set") == whole

    def test_shards_grow_when_there_would_be_too_many(self, tmp_path, pictures, monkeypatch):
        monkeypatch.setattr(preparing, "MAX_SHARDS", 2)
        assert prepare(folder_source(pictures), tmp_path / "set", RGB, 2).manifest.shard_counts == (10, 10)

    def test_a_complete_set_is_returned_as_it_is(self, tmp_path, pictures):
        first = prepare(folder_source(pictures), tmp_path / "set", RGB, 2)
        before = times(tmp_path / "set")
        again = prepare(folder_source(pictures), tmp_path / "set", RGB, 2)
        assert times(tmp_path / "set") == before
        assert again.fingerprint == first.fingerprint


class TestGoingOn:
    @pytest.mark.parametrize("random_access", [True, False], ids=["random access", "in order"])
    def test_after_an_interruption_the_files_are_the_same_and_finished_shards_stay(
        self, tmp_path, pictures, whole, files_of, random_access
    ):
        directory = tmp_path / "set"
        looked_at = COUNT if random_access else 0  # all names, for the plan
        with pytest.raises(KeyboardInterrupt):
            # Two shards are taken at once, the third when one of them is written.
            prepare(Through(folder_source(pictures), stop_at_call(looked_at + 18), random_access), directory, RGB, 2)
        assert_begun(directory)
        before = times(directory)
        notes = (directory / ".work").iterdir()
        finished = {f"{size}/{note.stem}.tfrecord" for note in notes for size in ("8x8", "4x4")}
        prepare(Through(folder_source(pictures), lambda number: None, random_access), directory, RGB, 2)
        assert {name: before[name] for name in finished}.items() <= times(directory).items()
        files = files_of(directory)
        assert files.keys() == whole.keys()
        # What is not read at any place is known by its signature instead of its names.
        assert {name for name in files if files[name] != whole[name]} == (set() if random_access else {MANIFEST})

    @pytest.mark.parametrize("random_access", [True, False], ids=["random access", "in order"])
    def test_after_pictures_were_removed_it_begins_anew(self, tmp_path, own_pictures, files_of, random_access):
        directory = tmp_path / "set"
        looked_at = COUNT if random_access else 0
        with pytest.raises(KeyboardInterrupt):
            source = Through(folder_source(own_pictures), stop_at_call(looked_at + 18), random_access)
            prepare(source, directory, RGB, 2)
        assert_begun(directory)
        for name in ("a/00.png", "b/15.png", "b/16.png", "b/17.png", "b/18.png", "b/19.png"):  # two shards are left
            (own_pictures / name).unlink()
        for target in (directory, tmp_path / "new"):
            prepare(Through(folder_source(own_pictures), lambda number: None, random_access), target, RGB, 2)
        assert files_of(directory) == files_of(tmp_path / "new")
        assert verify_set(directory) == []

    def test_other_data_do_not_spoil_what_was_begun(self, tmp_path, pictures, own_pictures, files_of):
        (own_pictures / "a" / "00.png").unlink()
        with pytest.raises(KeyboardInterrupt):
            prepare(Through(folder_source(pictures), stop_at_call(COUNT + 18)), tmp_path / "set", RGB, 2)
        before = files_of(tmp_path / "set")
        with pytest.raises(ValueError, match="count was 20, is now 19"):
            prepare(folder_source(own_pictures), tmp_path / "set", RGB, 2)
        assert files_of(tmp_path / "set") == before

    def test_what_a_kill_left_of_a_complete_set_is_removed(self, tmp_path, pictures, whole, files_of, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(preparing, "_remove_work", lambda directory: None)  # killed before
            prepare(folder_source(pictures), tmp_path / "set", RGB, 2)
        assert {INCOMPLETE, ".lock", ".work/shard-00000.json"} < files_of(tmp_path / "set").keys() - whole.keys()
        assert len(prepare(folder_source(pictures), tmp_path / "set", RGB, 2)) == COUNT
        assert files_of(tmp_path / "set") == whole
        assert not (tmp_path / "set" / ".work").exists()

    def test_an_incomplete_set_is_refused_with_what_to_do(self, tmp_path, pictures):
        with pytest.raises(KeyboardInterrupt):
            prepare(Through(folder_source(pictures), stop_at_call(COUNT + 18)), tmp_path, RGB, 2)
        with pytest.raises(ValueError, match=r"not complete.*Run the command that prepared it again; it continues"):
            PreparedImageSet(tmp_path)
        with pytest.raises(ValueError, match="not complete"):
            verify_set(tmp_path)

    def test_progress_starts_with_what_is_done_and_ends_with_all(self, tmp_path, pictures):
        def interrupt(done, total):
            assert total == COUNT
            if done >= 8:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prepare(folder_source(pictures), tmp_path, RGB, 2, progress=interrupt)
        finished = 8 * len(list((tmp_path / ".work").glob("*.json")))
        assert finished >= 8
        calls = []
        prepare(folder_source(pictures), tmp_path, RGB, 2, progress=lambda done, total: calls.append((done, total)))
        assert finished <= calls[0][0] <= COUNT
        assert calls == sorted(calls)
        assert calls[-1] == (COUNT, COUNT)

    @pytest.mark.slow
    def test_after_a_kill_in_the_midst_of_it(self, tmp_path, files_of):
        """The whole command, on 10 shards, with kill -9."""
        command = [
            sys.executable, "-m", "stylegan_tf.cli.dataset", "prepare", "--data=portraits", "--resolution=32",
            "--base_size=8", "--encoding=png", "--workers=1",
        ]  # fmt: skip
        killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
        with subprocess.Popen([*command, f"--output={killed}"], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + TIMEOUT_S
            while len(list((killed / ".work").glob("*.json"))) < 2:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.002)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert (killed / INCOMPLETE).is_file()
        assert not (killed / MANIFEST).is_file()
        for name in ("16x16/.shard-00001.tfrecord.999999.part", f".{MANIFEST}.999999.part"):  # as a kill may leave them
            (killed / name).write_bytes(b"half")
        before = {name: when for name, when in times(killed).items() if "shard-00000" in name and "x" in name}
        for directory in (killed, undisturbed):
            subprocess.run(
                [*command, f"--output={directory}"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True, timeout=TIMEOUT_S
            )
        assert before.items() <= times(killed).items()
        assert files_of(killed) == files_of(undisturbed)
        assert verify_set(killed) == []


class TestBadPictures:
    BROKEN = ("a/09.png", "b/10.png")  # both in shard 1

    @pytest.fixture
    def good(self, own_pictures):
        """What the broken pictures were."""
        good = {name: (own_pictures / name).read_bytes() for name in self.BROKEN}
        (own_pictures / self.BROKEN[0]).write_bytes(good[self.BROKEN[0]][:100])
        (own_pictures / self.BROKEN[1]).write_bytes(b"")
        return good

    def listed(self, directory):
        with (directory / LEFT_OUT).open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert header == ["picture", "reason"]
        return rows

    def test_fail_names_them_all_and_repairing_them_completes_the_set(
        self, tmp_path, own_pictures, good, whole, files_of
    ):
        directory = tmp_path / "set"
        advice = "repair or remove them and run the same command again, or leave them out with --on_error=skip"
        with pytest.raises(ValueError, match=rf"^2 of 20 pictures could not be read; {advice}\.") as caught:
            prepare(folder_source(own_pictures), directory, RGB, 2)
        assert all(name in str(caught.value) for name in self.BROKEN)
        assert str(directory / LEFT_OUT) in str(caught.value)
        rows = self.listed(directory)
        assert [name for name, _ in rows] == list(self.BROKEN)
        assert all(why for _, why in rows)
        with pytest.raises(ValueError, match="not complete"):
            PreparedImageSet(directory)

        before, calls = times(directory), []
        (own_pictures / self.BROKEN[0]).write_bytes(good[self.BROKEN[0]])
        with pytest.raises(ValueError, match=r"^1 of 20 pictures"):
            prepare(folder_source(own_pictures), directory, RGB, 2)
        assert [name for name, _ in self.listed(directory)] == [self.BROKEN[1]]
        (own_pictures / self.BROKEN[1]).write_bytes(good[self.BROKEN[1]])
        read = []
        prepare(
            Through(folder_source(own_pictures), read.append),
            directory,
            RGB,
            2,
            progress=lambda done, total: calls.append(done),
        )
        assert calls[0] >= 12
        # All names are looked at, to see that the source is the same; then the third shard is taken up.
        assert read == [*range(COUNT), *range(8, 16)]
        after = times(directory)
        untouched = {name for name in after if "00001" not in name}
        assert len(untouched) == 4
        assert {name: after[name] for name in untouched} == {name: before[name] for name in untouched}
        files = files_of(directory)
        assert files.keys() == whole.keys()
        assert {name for name in files if files[name] != whole[name]} == {MANIFEST}  # which tells of another folder

    def test_shards_that_are_missing_may_lie_apart(self, tmp_path, own_pictures, whole, files_of):
        good = {name: (own_pictures / name).read_bytes() for name in ("a/03.png", "b/18.png")}
        for name in good:
            (own_pictures / name).write_bytes(b"")
        with pytest.raises(ValueError, match="2 of 20 pictures"):
            prepare(folder_source(own_pictures), tmp_path / "set", RGB, 2)
        for name, content in good.items():
            (own_pictures / name).write_bytes(content)
        prepare(folder_source(own_pictures), tmp_path / "set", RGB, 2)
        files = files_of(tmp_path / "set")
        assert {name for name in files if files[name] != whole[name]} == {MANIFEST}  # which tells of another folder

    def test_skip_leaves_them_out_and_labels_still_match(self, tmp_path, own_pictures, good):
        directory = tmp_path / "set"
        image_set = prepare(folder_source(own_pictures), directory, RGB, 2, on_error="skip")
        assert (len(image_set), image_set.manifest.shard_counts) == (18, (8, 6, 4))
        assert image_set.manifest.label_counts == (9, 9)
        assert image_set.manifest.source["left_out"] == 2
        assert [name for name, _ in self.listed(directory)] == list(self.BROKEN)
        for name in self.BROKEN:
            (own_pictures / name).unlink()
        expected = prepare(folder_source(own_pictures), tmp_path / "expected", RGB, 2)
        everything = np.arange(18)
        for found, wanted in zip(image_set.read(0, everything), expected.read(0, everything), strict=True):
            np.testing.assert_array_equal(found, wanted)
        assert image_set.read(0, everything)[1].tolist() == [0] * 9 + [1] * 9
        assert image_set.fingerprint == expected.fingerprint
        assert verify_set(directory) == []

    def test_what_was_skipped_is_not_taken_for_whole(self, tmp_path, own_pictures, good):
        directory = tmp_path / "set"
        prepare(folder_source(own_pictures), directory, RGB, 2, on_error="skip")
        with pytest.raises(ValueError, match=r"--on_error=skip left out 2 pictures that could not be read"):
            prepare(folder_source(own_pictures), directory, RGB, 2)
        assert len(prepare(folder_source(own_pictures), directory, RGB, 2, on_error="skip")) == 18

    def test_skip_accepts_what_fail_refused_without_reading_it_again(self, tmp_path, own_pictures, good):
        directory = tmp_path / "set"
        with pytest.raises(ValueError, match="could not be read"):
            prepare(folder_source(own_pictures), directory, RGB, 2)
        before = {name: when for name, when in times(directory).items() if not name.startswith(".work")}
        assert len(prepare(folder_source(own_pictures), directory, RGB, 2, on_error="skip")) == 18
        assert times(directory) == before

    def test_a_shard_may_be_left_empty(self, tmp_path, own_pictures):
        for path in sorted(own_pictures.rglob("*.png"))[:8]:
            path.write_bytes(b"")
        image_set = prepare(folder_source(own_pictures), tmp_path / "set", RGB, 2, encoding="png", on_error="skip")
        assert image_set.manifest.shard_counts == (0, 8, 4)
        assert image_set.read(1, np.arange(12))[1].tolist() == [0, 0, *[1] * 10]
        assert verify_set(tmp_path / "set") == []

    @pytest.mark.parametrize("on_error", ["fail", "skip"])
    def test_nothing_that_can_be_read_is_an_error(self, tmp_path, own_pictures, on_error):
        for path in own_pictures.rglob("*.png"):
            path.write_bytes(b"")
        with pytest.raises(ValueError, match="20 of 20 pictures could not be read; none is left") as caught:
            prepare(folder_source(own_pictures), tmp_path / "set", RGB, 2, on_error=on_error)
        assert "and 17 more" in str(caught.value)
        assert not (tmp_path / "set" / MANIFEST).exists()

    def test_names_in_any_script_are_listed(self, tmp_path, write_pictures):
        folder = write_pictures(tmp_path / "pictures", 2)
        odd = os.fsdecode(b"b/\xff.png")  # no text in UTF-8
        names = ["a/картина.png", "a/図.png", 'b/with, comma and "quotes".png', "b/two\nlines.png", odd]
        for name in names:
            (folder / name).write_bytes(b"")
        with pytest.raises(ValueError, match="5 of 7 pictures"):
            prepare(folder_source(folder), tmp_path / "set", RGB, 2)
        assert [name for name, _ in self.listed(tmp_path / "set")] == [
            r"b/\udcff.png" if name == odd else name for name in sorted(names)
        ]
        image_set = prepare(folder_source(folder), tmp_path / "set", RGB, 2, on_error="skip")
        assert len(image_set) == 2


class TestRefused:
    @pytest.mark.parametrize("complete", [True, False], ids=["complete", "begun"])
    def test_another_plan(self, tmp_path, pictures, files_of, complete):
        source = folder_source(pictures)
        if complete:
            prepare(source, tmp_path, RGB, 2)
        else:
            with pytest.raises(KeyboardInterrupt):
                prepare(Through(source, stop_at_call(COUNT + 18)), tmp_path, RGB, 2)
        before = files_of(tmp_path)
        with pytest.raises(ValueError, match="begun, otherwise; delete it or choose another --output") as caught:
            prepare(source, tmp_path, PictureForm((16, 16), 1), 2, encoding="png")
        message = str(caught.value)
        assert "sizes was [[8, 8], [4, 4]], is now [[16, 16], [8, 8]]" in message
        assert "channels was 3, is now 1" in message
        assert "encoding was 'raw', is now 'png'" in message
        assert "crop" not in message
        assert files_of(tmp_path) == before

    def test_another_plan_with_many_classes_is_told_in_one_line(self, tmp_path, write_pictures):
        folder = write_pictures(tmp_path / "pictures", 60, (8, 8), [f"class {number}" for number in range(60)])
        prepare(folder_source(folder), tmp_path / "set", RGB, 2)
        with pytest.raises(ValueError, match="label_names was 60 of them, \\['class 0', .*…, is now \\[\\]") as caught:
            prepare(folder_source(folder, labels=False), tmp_path / "set", RGB, 2)
        assert len(str(caught.value)) < 500

    def test_other_pictures_of_a_complete_set(self, tmp_path, own_pictures):
        prepare(folder_source(own_pictures), tmp_path / "set", RGB, 2)
        (own_pictures / "a" / "00.png").rename(own_pictures / "a" / "000.png")
        with pytest.raises(ValueError, match="pictures was '[0-9a-f]{16}', is now '[0-9a-f]{16}'"):
            prepare(folder_source(own_pictures), tmp_path / "set", RGB, 2)
        (own_pictures / "a" / "000.png").unlink()
        with pytest.raises(ValueError, match="count was 20, is now 19"):
            prepare(folder_source(own_pictures), tmp_path / "set", RGB, 2)

    def test_the_same_pictures_elsewhere_are_the_same(self, tmp_path, own_pictures):
        prepare(folder_source(own_pictures), tmp_path / "set", RGB, 2)
        own_pictures.rename(tmp_path / "moved")
        assert len(prepare(folder_source(tmp_path / "moved"), tmp_path / "set", RGB, 2)) == COUNT

    def test_a_directory_that_holds_something_else(self, tmp_path, pictures, files_of):
        (tmp_path / "thesis.txt").write_text("mine")
        with pytest.raises(ValueError, match="must be a new or empty directory") as caught:
            prepare(folder_source(pictures), tmp_path, RGB, 2)
        assert str(tmp_path) in str(caught.value)
        assert files_of(tmp_path) == {"thesis.txt": b"mine"}

    def test_a_file(self, tmp_path, pictures):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(ValueError, match="output must be a directory"):
            prepare(folder_source(pictures), tmp_path / "file", RGB, 2)
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_damaged_plan(self, tmp_path, pictures):
        (tmp_path / INCOMPLETE).write_text("{")
        with pytest.raises(ValueError, match=f"{INCOMPLETE} could not be read; delete the directory"):
            prepare(folder_source(pictures), tmp_path, RGB, 2)

    def test_a_directory_in_which_another_process_is_at_work(self, tmp_path, pictures, whole, files_of):
        directory = tmp_path / "set"
        directory.mkdir()
        with (directory / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(ValueError, match="Another process is preparing this set; wait for it"):
                prepare(folder_source(pictures), directory, RGB, 2)
            assert [path.name for path in directory.iterdir()] == [".lock"]
        prepare(folder_source(pictures), directory, RGB, 2)
        assert files_of(directory) == whole

    def test_a_disk_that_is_too_small(self, tmp_path, pictures, monkeypatch):
        usage = namedtuple("usage", "total used free")
        needed = COUNT * 3 * (8 * 8 + 4 * 4)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, needed - 1))
        with pytest.raises(ValueError, match=r"too small: the set needs .* MiB more.*smaller --resolution, or --enc"):
            prepare(folder_source(pictures), tmp_path, RGB, 2)
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
        assert len(prepare(folder_source(pictures), tmp_path, PictureForm((4, 4), 3), 1)) == COUNT  # as it advises
        assert len(prepare(folder_source(pictures), tmp_path / "png", RGB, 2, encoding="png")) == COUNT
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, needed))
        assert len(prepare(folder_source(pictures), tmp_path / "raw", RGB, 2)) == COUNT


@pytest.mark.parametrize(
    ("full_after", "error"),
    [*((full_after, errno.ENOSPC) for full_after in (0, 9, 19, 20, 33)), (20, errno.EDQUOT), (20, errno.EFBIG)],
)
def test_a_disk_that_fills_up_leaves_nothing_half_written(
    tmp_path, pictures, whole, files_of, monkeypatch, full_after, error
):
    """Full after so many records; a shard's 8x8 and 4x4 images are written one after the other."""
    directory, frame, written = tmp_path / "set", shards.frame, []

    def full(data):
        if len(written) == full_after:
            raise OSError(error, os.strerror(error))
        written.append(data)
        return frame(data)

    monkeypatch.setattr(shards, "frame", full)
    with pytest.raises(DiskError, match=rf"{os.strerror(error)}\. What was there before stays; ") as caught:
        prepare(folder_source(pictures), directory, RGB, 2)
    assert caught.value.errno == error
    assert directory in Path(caught.value.filename).parents
    assert not list(directory.rglob("*.part"))
    finished = {name for name in times(directory) if name.startswith("8x8/")}
    assert len(finished) == full_after // 16
    assert {name: data for name, data in files_of(directory).items() if name in whole and name != MANIFEST} == {
        name: whole[name] for name in times(directory) if not name.startswith(".work")
    }
    before = times(directory)
    monkeypatch.setattr(shards, "frame", frame)
    prepare(folder_source(pictures), directory, RGB, 2)
    assert {name: when for name, when in before.items() if "x" in name}.items() <= times(directory).items()
    assert files_of(directory) == whole


@pytest.mark.parametrize("name", [INCOMPLETE, MANIFEST])
def test_a_disk_that_is_full_at_the_beginning_or_the_end(tmp_path, pictures, whole, files_of, monkeypatch, name):
    directory, write_text = tmp_path / "set", preparing.write_text

    def full(path, text):
        if path.name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_text(path, text)

    monkeypatch.setattr(preparing, "write_text", full)
    with pytest.raises(DiskError, match="make room there and run the same command again") as caught:
        prepare(folder_source(pictures), directory, RGB, 2)
    assert caught.value.filename == str(directory)
    monkeypatch.setattr(preparing, "write_text", write_text)
    (directory / f".{INCOMPLETE}.999999.part").write_bytes(b"half")  # as a kill may leave it
    prepare(folder_source(pictures), directory, RGB, 2)
    assert files_of(directory) == whole


def test_one_picture_of_one_pixel_is_a_set(tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.new("L", (1, 1), 77).save(tmp_path / "pictures" / "dot.png")
    image_set = prepare(folder_source(tmp_path / "pictures", labels=False), tmp_path / "set", PictureForm((1, 1), 1), 1)
    images, labels = image_set.read(0, np.array([0]))
    assert (images.tolist(), labels) == ([[[[77]]]], None)
    assert Manifest.read(tmp_path / "set").label_counts == ()
    assert verify_set(tmp_path / "set") == []
