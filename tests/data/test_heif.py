"""HEIC is read where pillow-heif is installed, whatever a file is called; otherwise it is said what to install."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from stylegan_tf.data import image_file
from stylegan_tf.data.decode import PictureForm, to_pixels, upright_size
from stylegan_tf.data.image_file import UnusableImageError, open_image
from stylegan_tf.data.inspection import inspect_source
from stylegan_tf.data.sources.find import open_source

ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def halves():
    """A picture of 32x48 whose left half is red, and a HEIC file of it by orientation."""
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:, :24] = (255, 0, 0)

    def heic(orientation=1, mode="RGB"):
        file = io.BytesIO()
        made = pillow_heif.from_pillow(Image.fromarray(pixels).convert(mode))
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        made[0].info["exif"] = exif.tobytes()
        made.save(file, quality=100)
        return file.getvalue()

    return pixels, heic


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_has_the_pictures_pixels(halves, brand):
    pixels, heic = halves
    with open_image(io.BytesIO(heic().replace(b"ftypheic", b"ftyp" + brand, 1))) as image:
        assert (image.format, upright_size(image)) == ("HEIF", (32, 48))
        read = to_pixels(image, PictureForm((32, 48), 3))
    assert np.abs(read.astype(int) - pixels).mean() < 4


def test_heic_is_turned_upright_once(halves):
    pixels, heic = halves
    with open_image(io.BytesIO(heic(6))) as image:
        assert upright_size(image) == (48, 32)
        read = to_pixels(image, PictureForm((48, 32), 3))
    assert np.abs(read.astype(int) - np.rot90(pixels, -1)).mean() < 4


def test_alpha_is_kept(halves):
    with open_image(io.BytesIO(halves[1](mode="RGBA"))) as image:
        assert to_pixels(image, PictureForm((32, 48), 4)).shape == (32, 48, 4)


def test_a_folder_from_a_phone(halves, tmp_path):
    for name in ("IMG_1.HEIC", "2.heif", "named_wrongly.jpg"):
        (tmp_path / name).write_bytes(halves[1]())
    (tmp_path / "cut.heic").write_bytes(halves[1]()[:-100])
    found = inspect_source(open_source(str(tmp_path)))
    assert (found.formats, found.ignored) == ({"HEIF": 3}, {})
    assert found.broken == (("cut.heic", "the HEIC file is damaged or ends early"),)


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    path = tmp_path / "picture.jpg"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    monkeypatch.setattr(image_file, "reads_heif", lambda: False)
    with pytest.raises(UnusableImageError, match=r"HEIC; convert it to PNG or JPEG, or .*pip install .*heif"):
        open_image(path)


def test_pillow_heif_is_loaded_for_heic_alone(tmp_path):
    Image.new("L", (1, 1)).save(tmp_path / "picture.png")
    program = (
        "import sys; from stylegan_tf.data.image_file import open_image; "
        "open_image(sys.argv[1]); print('pillow_heif' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "picture.png")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_avif_is_read_where_pillow_can(tmp_path):
    if not image_file.reads_avif():
        pytest.skip("this Pillow does not read AVIF")
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.AVIF", "AVIF", quality=100)
    assert inspect_source(open_source(str(tmp_path))).formats == {"AVIF": 1}
