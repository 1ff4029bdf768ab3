"""Which batches are refused: those that cannot be shared out, as far as they are still to come."""

import pytest
import tensorflow as tf
from tiny_run import resolved, schedule_of, table, tiny_config, tiny_stylegan2

from stylegan_tf.runs.checkpoints import CheckpointFolder
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.shares import Shares


def check(images_seen=0, replicas=1, **values):
    config = tiny_config(**values)
    Shares.of(resolved(config, 2, replicas), replicas).check(schedule_of(config, 2), images_seen)


def test_batches_of_resolutions_that_a_short_run_does_not_reach_are_not_asked_for():
    for total_kimg in (0.032, 0.04):  # at 32 images one more step is taken at 4x4, and it leads to 40
        check(batch_size=table("4:8,8:6"), total_kimg=total_kimg)
    with pytest.raises(ValueError, match=r"multiple of minibatch_stddev_group, 4, .*Received: 6"):
        check(batch_size=table("4:8,8:6"), total_kimg=0.041)


def test_batches_that_a_resumed_run_has_behind_it_are_not_asked_for():
    values = {"batch_size": table("4:12,8:8"), "max_batch_per_device": 8}  # 12 are 6 + 6: no whole number of groups
    check(images_seen=36, **values)
    for images_seen in (0, 24):
        with pytest.raises(ValueError, match=r"multiple of minibatch_stddev_group, 4, .*Received: 6"):
            check(images_seen, **values)


def test_where_a_run_is_is_told_by_its_newest_checkpoint(tmp_path):
    directory = RunDirectory(tmp_path)
    assert directory.newest_images_seen() == 0
    folder = CheckpointFolder(directory.checkpoints)
    for number in (8, 36, 120):
        folder.save(tf.train.Checkpoint(x=tf.Variable(1.0)), number, keep=3)
    assert directory.newest_images_seen() == 120
    (directory.checkpoints / "ckpt-120.index").write_bytes(b"")
    assert directory.newest_images_seen() == 36


@pytest.mark.parametrize("group", [None, 0, 1, 7, 8])
def test_groups_that_take_any_batch_or_this_one(group):
    check(batch_size=table("7"), minibatch_stddev_group=group)


@pytest.mark.parametrize("group", [2, 3, 4, 6])
def test_groups_that_do_not_divide_the_batch(group):
    with pytest.raises(ValueError, match=f"multiple of minibatch_stddev_group, {group}, or fewer.*Received: 7"):
        check(batch_size=table("7"), minibatch_stddev_group=group)


def test_devices_must_divide_the_batch():
    check(replicas=2, batch_size=table("6"), minibatch_stddev_group=3)
    with pytest.raises(ValueError, match=r"multiple of the number of devices, 4.*Received: 6"):
        check(replicas=4, batch_size=table("6"))


def test_the_free_neighbour_of_a_run_is_numbered(tmp_path):
    (tmp_path / "faces").mkdir()
    assert RunDirectory(tmp_path / "faces").free_neighbour() == tmp_path / "faces-2"
    (tmp_path / "faces-2").mkdir()
    (tmp_path / "faces-3").touch()
    assert RunDirectory(tmp_path / "faces").free_neighbour() == tmp_path / "faces-4"


@pytest.mark.parametrize(
    ("batch", "began", "now", "at_once"),
    [(64, 8, 1, 8), (64, 8, 2, 8), (64, 8, 8, 8), (64, 8, 16, 4), (48, 6, 4, 5), (40, 5, 1, 4), (10, 5, 1, 1)],
)
def test_a_batch_of_more_devices_comes_in_pieces_that_fit(batch, began, now, at_once):
    config = resolved(tiny_stylegan2(batch_size=table(str(batch))), 2, began)
    shares = Shares.of(config, now)
    assert shares.images_at_once(batch) == at_once
    asked = config.replace({"max_batch_per_device": 3})
    assert Shares.of(asked, now).images_at_once(batch) == 3
    shares.check(schedule_of(config, 2), 0)


def test_a_batch_that_other_devices_cannot_share_says_whose_it_is():
    config = resolved(tiny_config(batch_size=table("4")), 2, 1)
    with pytest.raises(ValueError, match="chosen for 1 when the run began. or --num_devices. Received: 4"):
        Shares.of(config, 8).check(schedule_of(config, 2), 0)
