"""What a whole run writes to TensorBoard."""

import signal

import pytest
import tensorflow as tf
from shared_traces import shared_traces
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_run import tiny_stylegan2, write_images

from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training import run as run_module
from stylegan_tf.training.loop import StopRequest
from stylegan_tf.training.run import run_training

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _shared_traces():
    with shared_traces():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that was stopped after five steps, and that is shorter than any interval."""
    folder = tmp_path_factory.mktemp("run")
    config = tiny_stylegan2(
        data=str(write_images(folder / "images")), run_dir=str(folder / "run"), profile_steps="3-50",
        tensorboard_interval_kimg=1.0, grid_interval_kimg=1.0, checkpoint_interval_kimg=1.0,
    )  # fmt: skip
    original = run_module.train

    def train(loop, step, pipeline, actions, *, stop: StopRequest, **keywords):
        class Stop:
            def due(self, before, now):
                if now >= 40:
                    stop(signal.SIGTERM, None)
                return False

        return original(loop, step, pipeline, [*actions, Stop()], stop=stop, **keywords)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run_module, "train", train)
        assert run_training(config) == 128 + signal.SIGTERM
    return RunDirectory(folder / "run")


def test_what_came_after_the_last_interval_is_written(run):
    events = EventAccumulator(str(run.tensorboard), size_guidance={"tensors": 0}).Reload()
    for tag in ("loss/critic", "loss/path_length_penalty", "scores/fake"):
        assert [event.step for event in events.Tensors(tag)] == [40], tag
    (kimg,) = events.Tensors("progress/kimg")
    assert float(tf.make_ndarray(kimg.tensor_proto)) == pytest.approx(0.04)
    assert not {tag for tag in events.Tags()["tensors"] if tag.startswith(("progress/re", "progress/fa", "augment"))}


def test_a_profile_that_was_cut_short_is_whole(run):
    (file,) = run.tensorboard.glob("plugins/profile/*/*.xplane.pb")
    recorded = file.read_bytes()
    assert b"Conv2D" in recorded
    assert b"SaveV2" not in recorded  # the checkpoint that follows is no part of a step
    log = run.log_file.read_text()
    assert f"The profile of steps 3 to 5 lies in {run.tensorboard}/plugins/profile" in log
    assert log.index("The profile of") < log.index("Stopped by SIGTERM")
