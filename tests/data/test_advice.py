"""What a look at some pictures tells before a training."""

import numpy as np
import pytest
from PIL import Image

from stylegan_tf.data.advice import form_notes, repetition_notes, set_notes
from stylegan_tf.data.decode import PictureForm
from stylegan_tf.data.image_set import ArrayImageSet
from stylegan_tf.data.sources.find import open_source


def source(folder, *sizes):
    for number, (height, width) in enumerate(sizes):
        Image.new("RGB", (width, height)).save(folder / f"{number}.png")
    return open_source(str(folder))


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (PictureForm((64, 64), 3), "cropping cuts off 33% of a typical picture (64 pixels high, 96 wide): --crop="),
        (PictureForm((64, 64), 3, crop="pad"), ""),
        (PictureForm((64, 64), 3, crop="none"), ""),
        (PictureForm((64, 96), 3), ""),
        (PictureForm((64, 80), 3), ""),  # a sixth
    ],
)
def test_what_is_cropped(tmp_path, form, told):
    notes = form_notes(source(tmp_path, (64, 96), (64, 96), (96, 96)), form)
    assert len(notes) == bool(told)
    assert all(note.startswith(told) for note in notes)


def test_the_smallest_base_of_the_shape_is_proposed(tmp_path):
    (note,) = form_notes(source(tmp_path, (1280, 1920)), PictureForm((64, 64), 3))
    assert note.endswith("--crop=pad adds margins instead, --base_size=4x6 --resolution=64x96 keeps its shape")
    (tmp_path / "0.png").unlink()
    (note,) = form_notes(source(tmp_path, (100, 300)), PictureForm((64, 64), 3))
    assert note.endswith("--crop=pad adds margins instead")


@pytest.mark.parametrize(
    ("size", "resolution", "enlarged"),
    [((96, 96), 1024, True), ((96, 96), 128, True), ((96, 96), 64, False), ((110, 110), 128, False)],
)
def test_what_is_enlarged(tmp_path, size, resolution, enlarged):
    notes = form_notes(source(tmp_path, size, size, (2000, 2000)), PictureForm((resolution, resolution), 3))
    told = f"pictures are enlarged to {resolution}x{resolution}: a typical one is {size[0]} pixels high and "
    assert [note.startswith(told) for note in notes] == [True] * enlarged


def test_pictures_that_cannot_be_opened_are_passed_over(tmp_path):
    (tmp_path / "0.png").write_bytes(b"broken")
    assert form_notes(open_source(str(tmp_path)), PictureForm((64, 64), 3)) == ()


def image_set(count=3, channels=3, grey=False, classes=0):
    images = np.random.default_rng(0).integers(0, 256, (count, 4, 4, channels), np.uint8)
    if grey:
        images[..., :3] = images[..., :1]
    names = tuple("abc"[:classes])
    return ArrayImageSet(images, np.zeros(count, np.int32) if classes else None, names)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, ""),
        ({"count": 1}, "there is one picture: all that networks can learn is to copy it"),
        ({"classes": 1}, ""),  # the notes on labels tell that
        ({"grey": True}, "the pictures are grey and read as RGB: --channels=1 trains on one channel"),
        ({"grey": True, "channels": 4}, "the pictures are grey and read as RGB (and alpha): --channels=1 trains"),
        ({"channels": 1}, ""),
        ({"channels": 4}, ""),
    ],
)
def test_what_a_set_cannot_teach(values, told):
    notes = set_notes(image_set(**values))
    assert len(notes) == bool(told)
    assert all(note.startswith(told) for note in notes)


def test_no_base_is_proposed_where_shapes_differ(tmp_path):
    (note,) = form_notes(source(tmp_path, *[(96, 128)] * 3, *[(128, 96)] * 3), PictureForm((64, 64), 3))
    assert note.endswith("--crop=pad adds margins instead")


def test_the_smallest_resolutions_are_not_called_too_large(tmp_path):
    assert form_notes(source(tmp_path, (3, 3)), PictureForm((4, 4), 3)) == ()


@pytest.mark.parametrize(
    ("count", "mirror", "total_kimg", "times"),
    [
        (2339, False, 100, ""),  # the portraits with the default preset
        (2339, False, 25000, "2,339 pictures, each shown 10,688 times"),
        (200, False, 100, "200 pictures, each shown 500 times"),
        (200, True, 100, "200 pictures, each of them and of their mirror images shown 250 times"),
        (200, False, 20, ""),
        (3000, True, 25000, ""),
        (70000, False, 25000, ""),
        (1, False, 100, ""),  # there is nothing to hold back
    ],
)
def test_few_pictures_that_are_shown_often(count, mirror, total_kimg, times):
    notes = repetition_notes(count, mirror, total_kimg * 1000)
    assert [note.partition(":")[0] for note in notes] == [times] * bool(times)
    assert all("--augment=adaptive" in note for note in notes)
