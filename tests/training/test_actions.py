"""What happens beside the steps: when it is due, what it says, draws and saves."""

import io
import itertools
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny_run import report, resolved_schedule, table, tiny_config

from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.images import save_png
from stylegan_tf.training import actions
from stylegan_tf.training.actions import (
    LoopState,
    SampleGrid,
    StatusLine,
    crosses,
    format_seconds,
    readable_grid,
    time_left,
    write_progress_animation,
)
from stylegan_tf.training.checkpoint_actions import Checkpoints
from stylegan_tf.training.run_directory import RunDirectory
from stylegan_tf.training.state import TrainState
from stylegan_tf.training.statistics import NonFiniteError, Statistics

# 4x4 until 1000 images, 8x8 faded in until 3000, 8x8 until 4000.
SCHEDULE = Schedule(
    resolved_schedule(
        start_resolution=4, stage_kimg=table("1"), fade_kimg=table("2"), batch_size=table("10"), total_kimg=4.0
    ),
    (4, 4),
    2,
)


def loop_at(images_seen, state=None, speed=0.0, statistics=None):
    """The loop after the step of ten images that ended at `images_seen`."""
    stage = SCHEDULE.at(max(images_seen - 10, 0))
    return LoopState(state, SCHEDULE, statistics or Statistics(), stage, images_seen, images_per_second=speed)


@pytest.mark.parametrize(
    ("before", "now", "interval", "expected"),
    [
        (0, 8, 0.016, False),
        (8, 16, 0.016, True),
        (16, 24, 0.016, False),
        (0, 999, 1, False),
        (992, 1000, 1, True),
        (1000, 1008, 1, False),
        (996, 1004, 1, True),
        (0, 5000, 1, True),
        (0, 8, 0.001, True),
        (0, 0, 1, False),
    ],
)
def test_crosses(before, now, interval, expected):
    assert crosses(before, now, interval) is expected


@pytest.mark.parametrize("interval_kimg", [0.016, 0.1, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("batch", [8, 96, 128])
def test_an_interval_is_crossed_once_by_every_multiple(interval_kimg, batch):
    """However the steps fall, and wherever a resumed run begins."""
    ends = range(0, 9601, batch)
    crossed = [now for before, now in itertools.pairwise(ends) if crosses(before, now, interval_kimg)]
    multiples = [k * round(interval_kimg * 1000) for k in range(1, 1000) if k * round(interval_kimg * 1000) <= ends[-1]]
    assert crossed == sorted({-(-multiple // batch) * batch for multiple in multiples})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (45.4, "45 s"),
        (59.6, "1 min 0 s"),
        (723, "12 min 3 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (360000, "100 h 0 min"),
        (math.inf, "?"),
        (math.nan, "?"),
    ],
)
def test_format_seconds(seconds, text):
    assert format_seconds(seconds) == text


def test_time_left_grows_with_the_number_of_pixels():
    # 500 images of 4x4 at 10 a second, then 3000 of 8x8, four times as large.
    assert time_left(loop_at(500, speed=10.0), 4000) == pytest.approx(50 + 300 * 4)
    assert time_left(loop_at(2000, speed=10.0), 4000) == pytest.approx(200)
    assert time_left(loop_at(1000, speed=10.0), 4000) == pytest.approx(1200)


def test_time_left_at_the_ends():
    assert time_left(loop_at(4000, speed=10.0), 4000) == 0
    assert time_left(loop_at(4000, speed=0.0), 4000) == 0
    assert time_left(loop_at(500, speed=0.0), 4000) == math.inf


class Clock:
    def __init__(self, monkeypatch):
        self.now = 5000.0
        monkeypatch.setattr(actions.time, "monotonic", lambda: self.now)


class Terminal(io.StringIO):
    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.fixture
def status(monkeypatch):
    """`status(is_terminal)`: a status line each 10 s, its clock, what it prints, and the lines that it logs."""

    def make(is_terminal, total_images=4000):
        logged, out, clock = [], Terminal(is_terminal), Clock(monkeypatch)
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setenv("TERM", "xterm")
        statistics = Statistics()
        line = StatusLine(total_images, 10.0, logged.append, statistics.reader())
        return SimpleNamespace(line=line, clock=clock, out=out, logged=logged, statistics=statistics)

    return make


def steps(status, seconds, count, start=0):
    """Runs the line as the loop does, in `count` steps of ten images; returns the images seen at each line."""
    ran = []
    for before in range(start, start + 10 * count, 10):
        status.clock.now += seconds
        status.statistics.add(before, report())
        said = len(status.logged), status.out.getvalue()
        if status.line.due(before, before + 10):
            status.line.run(loop_at(before + 10, statistics=status.statistics))
        if said != (len(status.logged), status.out.getvalue()):
            ran.append(before + 10)
    return ran


def test_without_a_terminal_there_is_a_log_line_now_and_then(status):
    made = status(False)
    assert steps(made, 2.0, 14) == [60, 110]
    assert len(made.logged) == 2
    assert made.out.getvalue() == ""
    assert "\r" not in "".join(made.logged)


def test_on_a_terminal_one_line_is_written_over_and_the_log_gets_one_now_and_then(status):
    made = status(True)
    assert steps(made, 0.5, 44) == list(range(30, 441, 20))  # each second
    shown = made.out.getvalue()
    assert "\n" not in shown
    assert shown.count("\r\033[K") == 21
    assert len(made.logged) == 3  # the first, and each ten seconds
    assert all("\r" not in text for text in made.logged)


@pytest.mark.parametrize(("count", "ran"), [(7, [60, 70]), (1, [10])])
def test_the_last_step_always_has_a_line(status, count, ran):
    """Also where it is the first."""
    made = status(False, total_images=10 * count)
    assert steps(made, 2.0, count) == ran
    assert f"kimg {count / 100:.1f} of {count / 100:g}" in made.logged[-1]
    assert " 0 s left" in made.logged[-1]


def test_text(status):
    made = status(False)
    steps(made, 2.0, 6, start=1990)
    text = "8x8 fading in  52% | kimg 2.0 of 4 | 5 images/s | critic 1.00 generator 2.00 | 6 min 30 s left"
    assert made.logged == [text]
    steps(made, 2.0, 6, start=3490)
    assert made.logged[1].startswith("8x8 | kimg 3.5 of 4 | ")


def test_the_line_tells_the_strength_of_the_augmentation_when_asked():
    loop = loop_at(2000, SimpleNamespace(augment_p=tf.Variable(0.1234)))
    reader = loop.statistics.reader()
    text = StatusLine(4000, 10.0, print, reader, show_augmentation=True).text(loop, reader.means())
    assert "generator nan | augment 0.123 | ? left" in text


def test_speed_is_that_of_the_steps_between_two_lines(status):
    """The first step is left out: tracing it takes longer than many steps."""
    made = status(False)
    made.clock.now += 100.0
    assert steps(made, 0.0, 1) == []
    loop = loop_at(60, statistics=made.statistics)
    made.clock.now += 10.0
    assert made.line.due(50, 60)
    made.line.run(loop)
    assert loop.images_per_second == pytest.approx(5.0)
    assert len(made.logged) == 1


@pytest.fixture(scope="module")
def state():
    made = TrainState(tiny_config(), 2, 3, "float32")
    strengths = [weight for weight in made.generator_ema.weights if "noise" in weight.path]
    assert strengths
    for strength in strengths:  # zero before training
        strength.assign(np.full(strength.shape, 0.5))
    return made


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "run")


def sample_grid(directory, num_classes=3, **values):
    writer = tf.summary.create_file_writer(str(directory.tensorboard))
    return SampleGrid(tiny_config(**values), directory, writer, num_classes)


def test_sample_grid_writes_a_picture_named_by_kimg(state, directory):
    grid = sample_grid(directory)
    grid.run(loop_at(2500, state))
    with Image.open(directory.samples / "kimg_000002.50.png") as picture:
        assert picture.size == (512, 512)  # 8 images of 8 pixels, eight times as large
        images = np.asarray(picture).reshape(8, 8, 8, 8, 8, 8, 3)[:, :, 0, :, :, 0].transpose(0, 2, 1, 3, 4)
    expected = grid.images(state, SCHEDULE.at(2500))  # as whoever reads a checkpoint of this moment finds it
    np.testing.assert_array_equal(images.reshape(64, 8, 8, 3), expected)
    events = list(directory.tensorboard.glob("events.*"))
    assert events
    assert b"generator_ema" in events[0].read_bytes()


def test_sample_grid_shows_the_same_latents_and_noise_every_time(state, directory):
    """Also in another process, after resuming; other seeds have others."""
    stage = SCHEDULE.at(4000)
    first = sample_grid(directory)
    images = first.images(state, stage)
    tf.random.set_seed(7)
    np.testing.assert_array_equal(first.images(state, stage), images)
    np.testing.assert_array_equal(sample_grid(directory).images(state, stage), images)
    assert len(np.unique(images.reshape(64, -1), axis=0)) == 64
    other = sample_grid(directory, seed=1)
    assert not np.array_equal(other.latents, first.latents)


def test_sample_grid_follows_growth(state, directory):
    """At 4x4 each pixel is a block of full size; while a level fades in, its share grows."""
    grid = sample_grid(directory)
    coarse, fading, fine = (grid.images(state, SCHEDULE.at(seen)).astype(int) for seen in (500, 2000, 4000))
    assert coarse.shape == fading.shape == fine.shape == (64, 8, 8, 3)
    blocks = coarse.reshape(64, 4, 2, 4, 2, 3)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    inside = (coarse % 255 > 0) & (fine % 255 > 0)  # not clipped
    assert np.mean(inside) > 0.1
    np.testing.assert_allclose(fading[inside], ((coarse + fine) / 2)[inside], atol=1)
    assert np.abs(coarse - fine).max() > 10


def test_rows_of_the_sample_grid_cycle_through_the_classes(directory):
    assert np.argmax(sample_grid(directory).labels, axis=1).reshape(8, 8).tolist() == [
        [row % 3] * 8 for row in range(8)
    ]
    assert sample_grid(directory, num_classes=0).labels is None


def test_sample_grid_is_drawn_with_the_truncation_of_the_configuration(state, directory):
    whole, mean = (sample_grid(directory, truncation_psi=psi, truncation_cutoff=0) for psi in (1.0, 0.0))
    stage = SCHEDULE.at(4000)
    assert len(np.unique(whole.images(state, stage).reshape(64, -1), axis=0)) == 64
    without_noise = mean.images(state, stage)  # one w; the noise belongs to the layer
    assert len(np.unique(without_noise.reshape(64, -1), axis=0)) == 1


@pytest.mark.parametrize(("width", "wide"), [(4, 512), (28, 672), (32, 512), (48, 768), (64, 512), (256, 2048)])
def test_small_images_are_enlarged_until_the_grid_is_readable(width, wide):
    assert readable_grid(np.zeros([8, 4, width, 1], np.uint8)).shape == (4 * wide // (8 * width), wide, 1)


def test_progress_animation(directory):
    assert not write_progress_animation(directory)
    for index, kimg in enumerate((0.5, 20.0, 100.0)):
        save_png(directory.samples / f"kimg_{kimg:09.2f}.png", np.full((16, 24, 1), 100 * index, np.uint8))
    save_png(directory.samples / "reals.png", np.zeros((4, 4, 1), np.uint8))
    assert write_progress_animation(directory)
    with Image.open(directory.progress_file) as animation:
        assert (animation.n_frames, animation.size) == (3, (24, 16))
        durations = []
        for index in range(3):
            animation.seek(index)
            durations.append(animation.info["duration"])
            assert np.asarray(animation.convert("L"))[0, 0] == pytest.approx(100 * index, abs=4)
    assert durations == [250, 250, 2000]


def test_progress_animation_of_large_grids_is_made_smaller(directory):
    """A grid at 1024x1024 is 8192 pixels wide; hundreds of these would fill the memory."""
    save_png(directory.samples / "kimg_000001.00.png", np.zeros((1024, 2048, 4), np.uint8))
    assert write_progress_animation(directory)
    with Image.open(directory.progress_file) as animation:
        assert animation.size == (1024, 512)


@pytest.fixture
def checkpoints(state, directory):
    return Checkpoints(state, directory, tiny_config(keep_checkpoints=2))


def names(directory):
    return sorted(path.name for path in directory.checkpoints.glob("*.index"))


def test_the_newest_checkpoints_are_kept(state, directory, checkpoints):
    assert checkpoints.restore() == 0
    for images_seen in (100, 200, 1000):
        checkpoints.run(loop_at(images_seen, state))
    assert names(directory) == ["ckpt-1000.index", "ckpt-200.index"]
    resumed = Checkpoints(state, directory, tiny_config(keep_checkpoints=2))
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
        Checkpoints(other, directory, tiny_config()).restore()


def test_a_damaged_checkpoint_is_refused(state, directory, checkpoints):
    checkpoints.run(loop_at(100, state))
    (directory.checkpoints / "ckpt-100.index").write_bytes(b"half of it")
    with pytest.raises(ValueError, match=r"^a run must have a whole checkpoint; .*ckpt-100 is damaged"):
        Checkpoints(state, directory, tiny_config()).restore()
