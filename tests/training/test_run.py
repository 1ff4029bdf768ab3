"""Whole tiny runs: what they write, and that stopping and going on changes nothing."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from shared_traces import shared_traces
from tiny_run import resolved, table, tiny_config, tiny_stylegan2, write_images

from stylegan_tf.runs.checkpoints import CheckpointFolder
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.runs.load import load_run
from stylegan_tf.training import run as run_module
from stylegan_tf.training.actions import IntervalAction
from stylegan_tf.training.loop import Breakable, StopRequest, stop_on_signals
from stylegan_tf.training.preparation import make_augmentation
from stylegan_tf.training.run import run_training
from stylegan_tf.training.statistics import NonFiniteError
from stylegan_tf.training.transfer import read_networks


@pytest.fixture(scope="module", autouse=True)
def _shared_traces():
    """Runs in processes of their own, each of which traces, are in the command's tests."""
    with shared_traces():
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(write_images(tmp_path_factory.mktemp("data") / "images"))


def configure(data, run_dir, make=tiny_config, **values):
    return make(data=data, run_dir=str(run_dir), **values)


def checkpoint_arrays(directory):
    reader = tf.train.load_checkpoint(RunDirectory(directory).newest_checkpoint().prefix)
    names = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in names if not name.startswith(("save_counter", "_CHECKPOINT"))}


def assert_equal_checkpoints(one, other):
    expected, found = checkpoint_arrays(one), checkpoint_arrays(other)
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def stop_after(monkeypatch, images, number=signal.SIGTERM):
    """Makes the next run see a signal once that many images have been seen."""

    def train(*arguments, stop, **keywords):
        *others, actions = arguments

        class Stop:
            def due(self, before, now):
                if now >= images:
                    stop(number, None)
                return False

        return original(*others, [*actions, Stop()], stop=stop, **keywords)

    original = run_module.train
    monkeypatch.setattr(run_module, "train", train)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A run that was never interrupted."""
    directory = tmp_path_factory.mktemp("runs") / "finished"
    assert run_training(configure(data, directory)) == 0
    return directory


@pytest.mark.slow
def test_a_gpu_that_is_not_used_is_said_before_everything_else(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_module, "missing_gpu", lambda: "the driver is too old")
    assert run_training(configure(data, tmp_path / "run", total_kimg=0.008)) == 0
    warning = "WARNING: training on the CPU, no GPU is used: the driver is too old."
    assert capsys.readouterr().err.startswith(warning)
    assert warning in RunDirectory(tmp_path / "run").log_file.read_text().splitlines()[0]


@pytest.mark.slow
def test_run_directory(finished):
    directory = RunDirectory(finished)
    assert json.loads(directory.config_file.read_text())["data"]["resolution"] == "8"
    assert directory.read_dataset().count == 20
    assert sorted(path.name for path in directory.samples.iterdir()) == [
        "kimg_000000.00.png",
        "kimg_000000.05.png",
        "kimg_000000.10.png",
        "reals.png",
    ]
    with Image.open(directory.progress_file) as animation:
        assert animation.n_frames == 3
    with Image.open(directory.samples / "kimg_000000.10.png") as grid:
        assert grid.size == (512, 512)
    assert directory.newest_checkpoint().prefix.endswith("ckpt-96")
    log = directory.log_file.read_text()
    for text in ("Devices", "fade in", "kimg 0.1 of 0.096", "Finished 0.096 kimg", " export --run_dir=", "tensorboard"):
        assert text in log


@pytest.mark.slow
def test_tensorboard_events(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {
        "loss/critic",
        "loss/generator",
        "loss/wasserstein_estimate",
        "loss/gradient_penalty",
        "gradients/critic_norm",
        "scores/real",
        "scores/fake",
        "progress/fade_in",
        "progress/resolution",
        "progress/batch_size",
        "progress/learning_rate",
        "speed/images_per_second",
        "speed/memory_gib",
        "progress/kimg",
        "images/generator_ema",
        "images/reals",
        "run/config",
        "run/plan",
        "custom_scalars__config__",
    } <= tags

    def points(tag):
        return {event.step: float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)}

    assert points("progress/resolution") == {16: 4, 32: 4, 48: 8, 64: 8, 80: 8, 96: 8}
    fading = points("progress/fade_in")
    assert fading[48] == pytest.approx(0.25)  # of the step that went from 40 to 48 images
    assert fading[32] == fading[96] == 1.0


@pytest.mark.parametrize("stops", [[16], [40, 72]], ids=str)
@pytest.mark.slow
def test_a_stopped_and_resumed_run_ends_bit_identical(data, finished, tmp_path, monkeypatch, stops):
    directory = tmp_path / "resumed"
    for images in stops:
        with monkeypatch.context() as patched:
            stop_after(patched, images)
            assert run_training(configure(data, directory)) == 128 + signal.SIGTERM
        assert RunDirectory(directory).newest_checkpoint().prefix.endswith(f"ckpt-{images}")
    assert run_training(configure(data, directory)) == 0
    assert_equal_checkpoints(finished, directory)


@pytest.mark.usefixtures("optimized_graphs")
@pytest.mark.slow
def test_a_resumed_run_in_half_precision_ends_bit_identical(data, tmp_path, monkeypatch):
    values = {
        "dtype_policy": "mixed_bfloat16",
        "start_resolution": 8,
        "style_mixing_probability": 0.0,
        "mirror": True,
        "power_averages": "0.05,0.1",
    }
    assert run_training(configure(data, tmp_path / "whole", **values)) == 0
    with monkeypatch.context() as patched:
        stop_after(patched, 56)
        assert run_training(configure(data, tmp_path / "resumed", **values)) == 128 + signal.SIGTERM
    assert run_training(configure(data, tmp_path / "resumed", **values)) == 0
    assert_equal_checkpoints(tmp_path / "whole", tmp_path / "resumed")
    averages = [name for name in checkpoint_arrays(tmp_path / "whole") if name.startswith("power_averages/")]
    assert len(averages) == 2


# Strong enough to move within twelve steps.
ADAPTIVE = {
    "make": tiny_stylegan2,
    "augment": "adaptive",
    "augment_kimg": 0.1,
    "augment_interval": 2,
    "augment_transforms": "color",
}


@pytest.mark.usefixtures("optimized_graphs")
@pytest.mark.slow
def test_stylegan2_resumes_bit_identical_with_regularisers_and_adaptive_augmentation(data, tmp_path, monkeypatch):
    """Stopped between two adjustments of the strength, and between two of either regulariser."""
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert run_training(configure(data, whole, **ADAPTIVE)) == 0
    with monkeypatch.context() as patched:
        stop_after(patched, 40)
        assert run_training(configure(data, resumed, **ADAPTIVE)) == 128 + signal.SIGTERM
    state = scalars_of(resumed)
    assert state["path_length_mean"] > 0
    assert state["sign_sum"] != 0
    assert run_training(configure(data, resumed, **ADAPTIVE)) == 0
    assert_equal_checkpoints(whole, resumed)
    directory = RunDirectory(whole)
    assert sorted(path.name for path in directory.samples.iterdir()) == [
        "augmented_reals.png",
        "kimg_000000.00.png",
        "kimg_000000.05.png",
        "kimg_000000.10.png",
        "reals.png",
    ]
    log = directory.log_file.read_text()
    for text in ("critic regularizer every 3 steps", "adaptive from 0, target 0.6", "| augment 0."):
        assert text in log
    assert load_run(whole).generator.network(tf.zeros([2, 8])).shape == (2, 8, 8, 3)


def scalars_of(directory):
    arrays = checkpoint_arrays(directory)
    names = {name.partition("/")[0]: name for name in arrays if arrays[name].shape == ()}
    return {name: float(arrays[path]) for name, path in names.items()}


# Transforms that are quick to trace: each has tests of its own.
HALF_OF_THEM = {"augment": "fixed", "augment_p": 0.5, "augment_transforms": "blit"}


@pytest.mark.parametrize(
    "values",
    [
        {"generator_architecture": "growing", "critic_architecture": "growing"},
        {"max_batch_per_device": 4, "path_length_batch_shrink": 1, **HALF_OF_THEM},
    ],
    ids=["growing", "in pieces"],
)
@pytest.mark.slow
def test_stylegan2_that_grows_or_takes_its_batch_in_pieces(data, tmp_path, values):
    directory = tmp_path / "run"
    assert run_training(configure(data, directory, tiny_stylegan2, **values)) == 0
    arrays = checkpoint_arrays(directory)
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert scalars_of(directory)["path_length_mean"] > 0
    log = RunDirectory(directory).log_file.read_text()
    assert ("fade in" in log) == ("generator_architecture" in values)
    assert load_run(directory).generator.network(tf.zeros([2, 8])).shape == (2, 8, 8, 3)


@pytest.mark.slow
def test_what_is_left_open_stays_open_in_the_saved_configuration(data, tmp_path):
    """So that a run may go on with other devices; plan and state have what follows."""
    open_values = dict.fromkeys(("batch_size", "r1_gamma", "ema_half_life_kimg", "augment_kimg"))
    config = configure(data, tmp_path / "run", tiny_stylegan2, augment="adaptive", **open_values)
    run = run_module.prepare_run(config)
    assert [run.config.get(name) for name in open_values] == [None] * 4
    assert run.state.config.get("batch_size") == table("32")
    assert run.state.config.get("r1_gamma") == pytest.approx(0.0002 * 64 / 32)
    assert (run.state.config.get("ema_half_life_kimg"), run.state.config.get("augment_kimg")) == (10.0, 500.0)
    assert run.schedule.at(0).batch_size == 32
    run.directory.prepare(run.config, run.state.config, run.dataset)
    assert run.directory.read_config() == run.config
    run.directory.check(run.config, run.dataset)


@pytest.mark.parametrize("loss", ["wgan-gp", "least-squares"])
def test_adaptive_augmentation_needs_a_loss_whose_sign_tells_reals(data, tmp_path, loss):
    config = configure(data, tmp_path / "run", augment="adaptive", loss=loss)
    with pytest.raises(ValueError, match=rf"loss=logistic or hinge.*--augment=fixed\. Received: loss={loss}\.$"):
        run_training(config)
    assert not (tmp_path / "run").exists()
    for other in ("fixed", "diffaugment"):
        assert make_augmentation(configure(data, tmp_path, augment=other).augment, loss) is not None
    assert make_augmentation(configure(data, tmp_path).augment, loss) is None


def test_unknown_transforms_are_refused(data, tmp_path):
    config = configure(data, tmp_path / "run", augment="fixed", augment_transforms="blit,colour")
    with pytest.raises(ValueError, match="Received: 'blit,colour'"):
        run_training(config)
    config = configure(data, tmp_path / "run", augment="diffaugment", diffaugment_transforms="color,blit")
    with pytest.raises(ValueError, match="diffaugment_transforms: .* Received: 'color,blit'"):
        run_training(config)


@pytest.mark.slow
def test_a_finished_run_says_so_and_trains_on_when_asked(data, finished, tmp_path, capsys):
    directory = tmp_path / "longer"
    shutil.copytree(finished, directory)
    assert run_training(configure(data, directory)) == 0
    assert "finished at 0.096 kimg; raise --total_kimg" in capsys.readouterr().out
    assert run_training(configure(data, directory, profile_steps="2-3")) == 0
    assert "--profile_steps records steps of a training, of which there are none" in capsys.readouterr().out
    assert run_training(configure(data, directory, total_kimg=0.112)) == 0
    assert RunDirectory(directory).newest_checkpoint().prefix.endswith("ckpt-112")


@pytest.mark.slow
def test_a_run_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before(data, finished, tmp_path, capsys):
    directory = RunDirectory(tmp_path / "damaged")
    shutil.copytree(finished, directory.path)
    (directory.checkpoints / "checkpoint").unlink()
    newest = directory.checkpoints / "ckpt-96.data-00000-of-00001"
    newest.write_bytes(newest.read_bytes()[:1000])
    load_run(directory.path)
    reason = "ckpt-96.data-00000-of-00001 does not have its checksum"
    told = f"WARNING: checkpoints/ckpt-96 is damaged ({reason}): ckpt-64 is taken instead."
    assert capsys.readouterr().err.startswith(told)
    assert run_training(configure(data, directory.path)) == 0
    printed = capsys.readouterr()
    assert told in printed.err
    assert "Resuming at 0.064 kimg from" in printed.out
    assert told in directory.log_file.read_text()
    assert_equal_checkpoints(finished, directory.path)


def test_a_run_without_whole_checkpoints_does_not_start_again(data, finished, tmp_path):
    directory = RunDirectory(tmp_path / "damaged")
    shutil.copytree(finished, directory.path)
    for index in directory.checkpoints.glob("*.index"):
        index.write_bytes(b"")
    log = directory.log_file.read_text()
    with pytest.raises(ValueError, match="a run must have a whole checkpoint.*ckpt-96.*ckpt-64.*ckpt-32"):
        run_training(configure(data, directory.path))
    assert directory.log_file.read_text() == log


@pytest.mark.slow
def test_a_run_whose_checkpoints_are_gone_says_that_it_starts_again(data, finished, tmp_path, capsys):
    directory = RunDirectory(tmp_path / "bare")
    shutil.copytree(finished, directory.path)
    shutil.rmtree(directory.checkpoints)
    with pytest.raises(ValueError, match="z_size was 8, is now 16"):  # it is still that run
        run_training(configure(data, directory.path, z_size=16))
    assert run_training(configure(data, directory.path)) == 0
    told = f"There is no checkpoint in {directory.checkpoints}: training starts again at 0 kimg."
    assert told in capsys.readouterr().out


@pytest.mark.slow
def test_signs_of_patterns_in_the_run_directory(data, finished, tmp_path, monkeypatch):
    directory = tmp_path / "lr=[1,2]" / "run [1]"
    with monkeypatch.context() as patched:
        stop_after(patched, 40)
        assert run_training(configure(data, directory)) == 128 + signal.SIGTERM
    assert run_training(configure(data, directory, keep_checkpoints=1)) == 0
    assert CheckpointFolder(directory / "checkpoints").numbers() == [96]
    plain = shutil.copytree(directory, tmp_path / "plain")
    assert_equal_checkpoints(finished, plain)
    assert load_run(directory).images_seen == 96
    assert read_networks(directory).name == f"{directory} at 0.096 kimg"


@pytest.mark.slow
def test_a_run_of_an_earlier_version_goes_on(tmp_path, capsys):
    """Growing, with adaptive augmentation, stopped after one step; its checkpoint has no file of checksums."""
    directory = shutil.copytree(Path(__file__).parent / "old_run", tmp_path / "run")
    pictures = write_images(tmp_path / "pictures", count=8)
    assert load_run(directory).images_seen == 4
    values = {"data": str(pictures), "run_dir": str(directory), "total_kimg": 0.02}
    assert run_training(RunDirectory(directory).read_config().replace(values)) == 0
    assert "Resuming at 0.004 kimg" in capsys.readouterr().out
    assert load_run(directory).images_seen == 20


@pytest.mark.slow
def test_a_start_that_came_to_nothing_binds_nothing(data, finished, tmp_path):
    directory = tmp_path / "run"
    config = configure(data, directory, z_size=16)
    RunDirectory(directory).prepare(config, resolved(config), RunDirectory(finished).read_dataset())
    assert run_training(configure(data, directory, total_kimg=0.008)) == 0
    assert RunDirectory(directory).read_config().network.z_size == 8


@pytest.mark.slow
def test_the_first_grid_shows_what_the_training_begins_with_and_binds_nothing(data, finished, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run_module, "train", stop)
        with pytest.raises(KeyboardInterrupt):
            run_training(configure(data, tmp_path / "run", z_size=16))
    assert RunDirectory(tmp_path / "run").sample_grids()
    assert run_training(configure(data, tmp_path / "run")) == 0  # of another size of z
    (first, *_), (same, *_) = (RunDirectory(path).sample_grids() for path in (tmp_path / "run", finished))
    assert first.read_bytes() == same.read_bytes()


@pytest.mark.slow
def test_a_stop_during_the_first_step_saves_nothing(data, tmp_path, monkeypatch, capsys):
    def step(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    monkeypatch.setattr(run_module.TrainingStep, "__call__", step)
    started = time.monotonic()
    assert run_training(configure(data, tmp_path / "run")) == 128 + signal.SIGTERM
    assert time.monotonic() - started < 50
    assert "Stopped by SIGTERM before the first step, at 0 kimg; run the same command" in capsys.readouterr().out
    assert RunDirectory(tmp_path / "run").newest_checkpoint() is None


def test_another_configuration_is_refused_with_the_fields_that_differ(data, finished):
    with pytest.raises(ValueError, match="z_size was 8, is now 16") as refusal:
        run_training(configure(data, finished, z_size=16, keep_checkpoints=9))
    assert "keep_checkpoints" not in str(refusal.value)


def test_other_images_are_refused(finished, tmp_path):
    other = write_images(tmp_path / "other", seed=5)
    config = configure(str(other), finished)
    with pytest.raises(ValueError, match="data was|own images"):
        run_training(config)


def test_a_directory_with_something_else_is_refused(data, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"run_dir must be empty.*Received: .* holds other files"):
        run_training(configure(data, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_dry_run_prints_the_plan_and_writes_nothing(data, tmp_path, capsys):
    assert run_training(configure(data, tmp_path / "new"), dry_run=True) == 0
    out = capsys.readouterr().out
    for text in ("20 images, 8x8 RGB", "wgan-gp", "fade in", str(tmp_path / "new")):
        assert text in out
    assert not (tmp_path / "new").exists()
    assert "Left out" not in out


@pytest.mark.slow
def test_the_plan_tells_what_is_left_out_of_the_data(tmp_path, capsys):
    folder = write_images(tmp_path / "images")
    for name in ("1.MOV", "2.mov", "notes"):
        (folder / name).write_bytes(b"no picture")
    run_training(configure(str(folder), tmp_path / "new"), dry_run=True)
    assert "\nLeft out   3 other files (.mov 2, no ending 1)\n" in capsys.readouterr().out


@pytest.mark.slow
def test_classes_without_pictures_are_noted(tmp_path, capsys):
    write_images(tmp_path / "images" / "a")
    (tmp_path / "images" / "b").mkdir()
    run_training(configure(str(tmp_path / "images"), tmp_path / "new", use_labels=True), dry_run=True)
    assert "Note       folders without pictures are not classes: 'b'\n" in capsys.readouterr().out


def test_the_built_in_portraits_are_not_enlarged(tmp_path):
    with pytest.raises(ValueError, match=r"built-in portraits are 32x32; .*--data. Received: resolution=64x64"):
        run_training(configure("portraits", tmp_path / "new", resolution="64"))


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_last_checkpoint(data, tmp_path):
    directory = tmp_path / "broken"
    config = configure(data, directory, learning_rate=table("4:0.001,8:1e30"), loss="logistic")
    with pytest.raises(
        NonFiniteError,
        match=r"(loss|scores|norm|penalty) became (nan|-?inf) in the step at \d+ images"
        r".*last good checkpoint is .*ckpt-32",
    ) as breakdown:
        run_training(config)
    assert all(np.isfinite(array).all() for array in checkpoint_arrays(directory).values())
    follow_advice(breakdown.value, config, directory)


@pytest.mark.slow
def test_the_advice_after_a_breakdown_without_a_checkpoint_works(data, tmp_path):
    directory = tmp_path / "broken"
    config = configure(data, directory, learning_rate=1e30, loss="logistic")
    with pytest.raises(NonFiniteError, match="No checkpoint was saved yet") as breakdown:
        run_training(config)
    follow_advice(breakdown.value, config, directory)


def follow_advice(error, config, directory):
    """Adds the flags that an error names to a command, and runs it."""
    flags = [word.rstrip(".") for word in str(error).split() if word.startswith("--")]
    values = dict(flag[2:].split("=", 1) for flag in flags)
    values["learning_rate"] = table(values["learning_rate"])
    assert values["run_dir"] == f"{directory}-2"
    assert run_training(config.replace({**values, "total_kimg": 0.048})) == 0
    assert all(np.isfinite(array).all() for array in checkpoint_arrays(f"{directory}-2").values())


@pytest.mark.slow
def test_weights_that_exploded_are_not_saved(data, tmp_path, monkeypatch):
    """Though every loss is finite."""

    class Explode:
        def due(self, before, now):
            return now == 64

        def run(self, loop):
            loop.state.critic.conv.kernel.assign(tf.fill(loop.state.critic.conv.kernel.shape, 2e14))

    def train(*arguments, **keywords):
        *others, actions = arguments
        return original(*others, [Explode(), *actions], **keywords)

    original = run_module.train
    monkeypatch.setattr(run_module, "train", train)
    directory = tmp_path / "broken"
    with pytest.raises(NonFiniteError, match=r"critic/conv_0/kernel grew to 2e\+14 by 64 images.*ckpt-32"):
        run_training(configure(data, directory, metrics=""))
    assert RunDirectory(directory).newest_checkpoint().prefix.endswith("ckpt-32")
    assert not RunDirectory(directory).progress_file.exists()  # nothing is finished after an error


@pytest.mark.slow
def test_a_second_interrupt_while_the_end_is_drawn_costs_pictures_only(data, finished, tmp_path, monkeypatch):
    made = []

    def make(*arguments):
        made.append(original(*arguments))
        return made[-1]

    def interrupt(self, state, stage):
        if state.images_seen > 0:
            raise KeyboardInterrupt
        return np.zeros([64, 8, 8, 3], np.uint8)

    original, directory = run_module._make_actions, tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(run_module, "_make_actions", make)
        stop_after(patched, 40, signal.SIGINT)
        patched.setattr(run_module.SampleGrid, "images", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_training(configure(data, directory))
    assert RunDirectory(directory).newest_checkpoint().prefix.endswith("ckpt-40")
    assert [path.name for path in RunDirectory(directory).sample_grids()] == ["kimg_000000.00.png"]
    (actions,) = made
    assert sorted(map(id, actions.after_a_step)) == sorted(map(id, actions.at_the_end))
    assert run_training(configure(data, directory)) == 0
    assert_equal_checkpoints(finished, directory)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": table("6")}, "multiple of minibatch_stddev_group.*Received: 6"),
        ({"max_batch_per_device": 3}, "max_batch_per_device. Received: 3"),
        ({"num_devices": 3}, "multiple of the number of devices, 3"),
        (
            {
                "batch_size": table("6"),
                "minibatch_stddev_group": 2,
                "max_batch_per_device": 2,
                "path_length_weight": 2.0,
            },
            r"path lengths are taken \(3\) must divide into equal pieces.*Received: 2",
        ),
    ],
)
def test_batches_that_do_not_divide_are_refused(data, tmp_path, values, message, monkeypatch):
    if "num_devices" in values:  # logical devices cannot be made any more in this process

        class Three:
            num_replicas_in_sync = 3

        monkeypatch.setattr(run_module.devices, "choose_strategy", lambda count: Three())
    with pytest.raises(ValueError, match=message):
        run_training(configure(data, tmp_path / "new", **values))


@pytest.mark.parametrize(
    ("mode", "channels", "size", "base"), [("L", 1, (14, 14), "7"), ("RGBA", 4, (8, 12), "4x6")], ids=["grey", "rgba"]
)
@pytest.mark.slow
def test_grey_digits_and_transparent_rectangles(tmp_path, mode, channels, size, base):
    folder = write_images(tmp_path / "images", size=size, mode=mode)
    resolution = f"{size[0]}x{size[1]}"
    config = configure(
        str(folder), tmp_path / "run", resolution=resolution, base_size=base, channels=channels, total_kimg=0.08
    )
    assert run_training(config) == 0
    trained = load_run(tmp_path / "run")
    assert trained.generator.network(tf.zeros([2, 8])).shape == (2, *size, channels)


@pytest.mark.slow
def test_labels_from_subdirectories(tmp_path):
    for name in ("cats", "dogs"):
        write_images(tmp_path / "images" / name, count=8)
    config = configure(
        str(tmp_path / "images"), tmp_path / "run", use_labels=True, total_kimg=0.048, style_mixing_probability=0.5
    )
    assert run_training(config) == 0
    trained = load_run(tmp_path / "run")
    assert trained.dataset.label_names == ("cats", "dogs")
    assert trained.generator.fade_in == pytest.approx(0.5)
    assert trained.generator.level == 1


def test_load_generator_returns_the_averaged_generator(finished):
    trained = load_run(finished)
    saved = checkpoint_arrays(finished)
    prefix = "generator_ema/"
    assert sum(name.startswith(prefix) for name in saved) == len(trained.generator.network.weights)
    for weight in trained.generator.network.weights:
        name = f"{prefix}{weight.path.replace('/', '.S')}/.ATTRIBUTES/VARIABLE_VALUE"
        np.testing.assert_array_equal(weight, saved[name])
    assert (trained.images_seen, trained.generator.fade_in, trained.generator.level) == (96, None, 1)


def test_load_generator_names_what_is_missing(tmp_path, data):
    with pytest.raises(ValueError, match=r"must be the directory of a run.*Received"):
        load_run(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_breaks_off_what_may_be_broken_off(number):
    done = []

    def work():
        os.kill(os.getpid(), number)
        time.sleep(60)
        done.append("all of it")

    with stop_on_signals() as stop:
        assert stop.breakable(lambda: done.append("before"))
        assert not stop.breakable(work)
        assert stop.signal == number
        assert not stop.breakable(lambda: done.append("after"))
    assert done == ["before"]


def test_under_nohup_a_hangup_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("number", "times"), [(None, 1), (signal.SIGTERM, 1), (signal.SIGINT, 2)], ids=str)
def test_what_a_stop_broke_off_is_done_at_the_end_after_an_interrupt_alone(number, times):
    """Somebody is there to look at it; other requests come from a machine that will not wait."""

    class Slow(IntervalAction):
        begun = 0

        def _work(self, loop):
            self.begun += 1
            if number is not None and self.begun == 1:
                os.kill(os.getpid(), number)
                time.sleep(60)

    action, loop = Slow(1.0), SimpleNamespace(images_seen=1000)
    with stop_on_signals() as stop:
        breakable = Breakable(action, stop)
        breakable.run(loop)
        breakable.finish(loop)
        breakable.finish(loop)
    assert action.begun == times


def test_a_second_interrupt_does_not_wait(monkeypatch):
    stop, now = StopRequest(), 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    stop(signal.SIGINT, None)
    stop(signal.SIGINT, None)  # of the same key, sent to the process and to its group
    now += 1.0
    with pytest.raises(KeyboardInterrupt):
        stop(signal.SIGINT, None)


def test_a_break_that_c_code_made_another_error_of_is_a_break():
    def work():
        try:
            request(signal.SIGTERM, None)
        except BaseException as error:
            raise SystemError("returned a result with an exception set") from error

    request = StopRequest()
    assert not request.breakable(work)
    with pytest.raises(ZeroDivisionError):
        StopRequest().breakable(lambda: 1 / 0)
