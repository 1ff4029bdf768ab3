"""Checkpoints: what is saved is whole, what is damaged is passed over and named."""

import errno
import resource
import subprocess

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.files import DiskError
from stylegan_tf.runs.checkpoints import CheckpointFolder, newest_whole, readable, tell_passed_over
from stylegan_tf.runs.directory import RunDirectory


def checkpoint_of(value, size=300):
    return tf.train.Checkpoint(x=tf.Variable(tf.fill([size], float(value))), y=tf.Variable(1))


def value_of(prefix):
    with readable(prefix) as path:
        return float(tf.train.load_checkpoint(path).get_tensor("x/.ATTRIBUTES/VARIABLE_VALUE")[0])


def saved(path, *numbers):
    folder = CheckpointFolder(path / "checkpoints")
    for number in numbers:
        folder.save(checkpoint_of(number), number, keep=3)
    return folder


def names(folder):
    return sorted(path.name for path in folder.path.iterdir())


def data_of(folder, number):
    return folder.path / f"ckpt-{number}.data-00000-of-00001"


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


DAMAGES = {
    "data cut": (lambda folder: data_of(folder, 40).write_bytes(data_of(folder, 40).read_bytes()[:1000]), "checksum"),
    "data empty": (lambda folder: data_of(folder, 40).write_bytes(b""), "data-00000-of-00001 is empty"),
    "data missing": (lambda folder: data_of(folder, 40).unlink(), "data-00000-of-00001 is missing"),
    "data zeroed": (
        lambda folder: data_of(folder, 40).write_bytes(bytes(data_of(folder, 40).stat().st_size)),
        "checksum",
    ),
    "data flipped": (lambda folder: flip(data_of(folder, 40)), "checksum"),
    "index cut": (lambda folder: (folder.path / "ckpt-40.index").write_bytes(b"half of it"), "index does not have"),
    "index empty": (lambda folder: (folder.path / "ckpt-40.index").write_bytes(b""), "index is empty"),
    "index missing": (lambda folder: (folder.path / "ckpt-40.index").unlink(), "index is missing"),
    "index flipped": (lambda folder: flip(folder.path / "ckpt-40.index"), "index does not have"),
    "a folder": (
        lambda folder: (data_of(folder, 40).unlink(), data_of(folder, 40).mkdir()),
        "data-00000-of-00001 is missing",
    ),
}


def test_only_the_newest_are_kept_each_with_its_checksums(tmp_path):
    folder = saved(tmp_path, 8, 16, 24, 1000)
    assert folder.numbers() == [16, 24, 1000]
    assert names(folder) == sorted(
        [
            "checkpoint",
            *(
                f"ckpt-{number}.{ending}"
                for number in (16, 24, 1000)
                for ending in ("index", "data-00000-of-00001", "sha256")
            ),
        ]
    )
    for number in folder.numbers():
        subprocess.run(["sha256sum", "--check", "--strict", f"ckpt-{number}.sha256"], cwd=folder.path, check=True)
    assert tf.train.latest_checkpoint(str(folder.path)) == folder.prefix(1000)
    assert newest_whole(folder).prefix == folder.prefix(1000)


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_newest_whole_one_is_taken_and_the_others_are_named(tmp_path, capsys, damage):
    folder = saved(tmp_path, 20, 40)
    spoil, reason = DAMAGES[damage]
    spoil(folder)
    found = newest_whole(folder)
    assert found.prefix == folder.prefix(20)
    assert value_of(found.prefix) == 20
    tell_passed_over(found)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("WARNING: checkpoints/ckpt-40 is damaged (ckpt-40.")
    assert reason in line
    assert line.endswith("): ckpt-20 is taken instead.")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_checkpoints_of_earlier_versions(tmp_path, damage):
    """They have no file of checksums."""
    folder = saved(tmp_path, 20, 40)
    for file in folder.path.glob("*.sha256"):
        file.unlink()
    assert newest_whole(folder).prefix == folder.prefix(40)
    DAMAGES[damage][0](folder)
    found = newest_whole(folder)
    assert found.prefix == folder.prefix(20)
    assert "ckpt-40" in found.passed_over


def test_a_list_of_checksums_that_is_cut_short_is_not_needed(tmp_path):
    folder = saved(tmp_path, 20)
    file = folder.path / "ckpt-20.sha256"
    file.write_text(file.read_text()[:30])
    assert newest_whole(folder).prefix == folder.prefix(20)
    data_of(folder, 20).write_bytes(data_of(folder, 20).read_bytes()[:1000])
    assert "cut short" in folder.damage(20)


@pytest.mark.parametrize("number", range(60))
def test_any_flipped_bit_of_an_index_without_checksums_is_survived(tmp_path, number):
    """TensorFlow reads the index of an old checkpoint: whatever it holds, the answer is a reason or the numbers."""
    folder = saved(tmp_path, 20)
    (folder.path / "ckpt-20.sha256").unlink()
    index = folder.path / "ckpt-20.index"
    random = np.random.default_rng(number)
    data = bytearray(index.read_bytes())
    for place in random.integers(0, len(data), 1 + number % 3):
        data[place] ^= 1 << random.integers(8)
    index.write_bytes(data)
    if not folder.damage(20):
        assert value_of(folder.prefix(20)) == 20


def test_when_all_are_damaged_nothing_is_taken(tmp_path):
    folder = saved(tmp_path, 20, 40)
    for number in (20, 40):
        data_of(folder, number).write_bytes(b"")
    words = r"^a run must have a whole checkpoint; .*ckpt-40 is damaged.*ckpt-20 is damaged"
    with pytest.raises(ValueError, match=words):
        newest_whole(folder)


def test_the_lost_state_file_is_not_needed(tmp_path):
    folder = saved(tmp_path, 20, 40)
    (folder.path / "checkpoint").unlink()
    assert newest_whole(folder).prefix == folder.prefix(40)


def test_the_best_one_is_taken_when_the_others_are_lost(tmp_path):
    directory = RunDirectory(tmp_path)
    assert directory.newest_checkpoint() is None
    CheckpointFolder(directory.best).save(checkpoint_of(8), 8, keep=1)
    assert value_of(directory.newest_checkpoint().prefix) == 8
    saved(tmp_path, 16)
    assert value_of(directory.newest_checkpoint().prefix) == 16


@pytest.mark.parametrize("name", ["run [1]", "a\\b", "lr=[1,2]/x", "what?", "*", "{a,b}", "ü ' $HOME"])
def test_signs_of_patterns_in_a_path(tmp_path, name):
    folder = saved(tmp_path / name, 20, 40)
    again = checkpoint_of(0)
    with readable(newest_whole(folder).prefix) as prefix:
        again.restore(prefix).assert_consumed()
    assert float(again.x[0]) == 40
    (folder.path / "ckpt-40.sha256").unlink()
    assert not folder.damage(40)
    flip(data_of(folder, 40))
    assert newest_whole(folder).prefix == folder.prefix(20)
    folder.save(checkpoint_of(60), 60, keep=1)
    assert folder.numbers() == [60]


def test_a_full_disk_loses_nothing_that_was_saved(tmp_path):
    folder = saved(tmp_path, 20)
    before = names(folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(DiskError, match=r"File too large\. What was there before stays; .*the same command"):
            folder.save(checkpoint_of(40, size=10000), 40, keep=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(folder) == before
    assert value_of(newest_whole(folder).prefix) == 20


@pytest.mark.parametrize("place", ["replace", "write_text"])
def test_a_save_that_fails_halfway_is_no_checkpoint_or_a_whole_one(tmp_path, monkeypatch, place):
    folder = saved(tmp_path, 20)

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        owner = "os" if place == "replace" else "stylegan_tf.runs.checkpoints"
        patched.setattr(f"{owner}.{place}", fail)
        with pytest.raises(DiskError, match="No space left on device. What was there before stays; make room"):
            folder.save(checkpoint_of(40), 40, keep=1)
    assert value_of(newest_whole(folder).prefix) == (20 if place == "replace" else 40)
    folder.save(checkpoint_of(41), 41, keep=1)
    assert folder.numbers() == [41]


def test_rests_are_removed_and_nothing_else(tmp_path):
    folder = saved(tmp_path, 20)
    for rest in (".ckpt-40.part", "ckpt-40_temp", "ckpt-40_temp_1f"):
        (folder.path / rest).mkdir()
        (folder.path / rest / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    (folder.path / "notes.txt").write_text("theirs")
    folder.remove_rests()
    assert names(folder) == [
        "checkpoint",
        "ckpt-20.data-00000-of-00001",
        "ckpt-20.index",
        "ckpt-20.sha256",
        "notes.txt",
    ]


def test_newer_damaged_ones_do_not_drive_out_whole_ones(tmp_path):
    """After going on from 20, the damaged 60 is still there when 28 is saved."""
    folder = saved(tmp_path, 20, 60)
    flip(data_of(folder, 60))
    folder.save(checkpoint_of(28), 28, keep=2)
    assert folder.numbers() == [20, 28, 60]
    assert newest_whole(folder).prefix == folder.prefix(28)
    folder.save(checkpoint_of(60), 60, keep=2)
    assert newest_whole(folder).prefix == folder.prefix(60)
    assert folder.numbers() == [28, 60]
