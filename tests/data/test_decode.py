"""Every kind of image file becomes the right uint8 array."""

import io

import numpy as np
import pytest
from PIL import Image

from stylegan_tf.data.decode import decode_image, fit_image, read_size

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def encode(image: Image.Image, file_format: str = "PNG", **options) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    buffer.seek(0)
    return buffer


def decode(image: Image.Image, channels: int = 3, file_format: str = "PNG", **options) -> np.ndarray:
    return decode_image(encode(image, file_format, **options), size=None, channels=channels)


@pytest.fixture
def colours() -> Image.Image:
    """A 3x2 image: red, green, blue over black, grey, white."""
    pixels = np.array([[RED, GREEN, BLUE], [(0, 0, 0), (128, 128, 128), (255, 255, 255)]], np.uint8)
    return Image.fromarray(pixels)


def test_rgb_is_read_exactly(colours):
    np.testing.assert_array_equal(decode(colours), np.asarray(colours))


def test_palette_is_looked_up(colours):
    palette = colours.convert("P", palette=Image.Palette.ADAPTIVE, colors=6)
    assert palette.mode == "P"
    np.testing.assert_array_equal(decode(palette), np.asarray(colours))


def test_transparent_palette_entry_is_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    np.testing.assert_array_equal(decode(image, transparency=0), [[[255, 255, 255], [40, 50, 60]]])


def test_one_bit_becomes_black_and_white():
    image = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    np.testing.assert_array_equal(decode(image, channels=1)[..., 0], [[0, 255]])
    np.testing.assert_array_equal(decode(image), [[[0] * 3, [255] * 3]])


def test_sixteen_bit_grey_is_scaled_not_clipped():
    image = Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16))
    np.testing.assert_array_equal(decode(image, channels=1)[..., 0], [[0, 1, 128, 255]])
    np.testing.assert_array_equal(decode(image, file_format="TIFF")[..., 2], [[0, 1, 128, 255]])


def test_cmyk_becomes_rgb():
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    np.testing.assert_allclose(decode(image, file_format="JPEG", quality=100)[4, 4], RED, atol=3)
    np.testing.assert_allclose(
        decode(image, channels=4, file_format="JPEG", quality=100)[4, 4], (*RED, 255), atol=3
    )


def test_grey_and_colour_convert_into_each_other(colours):
    grey = decode(colours, channels=1)
    assert grey.shape == (2, 3, 1)
    # ITU-R BT.601 luma, which Pillow documents: 0.299 R + 0.587 G + 0.114 B.
    np.testing.assert_array_equal(grey[..., 0], [[76, 150, 29], [0, 128, 255]])
    np.testing.assert_array_equal(decode(Image.fromarray(grey[..., 0])), np.repeat(grey, 3, axis=-1))


@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_laid_on_white(channels):
    pixels = np.array([[[0, 0, 0, 0], [0, 0, 0, 51], [0, 0, 0, 255]]], np.uint8)
    expected = np.repeat(np.array([[[255], [204], [0]]], np.uint8), channels, axis=-1)
    np.testing.assert_array_equal(decode(Image.fromarray(pixels), channels=channels), expected)
    grey_alpha = Image.fromarray(pixels).convert("LA")
    np.testing.assert_array_equal(decode(grey_alpha, channels=channels), expected)


def test_alpha_is_kept_for_four_channels(colours):
    pixels = np.dstack([np.asarray(colours), np.arange(6, dtype=np.uint8).reshape(2, 3) * 51])
    np.testing.assert_array_equal(decode(Image.fromarray(pixels), channels=4), pixels)
    assert (decode(colours, channels=4)[..., 3] == 255).all()


@pytest.mark.parametrize("channels", [3, 4])
def test_hidden_colour_does_not_bleed_into_edges(channels):
    """Left half opaque red, right half transparent with black underneath: no pixel may darken."""
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, :8] = (*RED, 255)
    small = decode_image(encode(Image.fromarray(pixels)), size=(5, 5), channels=channels)
    assert (small[..., 0][small[..., -1] > 0] >= 250).all()
    if channels == 3:
        np.testing.assert_array_equal(small[..., 1], small[..., 2])


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    image = Image.new("RGB", (16, 8), RED)
    image.paste(BLUE, (8, 0, 16, 8))
    file = encode(image, "JPEG", quality=100, subsampling=0, exif=exif)
    upright = decode_image(file, size=None, channels=3)
    assert upright.shape == (16, 8, 3)
    np.testing.assert_allclose(upright[2, 4], RED, atol=8)
    np.testing.assert_allclose(upright[13, 4], BLUE, atol=8)
    file.seek(0)
    assert read_size(file) == (16, 8)


def test_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 4), colour) for colour in (GREEN, RED)]
    array = decode(frames[0], file_format="GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(array, np.full((4, 4, 3), GREEN))


def test_floating_point_is_refused():
    with pytest.raises(ValueError, match="no defined range"):
        decode(Image.new("F", (2, 2)), file_format="TIFF")


def test_read_size_is_height_then_width(colours):
    assert read_size(encode(colours)) == (2, 3)


@pytest.mark.parametrize(
    ("shape", "size", "rows", "columns"),
    [
        ((6, 10), (6, 6), slice(0, 6), slice(2, 8)),
        ((9, 4), (4, 4), slice(2, 6), slice(0, 4)),
        ((8, 8), (4, 8), slice(2, 6), slice(0, 8)),
    ],
)
def test_crop_is_central_and_exact(shape, size, rows, columns):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    fitted = np.asarray(fit_image(Image.fromarray(pixels), size))
    np.testing.assert_array_equal(fitted, pixels[rows, columns])


def test_resize_is_antialiased():
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = np.asarray(fit_image(Image.fromarray(board), (8, 8)))
    np.testing.assert_allclose(small[1:-1, 1:-1], 127.5, atol=2)  # nearest or bilinear would give 0 or 255


def test_an_extreme_shape_keeps_at_least_one_pixel():
    assert fit_image(Image.new("L", (100, 1)), (64, 4)).size == (4, 64)
