"""A device whose memory is full: one line, with the flag that helps and the checkpoint to go on from."""

from __future__ import annotations

import errno
import os

import pytest
import tensorflow as tf
from tiny_run import resolved, schedule_of, tiny_config, tiny_stylegan2

from stylegan_tf.training import steps
from stylegan_tf.training.memory import (
    FullMemoryError,
    advice_when_full,
    full_memory_told,
    memory_needed,
    plan_memory,
    warning_before,
)
from stylegan_tf.training.run import run_training
from stylegan_tf.training.shares import Shares
from stylegan_tf.training.state import TrainState


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({}, "--max_batch_per_device=4 "),
        ({"max_batch_per_device": 4}, "--max_batch_per_device=2 "),
        ({"max_batch_per_device": 1}, "Choose smaller images"),
    ],
)
def test_the_next_smaller_piece_that_fits_is_named(values, advice):
    config = tiny_stylegan2(minibatch_stddev_group=2, **values)
    text = advice_when_full(schedule_of(config), Shares.of(resolved(config), 1), 0, "runs/a/checkpoint-8")
    assert advice in text and text.endswith("It continues from runs/a/checkpoint-8.")


def test_a_full_disk_is_no_full_memory():
    config = tiny_config()
    error = tf.errors.ResourceExhaustedError(None, None, os.strerror(errno.ENOSPC))
    with pytest.raises(tf.errors.ResourceExhaustedError), full_memory_told(schedule_of(config).at(0), 8):
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


@pytest.fixture(scope="module")
def state():
    return TrainState(tiny_stylegan2(), 2, 0, "float32")


def test_images_cost_what_they_cost_beside_the_weights(state):
    sizes = [memory_needed(state, 1, images) for images in (0, 1, 2)]
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0] > 0 < sizes[0]


@pytest.mark.parametrize(("values", "images"), [({}, 8), ({"max_batch_per_device": 3}, 3), ({"num_devices": 2}, 4)])
def test_what_a_device_takes_at_once_is_planned(state, values, images):
    config = tiny_stylegan2(**values)
    replicas = config.run.num_devices or 1
    plan = plan_memory(state, schedule_of(config), Shares.of(resolved(config, 2, replicas), replicas), 0, 2**34, True)
    assert plan.images == images
    assert plan.needed == memory_needed(state, 1, images)
    assert str(plan) == f"about {plan.needed / 2**30:.1f} of 16.0 GiB, with {images} images of 8x8 at once"


def test_a_run_that_will_not_fit_is_warned_of(state):
    config = resolved(tiny_stylegan2(minibatch_stddev_group=2))
    schedule, shares = schedule_of(config), Shares.of(config, 1)

    def warning(total):
        plan = plan_memory(state, schedule, shares, 0, total, True)
        return warning_before(plan, state, schedule, shares, 0)

    for images in (2, 4):
        text = warning(round(1.1 * memory_needed(state, 1, images)))
        assert text.startswith("WARNING: a step will probably not fit") and f"--max_batch_per_device={images} " in text
    assert "Choose smaller images" in warning(1000)
    assert not warning(2**30) and not warning(0)


def test_the_plan_of_a_run_tells_its_memory(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("stylegan_tf.training.devices.memory_total", lambda count: 1 << 20)
    assert run_training(tiny_stylegan2(run_dir=str(tmp_path / "run")), dry_run=True) == 0
    captured = capsys.readouterr()
    assert "Memory     about 0.7 of 0.0 GiB, with 8 images of 8x8 at once" in captured.out
    assert "WARNING: a step will probably not fit into the memory: it needs about 0.7 of 0.0 GiB" in captured.err
