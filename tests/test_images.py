"""Images at the edges: numbers, grids, files."""

import numpy as np
import pytest
from PIL import Image

from stylegan_tf.images import enlarge, image_grid, save_animation, save_picture, save_png, to_float, to_uint8
from stylegan_tf.pictures import as_picture

ALL = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


def test_the_ends_are_exact():
    ends = to_float(np.array([[0, 255]], np.uint8))
    assert ends.dtype == "float32"
    np.testing.assert_array_equal(ends, [[-1.0, 1.0]])
    np.testing.assert_array_equal(to_uint8(np.array([-1.0, 1.0], np.float32)), [0, 255])


def test_all_256_values_return():
    floats = to_float(ALL)
    np.testing.assert_allclose(floats, np.arange(256).reshape(ALL.shape) / 127.5 - 1, atol=1e-7)
    np.testing.assert_array_equal(to_uint8(floats), ALL)


def test_values_between_go_to_the_nearest_and_values_outside_are_clipped():
    steps = np.array([99.51, 100.0, 100.49, -300.0, 300.0, 1e30, -1e30]) / 127.5 - 1
    np.testing.assert_array_equal(to_uint8(steps.astype(np.float32)), [100, 100, 100, 0, 255, 255, 0])


def test_half_precision_is_taken():
    np.testing.assert_array_equal(to_uint8(np.array([-1.0, 0.5, 1.0], np.float16)), [0, 191, 255])


def numbered(count, height=2, width=3, channels=3):
    """Image number n is filled with n."""
    images = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(images, (count, height, width, channels)).copy()


def test_grid_goes_by_rows_and_fills_up_with_white():
    grid = image_grid(numbered(5), columns=3)
    assert grid.shape == (4, 9, 3)
    np.testing.assert_array_equal(grid[::2, ::3, 0], [[0, 1, 2], [3, 4, 255]])


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (5, (2, 3)), (9, (3, 3)), (10, (3, 4))])
def test_grid_is_about_square(count, shape):
    assert image_grid(numbered(count, 1, 1)).shape[:2] == shape


def test_gaps_lie_between_images_only():
    grid = image_grid(numbered(4, channels=4), columns=2, gap=1)
    assert grid.shape == (5, 7, 4)
    assert (grid[2] == 255).all()
    assert (grid[:, 3] == 255).all()
    np.testing.assert_array_equal(grid[::3, ::4, 3], [[0, 1], [2, 3]])


def test_enlarge_repeats_pixels():
    image = np.array([[[[1], [2]]]], np.uint8)
    np.testing.assert_array_equal(enlarge(image, 2)[0, :, :, 0], [[1, 1, 2, 2], [1, 1, 2, 2]])


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_png_holds_the_very_pixels(tmp_path, channels, mode):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    save_png(tmp_path / "made" / "on" / "the way.png", image)
    with Image.open(tmp_path / "made" / "on" / "the way.png") as picture:
        assert (picture.mode, picture.size, picture.format) == (mode, (7, 5), "PNG")
        np.testing.assert_array_equal(np.asarray(picture).reshape(image.shape), image)
    np.testing.assert_array_equal(np.asarray(as_picture(image)).reshape(image.shape), image)


def moving_square(channels):
    """Three frames of an 8x8 square of 200 that moves to the right over black, or over nothing with alpha."""
    frames = np.zeros((3, 8, 24, channels), np.uint8)
    for index, frame in enumerate(frames):
        frame[:, 8 * index : 8 * index + 8] = [200, 200, 200, 255][:channels]
    return frames


@pytest.mark.parametrize("kind", ["gif", "webp"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_animation(tmp_path, kind, channels):
    """Frames come back as they were drawn: with alpha, earlier ones do not shine through later ones."""
    frames = moving_square(channels)
    path = tmp_path / f"square.{kind}"
    save_animation(path, list(frames), [40, 80, 500])
    with Image.open(path) as animation:
        assert (animation.format, animation.size, animation.n_frames) == (kind.upper(), (24, 8), 3)
        assert animation.info["loop"] == 0
        for index in range(3):
            animation.seek(index)
            animation.load()
            assert animation.info["duration"] == [40, 80, 500][index]
            found = np.asarray(animation.convert("RGBA"), np.int16)
            inside = found[2:6, 8 * index + 2 : 8 * index + 6]
            np.testing.assert_allclose(inside[..., :3], 200, atol=8)
            np.testing.assert_array_equal(inside[..., 3], 255)
            elsewhere = np.delete(found, slice(8 * index, 8 * index + 8), axis=1)[2:6, 2:-2]
            if channels == 4:
                np.testing.assert_array_equal(elsewhere[..., 3], 0)
            else:
                assert np.median(elsewhere[..., :3]) < 8


@pytest.mark.parametrize(("name", "count"), [("a.png", 2), ("a", 2), ("a.avi", 2), ("a.gif", 0)])
def test_what_is_no_animation_is_refused_and_writes_nothing(tmp_path, name, count):
    expected = rf"needs frames and a \.gif, \.webp or \.mp4 path\. Received: {count} frames, .*{name}"
    with pytest.raises(ValueError, match=expected):
        save_animation(tmp_path / name, list(moving_square(3)[:count]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.WEBP", "a.jpg", "a.jpeg"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_of_every_kind_come_back(tmp_path, name, channels):
    image = np.zeros((16, 24, channels), np.uint8)
    image[:, 8:16] = [200, 100, 50, 255][:channels]
    save_picture(tmp_path / name, image)
    with Image.open(tmp_path / name) as picture:
        found = np.asarray(picture.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])).reshape(image.shape)
    if name.lower().endswith(("png", "webp")):
        np.testing.assert_array_equal(found, image)
    else:
        seen = image if channels < 4 else np.where(image[..., 3:] > 0, image, 255)
        np.testing.assert_allclose(found.astype(float), seen, atol=12)


def test_a_picture_of_another_ending_is_refused_and_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.png, \.jpg, \.jpeg or \.webp\. Received: .*a\.bmp"):
        save_picture(tmp_path / "a.bmp", np.zeros((4, 4, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "width"), [("a.webp", 16384), ("a.jpg", 65501)])
def test_a_picture_larger_than_its_format_is_one_line(tmp_path, name, width):
    with pytest.raises(ValueError, match=rf"pixels a side; choose another format, .* Received: 1x{width}\."):
        save_picture(tmp_path / name, np.zeros((1, width, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
