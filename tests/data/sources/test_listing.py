"""Which names are pictures, and what is said of the other files."""

import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

from stylegan_tf.data.decode import to_unresized_pixels
from stylegan_tf.data.loading import DataSettings, load_image_set
from stylegan_tf.data.sources import listing
from stylegan_tf.data.sources.find import open_source
from stylegan_tf.data.sources.listing import is_image_name, others_text
from stylegan_tf.invocation import install
from tests.data.made_up_source import encode, noise

KINDS = ["folder", "zip", "tar", "tar.gz"]


@pytest.fixture
def no_extra(monkeypatch):
    monkeypatch.setattr(listing, "reads_heif", lambda: False)
    monkeypatch.setattr(listing, "reads_avif", lambda: False)


PICTURES = ("a.jpg", "A.JPG", "a.jfif", "a.jpe", "a.tiff", "a.mpo", "a.jps", "a.J2C", "a.jpf", "a.icns", "a.jpg_large",
            "a.jpg:orig", "a.PNG-small", "b.c/a.webp", "a.txt.png")  # fmt: skip
OTHERS = {
    "a.HEIC": ".heic", "a.avif": ".avif", "a.jxl": ".jxl", "b.png/a": "no ending", "a.": "no ending",
    "Mr. Smith": "no ending", "a.jpg?width=100&height=100": "no ending", ".a.png": "hidden .png", "Thumbs.db": ".db",
    "a.png~": ".png~", "a.txt_large": ".txt_large", "a.large": ".large",
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_known_by_their_endings(name):
    assert is_image_name(name)


@pytest.mark.parametrize(("name", "kind"), OTHERS.items())
def test_others_are_counted_by_their_endings(name, kind, write, picture, no_extra):
    for place in KINDS:
        assert open_source(write(place, {"0.png": picture(1), name: b""})).ignored == {kind: 1}


SYSTEM_FOLDERS = ["__MACOSX", "@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "$RECYCLE.BIN",
                  "$Recycle.Bin", ".@__thumb", ".Trash"]  # fmt: skip


@pytest.mark.parametrize("folder", SYSTEM_FOLDERS)
def test_folders_that_a_system_keeps_for_itself_are_passed_over(folder, write, picture):
    """Thumbnails and deleted pictures would be trained on, or be a class."""
    others = {f"{folder}/0.png": picture(9), f"a/{folder}/0.png/SYNOPHOTO_THUMB_XL.jpg": picture(9, kind="JPEG")}
    for place in KINDS:
        source = open_source(write(place, {"a/0.png": picture(1), "b/0.png": picture(2), **others}), use_labels=True)
        assert [item.name for item in source.items()] == ["a/0.png", "b/0.png"]
        assert (source.label_names, source.label_notes, source.ignored) == (("a", "b"), (), {})


def test_folders_whose_names_only_begin_so_are_read(write, picture):
    names = ["#recycled/0.png", "@ea/0.png", "recycle/0.png"]
    for place in KINDS:
        source = open_source(write(place, {name: picture(1) for name in names}))
        assert [item.name for item in source.items()] == names


def test_the_extra_makes_pictures_of_more_files(monkeypatch):
    for answer in (True, False):
        monkeypatch.setattr(listing, "reads_heif", lambda answer=answer: answer)
        monkeypatch.setattr(listing, "reads_avif", lambda answer=answer: not answer)
        assert [is_image_name(f"a{ending}") for ending in (".HEIC", ".heif", ".hif")] == [answer] * 3
        assert is_image_name("a.avif") != answer


def test_one_line_tells_of_all_others():
    counts = {".heic": 8, ".avif": 1, ".\x1b[31m": 8, "no ending": 1200}
    assert others_text(counts) == (
        f"1,217 other files (no ending 1,200, .\\x1b[31m 8, .heic 8, .avif 1); to read .avif, .heic: {install('heif')}"
    )
    assert others_text({".txt": 1}) == "1 other file (.txt 1)"


def test_many_endings_stay_one_line():
    text = others_text({f".{number:03d}": 2 for number in range(1000)})
    assert len(text) < 300
    assert ".000 2" in text and "and 1,960 with other endings" in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["1.HEIC", "2.heic"], r"2 files \(\.heic 2\)\. Convert \.heic to PNG or JPEG, or .*pip install .*heif.*\. R"),
        (["1.jxl", "2.CR2"], r"2 files \(\.cr2 1, \.jxl 1\)\. Convert pictures of other kinds to PNG or JPEG\. R"),
        (["1", "2"], r"among 2 files \(no ending 2\)\. Give pictures without an ending one, such as \.jpg\. R"),
        ([".1.jpg"], r"among 1 file \(hidden \.jpg 1\)\. Names that begin with a dot are skipped\. R"),
        (["1.zip"], r"among 1 file \(\.zip 1\)\. It holds '1\.zip': (give the path|unpack)"),
    ],
)
def test_without_any_picture_it_is_said_what_there_is_and_what_to_do(kind, names, expected, write, no_extra):
    with pytest.raises(ValueError, match=expected) as caught:
        open_source(write(kind, dict.fromkeys(names, b"x")))
    assert "\n" not in str(caught.value)


def test_one_picture_that_needs_the_extra_is_no_set(write, no_extra):
    folder = write("folder", {"1.heic": b"\0\0\0\x18ftypheic"})
    with pytest.raises(ValueError, match="a folder or an archive, not one image file"):
        open_source(f"{folder}/1.heic")


def test_an_image_set_knows_what_was_left_out(write, picture, tmp_path, monkeypatch):
    data = write("folder", {"1.png": picture(1), "a/2.mov": b"", "dataset.json": json.dumps({"labels": None}).encode()})
    settings = DataSettings(data, (4, 4), cache_dir=str(tmp_path / "cache"))
    assert load_image_set(settings).ignored == {".mov": 1}
    monkeypatch.setattr("stylegan_tf.data.loading.MEMORY_LIMIT", 0)
    assert load_image_set(settings, prepare_large=False).ignored == {".mov": 1}


def icon(image):
    """An ICNS file with one picture of 128x128."""
    content = encode(image)
    picture = b"ic07" + struct.pack(">I", len(content) + 8) + content
    return b"icns" + struct.pack(">I", len(picture) + 8) + picture


FIRST, SECOND = (Image.fromarray(noise(32, 32, 3, seed=seed)) for seed in (0, 1))


def two(kind, **options):
    return encode(FIRST.copy(), kind, save_all=True, append_images=[SECOND.copy()], **options)


FORMATS = {
    "a.mpo": two("MPO", quality=90),
    "a.jpg": two("MPO", quality=90),
    "a.jps": encode(FIRST, "JPEG", quality=90),
    "a.jpg_large": encode(FIRST, "JPEG", quality=90),
    "a.j2c": encode(FIRST, "JPEG2000", no_jp2=True),
    "a.jpf": encode(FIRST, "JPEG2000"),
    "a.jpc": encode(FIRST, "JPEG2000", no_jp2=True),
    "a.tif": two("TIFF"),
    "a.icns": icon(FIRST.resize((128, 128), Image.Resampling.NEAREST)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_that_pillow_reads_are_read_by_their_endings(name, write):
    """The first picture where a file has several."""
    with next(open_source(write("zip", {name: FORMATS[name]})).items()).open() as image:
        file_format, pixels = image.format, to_unresized_pixels(image, 3)
    if file_format in ("MPO", "JPEG"):
        np.testing.assert_array_equal(pixels, Image.open(io.BytesIO(FORMATS["a.jps"])))
    else:
        scale = 4 if file_format == "ICNS" else 1
        np.testing.assert_array_equal(pixels[::scale, ::scale], FIRST)
