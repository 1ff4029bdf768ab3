"""Whether an action is due only answers: for every action there is, asking changes nothing."""

import importlib
import pkgutil
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import report, schedule_of, tiny_stylegan2

import stylegan_tf.training
from stylegan_tf.augment.pipeline import Augmentation
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training import status as status_module
from stylegan_tf.training.actions import Action, IntervalAction, LoopState, TensorBoardScalars
from stylegan_tf.training.advice import Advice
from stylegan_tf.training.augmentation_actions import AugmentationControl, AugmentedReals
from stylegan_tf.training.checkpoint_actions import Checkpoints
from stylegan_tf.training.grid_actions import SampleGrid
from stylegan_tf.training.loop import Breakable, StopRequest
from stylegan_tf.training.metric_actions import Metrics
from stylegan_tf.training.profile import Profile
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.status import Status

CONFIG = tiny_stylegan2(augment="adaptive", augment_kimg=1.0)


class Evaluator:
    """The part of an evaluator that is looked at before anything is measured."""

    reals, protocols = None, [types.SimpleNamespace(name="fid", values=("fid",), meaning="", lower_is_better=True)]


@pytest.fixture(scope="module")
def state():
    return TrainState(CONFIG, 2, 0, "float32")


@pytest.fixture
def loop(state):
    return LoopState.at(0, state, schedule_of(CONFIG))


@pytest.fixture
def made(loop, tmp_path, monkeypatch):
    """One of each kind, before its first run; the time stands still."""
    monkeypatch.setattr(status_module.time, "monotonic", lambda: 5000.0)
    directory = RunDirectory(tmp_path / "run")
    writer = tf.summary.create_file_writer(str(directory.tensorboard))
    reader, stop = loop.statistics.reader(), StopRequest()
    grid = SampleGrid(CONFIG.run, loop.state.generator_ema, directory, writer)
    reals = np.zeros([16, 8, 8, 3], np.uint8)
    return [
        Status(96, 10.0, print, reader),
        TensorBoardScalars(writer, CONFIG, reader),
        grid,
        Breakable(grid, stop),
        AugmentationControl(CONFIG.augment),
        AugmentedReals(CONFIG.run, Augmentation.from_groups("color"), reals, directory, writer),
        Checkpoints(loop.state, directory, CONFIG.run),
        Metrics(CONFIG.run.metrics_interval_kimg, Evaluator(), loop.state, directory, writer, print, stop),
        Advice(CONFIG, reader, None, writer, print),
        Profile((2, 3), tmp_path / "profile", print),
    ]


def kinds(of=Action):
    return {kind for below in of.__subclasses__() for kind in {below} | kinds(below)}


def test_none_is_left_out(made):
    for module in pkgutil.iter_modules(stylegan_tf.training.__path__):
        importlib.import_module(f"stylegan_tf.training.{module.name}")
    ours = {kind for kind in kinds() if kind.__module__.startswith("stylegan_tf.")}
    assert {type(action) for action in made} == ours - {IntervalAction}


def snapshot(value, seen=()):
    """All that an object of ours holds, as far as it is plain; others by what they are."""
    if isinstance(value, (bool, int, float, str, bytes, type(None), Path)):
        return value
    if id(value) in seen:
        return "again"
    seen = (*seen, id(value))
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value), [snapshot(item, seen) for item in value]
    if isinstance(value, dict):
        return [(snapshot(key, seen), snapshot(item, seen)) for key, item in value.items()]
    if isinstance(value, (tf.Variable, tf.Tensor, np.ndarray)):
        return np.asarray(value).tobytes()
    if type(value).__module__.startswith("stylegan_tf.training") and hasattr(value, "__dict__"):
        return type(value), snapshot(vars(value), seen)
    return id(value)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_snapshot_sees_what_asking_might_change(made):
    for change in (
        lambda: setattr(made[0], "_last", (1.0, 2)),
        lambda: setattr(made[-1], "_count", 1),
        lambda: made[0].statistics.rows.append({}),
    ):
        before = snapshot(made)
        change()
        assert snapshot(made) != before


def test_asking_any_number_of_times_changes_nothing(made, loop, tmp_path):
    loop.statistics.add(0, report())
    before = snapshot([made, loop]), files(tmp_path)
    for action in made:
        answers = {(begin, end): action.due(begin, end) for begin, end in ((0, 8), (40, 48), (88, 96))}
        for _ in range(3):
            for (begin, end), answer in answers.items():
                assert action.due(begin, end) is answer, type(action)
    assert (snapshot([made, loop]), files(tmp_path)) == before


def test_a_status_line_and_a_profile_that_ran_are_asked_for_nothing_too(made, loop):
    """They remember what they saw."""
    loop.images_seen = 8
    for action in (made[0], made[-1]):
        assert action.due(0, 8)
        action.run(loop)
        before = snapshot([action, loop])
        assert len({action.due(8, 16) for _ in range(5)}) == 1
        assert snapshot([action, loop]) == before
    made[-1].finish(loop)
