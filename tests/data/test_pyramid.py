"""Every level of the pyramid is the rounded mean of the full image's pixels."""

import itertools

import numpy as np
import pytest

from stylegan_tf.data.pyramid import image_pyramid


def random_images(count: int, size: tuple[int, int] = (8, 8), channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *size, channels)).astype(np.uint8)


def test_equals_naive_mean_over_boxes():
    images = random_images(3, (16, 24))
    for level, halved in enumerate(image_pyramid(images, 4)):
        box = 2**level
        expected = np.zeros((3, 16 // box, 24 // box, 3))
        for y, x in itertools.product(range(16 // box), range(24 // box)):
            pixels = images[:, y * box : (y + 1) * box, x * box : (x + 1) * box].astype(np.float64)
            expected[:, y, x] = pixels.mean(axis=(1, 2))
        assert halved.dtype == np.uint8
        np.testing.assert_array_equal(halved, np.rint(expected))


def test_is_not_rounded_between_levels():
    image = np.zeros((1, 4, 4, 1), np.uint8)
    image[0, :2, :2, 0] = [[2, 2], [2, 1]]  # mean 1.75, rounded to 2
    image[0, :2, 2:, 0] = [[1, 1], [0, 0]]  # mean 0.5, rounded half to even, to 0
    _, halved, quartered = image_pyramid(image, 3)
    assert halved[0, :, :, 0].tolist() == [[2, 0], [0, 0]]
    assert quartered.item() == 1  # 9 / 16; the mean of the rounded level would be 0.5, rounded to 0


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_nine_levels_are_exact(channels):
    images = random_images(2, (256, 256), channels)
    *_, smallest = image_pyramid(images, 9)
    expected = np.rint(images.astype(np.int64).sum(axis=(1, 2)) / 65536)
    np.testing.assert_array_equal(smallest[:, 0, 0], expected)


def test_chunks_do_not_show(monkeypatch):
    images = random_images(7)
    whole = image_pyramid(images, 3)
    monkeypatch.setattr("stylegan_tf.data.pyramid._CHUNK_BYTES", 2 * images[0].size)
    for level, expected in zip(image_pyramid(images, 3), whole, strict=True):
        np.testing.assert_array_equal(level, expected)


def test_one_level_is_the_images_themselves():
    images = random_images(2, (5, 7))
    (level,) = image_pyramid(images, 1)
    assert level is images


@pytest.mark.parametrize("num_levels", [-1, 0, 4, 10])
def test_impossible_numbers_of_levels(num_levels):
    with pytest.raises(ValueError, match=f"num_levels must be.*Received: num_levels={num_levels}"):
        image_pyramid(random_images(1, (8, 12)), num_levels)
