"""A device whose memory is full: one line, with the flag that helps and the checkpoint to go on from."""

from __future__ import annotations

import errno
import os

import pytest
import tensorflow as tf
from tiny_run import tiny_config, tiny_stylegan2

from stylegan_tf.training import steps
from stylegan_tf.training.memory import FullMemoryError, advice_when_full, full_memory_told
from stylegan_tf.training.run import run_training
from stylegan_tf.training.schedule import Schedule


def schedule_of(config):
    return Schedule.from_config(config, 2)


@pytest.mark.parametrize(("values", "advice"), [
    ({}, "--max_batch_per_device=4 "),
    ({"max_batch_per_device": 4}, "--max_batch_per_device=2 "),
    ({"max_batch_per_device": 1}, "Choose smaller images"),
])
def test_the_next_smaller_piece_that_fits_is_named(values, advice):
    config = tiny_stylegan2(minibatch_stddev_group=2, **values)
    text = advice_when_full(config, schedule_of(config), 1, 0, "runs/a/checkpoint-8")
    assert advice in text and text.endswith("It goes on from runs/a/checkpoint-8.")


def test_a_full_disk_is_no_full_memory():
    config = tiny_config()
    error = tf.errors.ResourceExhaustedError(None, None, os.strerror(errno.ENOSPC))
    with pytest.raises(tf.errors.ResourceExhaustedError), full_memory_told(schedule_of(config).at(0), 1):
        raise error


def test_a_run_says_what_to_do(tmp_path, monkeypatch, capsys):
    def run_out(self, *arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nHint: x")

    config = tiny_stylegan2(run_dir=str(tmp_path / "run"))
    monkeypatch.setattr(steps.TrainingStep, "__call__", run_out)
    monkeypatch.setattr(steps.TrainingStep, "prepare", lambda self, *arguments: None)
    with pytest.raises(FullMemoryError, match=r"memory is full with 8 images of 8x8 at once") as caught:
        run_training(config)
    assert "Add --max_batch_per_device=4" in str(caught.value) and "No checkpoint was saved yet." in str(caught.value)
    assert "memory is full" in (tmp_path / "run" / "log.txt").read_text()
