"""PNG files are read whatever is noted in them, in bounded memory; damage to the picture itself is still told."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from stylegan_tf.data.decode import PictureForm, to_pixels, to_unresized_pixels, upright_size
from stylegan_tf.data.image_file import open_image

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 3)).astype(np.uint8)
AFTER_HEADER, BEFORE_END = 33, -12  # bytes: where notes may be


def chunk(kind, data, checksum=None):
    checksum = zlib.crc32(kind + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png_with(notes, place=AFTER_HEADER):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    whole = file.getvalue()
    return whole[:place] + notes + whole[place:]


def pixels(content):
    with open_image(io.BytesIO(content)) as image:
        return to_unresized_pixels(image, 3)


LARGE = zlib.compress(bytes(2_000_000))
NOTES = {
    "text that unpacks to 2 MB": chunk(b"zTXt", b"workflow\0\0" + LARGE),
    "international text": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LARGE),
    "profile": chunk(b"iCCP", b"profile\0\0" + LARGE),
    "text of 70 MB": chunk(b"tEXt", b"history\0" + bytes(70_000_000)),
    "70 MB in all": b"".join(
        chunk(b"zTXt", b"key %d\0\0" % n + zlib.compress(bytes(1_000_000))) for n in range(70)
    ),
    "text with a wrong checksum": chunk(b"tEXt", b"key\0text", checksum=1),
    "text packed in an unknown way": chunk(b"zTXt", b"key\0\1text"),
    "profile packed in an unknown way": chunk(b"iCCP", b"key\0\1profile"),
    "empty profile": chunk(b"iCCP", b""),
    "resolution that ends early": chunk(b"pHYs", b"1"),
}  # fmt: skip


@pytest.mark.parametrize("notes", NOTES.values(), ids=NOTES)
@pytest.mark.parametrize("place", [AFTER_HEADER, BEFORE_END])
def test_notes_change_nothing(notes, place):
    np.testing.assert_array_equal(pixels(png_with(notes, place)), PIXELS)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_bomb_in_a_note_is_not_unpacked(kind):
    bomb = zlib.compress(bytes(2**26), 1)
    content = png_with(chunk(kind, (b"key\0\1\0\0\0" if kind == b"iTXt" else b"key\0\0") + bomb))
    tracemalloc.start()
    try:
        np.testing.assert_array_equal(pixels(content), PIXELS)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


ORIENTED = {
    "EXIF": chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    "XMP": chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>' + b" " * 3_000_000),
}


@pytest.mark.parametrize("note", ORIENTED.values(), ids=ORIENTED)
@pytest.mark.parametrize("place", [AFTER_HEADER, BEFORE_END])
def test_an_orientation_beside_a_large_note_is_applied(note, place):
    content = png_with(NOTES["text that unpacks to 2 MB"] + note, place)
    with open_image(io.BytesIO(content)) as image:
        if place == AFTER_HEADER:
            assert upright_size(image) == (4, 6)
        turned = to_pixels(image, PictureForm((4, 6), 3))
    np.testing.assert_array_equal(turned, np.rot90(PIXELS, -1))


def test_small_notes_are_kept():
    with open_image(io.BytesIO(png_with(chunk(b"zTXt", b"key\0\0" + zlib.compress(b"text"))))) as image:
        assert image.info["key"] == "text"


def test_damage_to_the_picture_is_told():
    whole = png_with(NOTES["text that unpacks to 2 MB"])
    for damaged in (whole[:200], whole.replace(b"IDAT", b"IDA\xff"), whole.replace(b"IHDR", b"IHDr")):
        with pytest.raises(Exception, match="damaged|(?i:truncated)|broken"):
            pixels(damaged)
