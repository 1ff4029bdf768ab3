"""Every kind of picture becomes the right uint8 array, or none at all."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image, ImageOps

from stylegan_tf.data import decode as module
from stylegan_tf.data.decode import PictureForm, to_pixels, to_unresized_pixels, upright_size
from stylegan_tf.data.image_file import UnusableImageError, open_image, reason

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
ORIENTATION = 0x0112


def encode(image: Image.Image, file_format: str = "PNG", **options) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    buffer.seek(0)
    return buffer


def reopened(image: Image.Image, file_format: str = "PNG", **options) -> Image.Image:
    return Image.open(encode(image, file_format, **options))


def decode(image: Image.Image, channels: int = 3, file_format: str = "PNG", **options) -> np.ndarray:
    return to_unresized_pixels(reopened(image, file_format, **options), channels)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def smooth(width: int, height: int) -> Image.Image:
    """Soft colours with a hard edge."""
    image = Image.fromarray(noise(12, 16, 3)).resize((width, height), Image.Resampling.BICUBIC)
    image.paste((250, 250, 250), (width // 8, height // 8, width // 3, height // 2))
    return image


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


@pytest.mark.parametrize(("transparency", "alpha"), [(0, (0, 255)), (bytes([0, 102]), (0, 102))])
def test_palette_with_transparent_entries(transparency, alpha):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    kept = decode(image, channels=4, transparency=transparency)
    np.testing.assert_array_equal(kept, [[[10, 20, 30, alpha[0]], [40, 50, 60, alpha[1]]]])
    flat = decode(image, transparency=transparency)
    share = alpha[1] / 255
    expected = [round(255 + share * (value - 255)) for value in (40, 50, 60)]
    np.testing.assert_array_equal(flat, [[[255, 255, 255], expected]])


def test_one_bit_becomes_black_and_white():
    image = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    np.testing.assert_array_equal(decode(image, channels=1)[..., 0], [[0, 255]])
    np.testing.assert_array_equal(decode(image), [[[0] * 3, [255] * 3]])
    np.testing.assert_array_equal(decode(image, channels=4), [[[0, 0, 0, 255], [255] * 4]])


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B", "I"])
def test_sixteen_bit_grey_is_scaled_not_clipped(mode):
    dtype = {"I": "<i4", "I;16B": ">u2"}.get(mode, "<u2")
    deep = np.array([[0, 257, 32896, 65535]], dtype)
    image = Image.frombytes(mode, (4, 1), deep.tobytes())
    for channels in (1, 3):
        pixels = to_unresized_pixels(image, channels)
        np.testing.assert_array_equal(pixels[0], np.repeat([[0], [1], [128], [255]], channels, axis=1))


def test_sixteen_bit_files():
    deep = Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16))
    np.testing.assert_array_equal(decode(deep, channels=1)[..., 0], [[0, 1, 128, 255]])
    np.testing.assert_array_equal(decode(deep, file_format="TIFF")[..., 2], [[0, 1, 128, 255]])
    hidden = decode(deep, channels=4, transparency=257)
    np.testing.assert_array_equal(hidden[0, :, 3], [255, 0, 255, 255])


@pytest.mark.parametrize("value", [65536, -1])
def test_values_beyond_sixteen_bits_are_refused(value):
    image = Image.fromarray(np.full((2, 2), value, np.int32))
    with pytest.raises(UnusableImageError, match="no defined range"):
        to_unresized_pixels(image, 3)


def test_floating_point_is_refused():
    with pytest.raises(UnusableImageError, match="floating-point pixels have no defined range"):
        decode(Image.new("F", (2, 2)), file_format="TIFF")


def test_cmyk_becomes_rgb():
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    np.testing.assert_allclose(decode(image, file_format="JPEG", quality=100)[4, 4], RED, atol=3)
    np.testing.assert_allclose(decode(image, channels=4, file_format="JPEG", quality=100)[4, 4], (*RED, 255), atol=3)


@pytest.mark.parametrize(
    ("mode", "value"), [("YCbCr", (76, 85, 255)), ("HSV", (0, 255, 255)), ("RGBX", (255, 0, 0, 7))]
)
def test_other_colour_spaces_become_rgb(mode, value):
    image = Image.new(mode, (2, 2), value)
    np.testing.assert_allclose(to_unresized_pixels(image, 3)[0, 0], RED, atol=2)
    np.testing.assert_allclose(to_unresized_pixels(image, 4)[0, 0], (*RED, 255), atol=2)
    np.testing.assert_allclose(to_unresized_pixels(image, 1)[0, 0], [76], atol=2)


def test_lab_becomes_rgb():
    image = Image.new("LAB", (2, 2), (255, 128, 128))  # of a file: lightness 100, no colour
    for channels in (1, 3, 4):
        np.testing.assert_allclose(decode(image, channels, "TIFF")[0, 0], 255, atol=3)


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
    for image in (Image.fromarray(pixels), Image.fromarray(pixels).convert("LA")):
        np.testing.assert_array_equal(decode(image, channels=channels), expected)
    for mode in ("RGBa", "La"):
        premultiplied = Image.fromarray(pixels).convert("RGBA" if mode == "RGBa" else "LA").convert(mode)
        np.testing.assert_array_equal(to_unresized_pixels(premultiplied, channels), expected)


def test_alpha_is_laid_on_the_background():
    clear = Image.new("RGBA", (2, 2), (9, 9, 9, 0))
    np.testing.assert_array_equal(to_unresized_pixels(clear, 3, "#102030")[0, 0], (16, 32, 48))
    np.testing.assert_array_equal(to_unresized_pixels(clear, 1, "red")[0, 0], [76])
    half = Image.new("RGBA", (2, 2), (255, 255, 255, 51))
    np.testing.assert_array_equal(to_pixels(half, PictureForm((1, 1), 3, background="black"))[0, 0], [51] * 3)


def test_alpha_is_kept_for_four_channels(colours):
    pixels = np.dstack([np.asarray(colours), np.arange(6, dtype=np.uint8).reshape(2, 3) * 51])
    np.testing.assert_array_equal(decode(Image.fromarray(pixels), channels=4), pixels)
    assert (decode(colours, channels=4)[..., 3] == 255).all()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("crop", ["center", "pad", "none"])
def test_hidden_colour_does_not_bleed_into_edges(channels, crop):
    """Left half opaque red, right half transparent with black underneath: no pixel may darken."""
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, :8] = (*RED, 255)
    small = to_pixels(Image.fromarray(pixels), PictureForm((5, 5), channels, crop))
    assert (small[..., 0][small[..., -1] > 0] >= 250).all()
    if channels == 3:
        np.testing.assert_array_equal(small[..., 1], small[..., 2])


def oriented(orientation: int, file_format: str, image: Image.Image) -> io.BytesIO:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exact = {"quality": 100, "subsampling": 0}
    options = {"JPEG": exact, "MPO": exact, "WEBP": {"lossless": True}, "TIFF": {"compression": "tiff_lzw"}}
    return encode(image, file_format, exif=exif, **options.get(file_format, {}))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "MPO"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(file_format, orientation):
    """EXIF 2.3, 4.6.4: orientation says where the stored first row and column belong."""
    stored = np.zeros((16, 48, 3), np.uint8)
    stored[:8, :8], stored[:8, -8:] = 255, RED
    upright = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: stored.swapaxes(0, 1), 6: np.rot90(stored, -1), 7: stored[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(stored),
    }[orientation]  # fmt: skip
    file = oriented(orientation, file_format, Image.fromarray(stored))
    with Image.open(file) as image:
        assert upright_size(image) == upright.shape[:2]
        decoded = to_unresized_pixels(image, 3)
        np.testing.assert_allclose(decoded.astype(int), upright, atol=12)
    with Image.open(file) as image:
        wanted = (upright.shape[0] // 2, upright.shape[1] // 2)
        half = to_pixels(image, PictureForm(wanted, 3, "none"))
    expected = Image.fromarray(np.ascontiguousarray(upright)).resize(wanted[::-1], Image.Resampling.BOX)
    assert np.abs(half.astype(int) - np.asarray(expected)).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("crop", ["center", "pad"])
@pytest.mark.parametrize("size", [(24, 24), (30, 20), (40, 50), (50, 40)])
def test_a_turned_picture_is_cropped_and_padded_as_an_upright_one(orientation, size, crop):
    """To the pixel, with margins that cannot be halved."""
    form = PictureForm(size, 3, crop)
    pixels = noise(31, 33, 3) // 4 + 96  # no overshoot is clipped
    image = Image.open(oriented(orientation, "PNG", Image.fromarray(pixels)))
    upright = ImageOps.exif_transpose(image)
    difference = to_pixels(image, form).astype(int) - to_pixels(upright, form)
    assert np.abs(difference).max() <= 2  # the filter runs over rows and columns in another order


def test_damaged_exif_does_not_make_a_picture_unreadable(colours):
    image = reopened(colours, "PNG", exif=b"Exif\0\0no such thing")
    assert upright_size(image) == (2, 3)
    np.testing.assert_array_equal(to_unresized_pixels(image, 3), np.asarray(colours))


def test_upright_size_decodes_nothing(colours, monkeypatch):
    image = reopened(colours)
    monkeypatch.setattr(type(image), "load", lambda self: pytest.fail("decoded"))
    assert upright_size(image) == (2, 3)
    assert upright_size(Image.fromarray(noise(4, 6))) == (4, 6)


def test_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 4), colour) for colour in (GREEN, RED)]
    array = decode(frames[0], file_format="GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(array, np.full((4, 4, 3), GREEN))


@pytest.mark.parametrize(
    ("shape", "size", "rows", "columns"),
    [
        ((6, 10), (6, 6), slice(0, 6), slice(2, 8)),
        ((9, 4), (4, 4), slice(2, 6), slice(0, 4)),
        ((8, 8), (4, 8), slice(2, 6), slice(0, 8)),
    ],
)
def test_crop_is_central_and_exact(shape, size, rows, columns):
    pixels = noise(*shape, 3)
    fitted = to_pixels(Image.fromarray(pixels), PictureForm(size, 3))
    np.testing.assert_array_equal(fitted, pixels[rows, columns])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_padding_is_central_exact_and_of_the_background(channels):
    pixels = noise(4, 10, channels)
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    padded = to_pixels(image, PictureForm((10, 10), channels, "pad", "#0000ff"))
    np.testing.assert_array_equal(padded[3:7], pixels)
    around = {1: [29], 3: BLUE, 4: (0, 0, 0, 0)}[channels]  # black, as resized pixels that are transparent
    for rows in (padded[:3], padded[7:]):
        np.testing.assert_array_equal(rows, np.broadcast_to(around, rows.shape))


def test_padding_shrinks_and_enlarges_the_whole_picture():
    image = Image.new("RGB", (40, 20), RED)
    for size in (10, 80):
        padded = to_pixels(image, PictureForm((size, size), 3, "pad"))
        is_red = (padded == RED).all(axis=-1)
        np.testing.assert_array_equal(is_red.all(axis=1), is_red.any(axis=1))
        np.testing.assert_array_equal(np.flatnonzero(is_red.any(axis=1)), np.arange(size // 4, 3 * size // 4))


def test_none_stretches_the_whole_picture():
    image = Image.new("RGB", (40, 20), RED)
    image.paste(BLUE, (20, 0, 40, 20))
    stretched = to_pixels(image, PictureForm((10, 10), 3, "none"))
    np.testing.assert_array_equal(stretched[:, 0], np.broadcast_to(RED, (10, 3)))
    np.testing.assert_array_equal(stretched[:, -1], np.broadcast_to(BLUE, (10, 3)))


def test_resize_is_antialiased():
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = to_pixels(Image.fromarray(board), PictureForm((8, 8), 1))
    np.testing.assert_allclose(small[1:-1, 1:-1], 127.5, atol=2)  # nearest or bilinear would give 0 or 255


@pytest.mark.parametrize("crop", ["center", "pad", "none"])
@pytest.mark.parametrize("shape", [(1, 100), (100, 1), (1, 1)])
def test_an_extreme_shape_keeps_at_least_one_pixel(crop, shape):
    image = Image.fromarray(np.zeros(shape, np.uint8))
    fitted = to_pixels(image, PictureForm((64, 4), 1, crop))
    assert fitted.shape == (64, 4, 1)
    assert (fitted == 0).any()


def test_what_fits_already_is_not_touched(monkeypatch):
    pixels = noise(8, 8, 3)
    image = Image.fromarray(pixels)
    for name in ("convert", "resize", "crop", "copy", "transpose"):
        monkeypatch.setattr(Image.Image, name, lambda *_, **__: pytest.fail("work without need"))
    for crop in module.CROPS:
        np.testing.assert_array_equal(to_pixels(image, PictureForm((8, 8), 3, crop)), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("crop", ["center", "pad", "none"])
@pytest.mark.parametrize(("size", "reduction"), [((24, 24), 8), ((51, 40), 4), ((90, 100), 2), ((120, 160), 1)])
def test_large_jpegs_are_decoded_reduced(orientation, crop, size, reduction):
    """601x451 pixels, which no reduction divides; at least twice the wanted size is left."""
    file = oriented(orientation, "JPEG", smooth(601, 451))
    with Image.open(file) as image:
        pixels = to_pixels(image, PictureForm(size, 3, crop))
        used = round(601 / image.width)
        assert image.size == (-(-601 // used), -(-451 // used))
    with Image.open(file) as image:
        plain = ImageOps.exif_transpose(image)  # in memory: no way to reduce it
        expected = to_pixels(plain, PictureForm(size, 3, crop))
    if orientation == 1 and crop == "center":
        assert used == reduction
    if used > 1:
        height, width = size
        shrinking = {"center": min, "pad": max, "none": min}[crop](plain.width / width, plain.height / height)
        assert shrinking >= 2 * used
    assert np.abs(pixels.astype(int) - expected).mean() < 1


@pytest.mark.parametrize(("size", "reduction"), [((140, 50), 2), ((75, 56), 4)])
def test_a_lying_jpeg_is_reduced_by_its_upright_size(size, reduction):
    with Image.open(oriented(6, "JPEG", smooth(600, 450))) as image:
        to_pixels(image, PictureForm(size, 3, "none"))
        assert image.size == (600 // reduction, -(-450 // reduction))


def test_jpegs_whose_own_size_is_wanted_are_decoded_whole():
    file = encode(smooth(601, 451), "JPEG")
    assert to_unresized_pixels(Image.open(file), 3).shape == (451, 601, 3)


TRUNCATED = [
    ("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("GIF", {}), ("WEBP", {}), ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}), ("BMP", {}), ("PPM", {}),
    ("TGA", {"compression": "tga_rle"}), ("JPEG2000", {}),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")  # pytest undoes the filter of the module
@pytest.mark.parametrize(("file_format", "options"), TRUNCATED)
def test_a_truncated_file_never_gives_half_a_picture(file_format, options):
    image = Image.fromarray(noise(40, 37, 3))
    content = encode(image, file_format, **options).getvalue()
    for convert in (
        lambda image: to_unresized_pixels(image, 3),
        lambda image: to_pixels(image, PictureForm((5, 5), 3)),
    ):
        whole = convert(Image.open(io.BytesIO(content)))
        failures = 0
        for end in np.linspace(0, len(content) - 1, 25).astype(int):
            try:
                pixels = convert(open_image(io.BytesIO(content[:end])))
            except Exception as error:
                failures += 1
                why = reason(error)
                assert "damaged" in why or "ends early" in why or end < 30, why
            else:
                np.testing.assert_array_equal(pixels, whole)  # only what follows the pixels is missing
        assert failures > 15


def test_no_pixels_are_refused():
    empty = Image.new("RGB", (0, 4))
    with pytest.raises(UnusableImageError, match="no pixels"):
        to_pixels(empty, PictureForm((4, 4), 3))
    with pytest.raises(UnusableImageError, match="no pixels"):
        to_unresized_pixels(empty, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0, 4), 3), "size must be a height and a width, both above 0. Received: size=\\(0, 4\\)"),
        (((4, 4), 2), "channels must be 1 .* Received: channels=2"),
        (((4, 4), 3, "middle"), "crop must be one of center, pad, none. Received: crop='middle'"),
        (((4, 4), 3, "pad", "whitish"), "background must be a colour .* Received: background='whitish'"),
    ],
)
def test_impossible_conversions_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PictureForm(*arguments)


def test_conversions_can_be_sent_to_another_process():
    form = PictureForm((4, 6), 1, "pad", "#808080")
    assert pickle.loads(pickle.dumps(form)) == form
