"""When a checkpoint is saved, and which is restored."""

import math

import pytest
from tiny_run import report, schedule_of, tiny_config

from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.actions import LoopState
from stylegan_tf.training.checkpoint_actions import Checkpoints
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.statistics import NonFiniteError


@pytest.fixture(scope="module")
def state():
    return TrainState(tiny_config(), 2, 3, "float32")


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "run")


def loop_at(images_seen, state):
    return LoopState.at(images_seen, state, schedule_of(tiny_config()))


@pytest.fixture
def checkpoints(state, directory):
    return Checkpoints(state, directory, tiny_config(keep_checkpoints=2).run)


def names(directory):
    return sorted(path.name for path in directory.checkpoints.glob("*.index"))


@pytest.mark.slow
def test_the_newest_checkpoints_are_kept(state, directory, checkpoints):
    assert checkpoints.restore() == 0
    for images_seen in (100, 200, 1000):
        checkpoints.run(loop_at(images_seen, state))
    assert names(directory) == ["ckpt-1000.index", "ckpt-200.index"]
    resumed = Checkpoints(state, directory, tiny_config(keep_checkpoints=2).run)
    state.images_seen.assign(5)
    assert resumed.restore() == 1000 == int(state.images_seen)
    resumed.run(loop_at(1100, state))
    assert names(directory) == ["ckpt-1000.index", "ckpt-1100.index"]


def test_nothing_is_saved_when_a_statistic_is_not_finite(state, directory, checkpoints):
    checkpoints.run(loop_at(100, state))
    loop = loop_at(200, state)
    loop.statistics.add(190, report(critic_loss=math.nan))
    with pytest.raises(NonFiniteError):
        checkpoints.run(loop)
    assert names(directory) == ["ckpt-100.index"]
    assert checkpoints.restore() == 100


def test_a_checkpoint_that_does_not_fit_is_refused(state, directory, checkpoints):
    checkpoints.run(loop_at(100, state))
    other = TrainState(tiny_config(z_size=16), 2, 3, "float32")
    with pytest.raises(ValueError, match=r"^a checkpoint must fit the networks\. Received: .*ckpt-100"):
        Checkpoints(other, directory, tiny_config().run).restore()


def test_a_damaged_checkpoint_is_refused(state, directory, checkpoints):
    checkpoints.run(loop_at(100, state))
    (directory.checkpoints / "ckpt-100.index").write_bytes(b"half of it")
    with pytest.raises(ValueError, match=r"^a run must have a whole checkpoint; .*ckpt-100 is damaged"):
        Checkpoints(state, directory, tiny_config().run).restore()


def test_the_end_is_saved_once(state, directory, checkpoints):
    checkpoints.run(loop_at(100, state))
    saved = (directory.checkpoints / "ckpt-100.index").stat().st_mtime_ns
    checkpoints.finish(loop_at(100, state))
    assert (directory.checkpoints / "ckpt-100.index").stat().st_mtime_ns == saved
    checkpoints.finish(loop_at(108, state))
    assert names(directory) == ["ckpt-100.index", "ckpt-108.index"]
    assert int(state.images_seen) == 108
