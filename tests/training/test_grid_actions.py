"""Sample grids and the animation that is made of them."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny_run import resolved_schedule, table, tiny_config

from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.images import save_png
from stylegan_tf.runs.directory import RunDirectory
from stylegan_tf.training.actions import LoopState
from stylegan_tf.training.grid_actions import SampleGrid, readable_grid, write_progress_animation
from stylegan_tf.training.state import TrainState

# 4x4 until 1000 images, 8x8 faded in until 3000, 8x8 until 4000.
SCHEDULE = Schedule(
    resolved_schedule(
        start_resolution=4, stage_kimg=table("1"), fade_kimg=table("2"), batch_size=table("10"), total_kimg=4.0
    ),
    (4, 4),
    2,
)


def loop_at(images_seen, state):
    return LoopState.at(images_seen, state, SCHEDULE)


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


def sample_grid(state, directory, **values):
    writer = tf.summary.create_file_writer(str(directory.tensorboard))
    return SampleGrid(tiny_config(**values).run, state.generator_ema, directory, writer)


@pytest.mark.slow
def test_sample_grid_writes_a_picture_named_by_kimg(state, directory):
    grid = sample_grid(state, directory)
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
    first = sample_grid(state, directory)
    images = first.images(state, stage)
    tf.random.set_seed(7)
    np.testing.assert_array_equal(first.images(state, stage), images)
    np.testing.assert_array_equal(sample_grid(state, directory).images(state, stage), images)
    assert len(np.unique(images.reshape(64, -1), axis=0)) == 64
    other = sample_grid(state, directory, seed=1)
    assert not np.array_equal(other.latents, first.latents)


def test_sample_grid_follows_growth(state, directory):
    """At 4x4 each pixel is a block of full size; while a level fades in, its share grows."""
    grid = sample_grid(state, directory)
    coarse, fading, fine = (grid.images(state, SCHEDULE.at(seen)).astype(int) for seen in (500, 2000, 4000))
    assert coarse.shape == fading.shape == fine.shape == (64, 8, 8, 3)
    blocks = coarse.reshape(64, 4, 2, 4, 2, 3)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    inside = (coarse % 255 > 0) & (fine % 255 > 0)  # not clipped
    assert np.mean(inside) > 0.1
    np.testing.assert_allclose(fading[inside], ((coarse + fine) / 2)[inside], atol=1)
    assert np.abs(coarse - fine).max() > 10


def test_rows_of_the_sample_grid_cycle_through_the_classes(state, directory):
    assert np.argmax(sample_grid(state, directory).labels, axis=1).reshape(8, 8).tolist() == [
        [row % 3] * 8 for row in range(8)
    ]
    assert sample_grid(TrainState(tiny_config(), 2, 0, "float32"), directory).labels is None


def test_sample_grid_is_drawn_with_the_truncation_of_the_configuration(state, directory):
    whole, mean = (sample_grid(state, directory, truncation_psi=psi, truncation_cutoff=0) for psi in (1.0, 0.0))
    stage = SCHEDULE.at(4000)
    assert len(np.unique(whole.images(state, stage).reshape(64, -1), axis=0)) == 64
    without_noise = mean.images(state, stage)  # one w; the noise belongs to the layer
    assert len(np.unique(without_noise.reshape(64, -1), axis=0)) == 1


@pytest.mark.parametrize(("width", "wide"), [(4, 512), (28, 672), (32, 512), (48, 768), (64, 512), (256, 2048)])
def test_small_images_are_enlarged_until_the_grid_is_readable(width, wide):
    assert readable_grid(np.zeros([8, 4, width, 1], np.uint8)).shape == (4 * wide // (8 * width), wide, 1)


def test_the_end_has_a_grid_and_an_animation(state, directory):
    """Whether or not the last step was the end of an interval."""
    grid = sample_grid(state, directory)
    drawn = []
    grid.images = lambda _, stage: drawn.append(stage) or np.zeros([64, 8, 8, 3], np.uint8)
    grid.run(loop_at(1000, state))
    grid.finish(loop_at(1010, state))
    assert [path.name for path in directory.sample_grids()] == ["kimg_000001.00.png", "kimg_000001.01.png"]
    assert directory.progress_file.exists()
    directory.progress_file.unlink()
    other = sample_grid(state, directory)
    other.images = grid.images
    other.run(loop_at(1020, state))
    other.finish(loop_at(1020, state))
    assert len(drawn) == 3
    with Image.open(directory.progress_file) as animation:
        assert animation.n_frames == 1  # all three are black


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
