"""A source with known faults, sizes and repeats, and what is said of it."""

import dataclasses
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from stylegan_tf.data import inspection
from stylegan_tf.data.inspection import (
    ONE_COLOUR,
    TRANSPARENT,
    WHITE_ON_NOTHING,
    Spread,
    emptiness,
    inspect_source,
    recommend_resolution,
)
from tests.data.made_up_source import ArrayItem, BytesItem, ListSource, encode, noise


def turned(pixels: np.ndarray) -> bytes:
    """A file that holds the picture lying on its side, and says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(Image.fromarray(np.ascontiguousarray(np.rot90(pixels))), exif=exif)


@pytest.fixture
def source() -> ListSource:
    picture = noise(40, 20, 3)
    contents = {
        "a/turned.png": turned(picture),
        "a/upright.png": encode(Image.fromarray(picture)),
        "a/compressed.png": encode(Image.fromarray(picture), compress_level=1),
        "a/as_tiff.tif": encode(Image.fromarray(picture), "TIFF"),
        "b/grey.jpg": encode(Image.fromarray(noise(64, 64)), "JPEG"),
        "b/deep.png": encode(Image.fromarray(noise(64, 64).astype(np.uint16) * 257)),
        "b/alpha.png": encode(Image.fromarray(noise(16, 16, 4))),
        "b/palette.gif": encode(Image.fromarray(noise(8, 8)).convert("P"), "GIF"),
        "b/cmyk.jpg": encode(Image.new("CMYK", (300, 200), (255, 0, 0, 0)), "JPEG"),
        "b/empty.png": b"",
        "b/cut.png": encode(Image.fromarray(noise(64, 64, 3)))[:5000],
        "b/clear.png": encode(Image.new("RGBA", (64, 64), (255, 0, 0, 0))),
    }
    items = [
        BytesItem(name, {"a": 0, "b": 1}[name[0]] if name != "b/clear.png" else -1, content)
        for name, content in contents.items()
    ]
    return ListSource(items, ("a", "b", "none of these"))


def test_everything_is_found(source):
    found = inspect_source(source)
    assert (found.name, found.source_kind, found.count, found.readable, found.ignored) == (
        "made up",
        "list",
        12,
        10,
        {".txt": 2},
    )
    assert found.heights == Spread(8, 40, 200)
    assert found.widths == Spread(8, 20, 300)
    assert found.num_sizes == 5
    assert found.sizes == (((40, 20), 4), ((64, 64), 3), ((8, 8), 1), ((16, 16), 1), ((200, 300), 1))
    assert found.kinds == {
        "colour": 4, "colour with alpha": 2, "CMYK": 1, "grey": 1, "grey, 16 bit": 1, "palette": 1,
    }  # fmt: skip
    assert next(iter(found.kinds)) == "colour"
    assert found.formats == {"PNG": 6, "JPEG": 2, "GIF": 1, "TIFF": 1}
    assert found.transparent == 2
    assert found.labels == {"a": 4, "b": 7, "none of these": 0}
    assert found.unlabelled == 1
    assert [name for name, _ in found.broken] == ["b/empty.png", "b/cut.png"]
    assert found.broken[1][1] == "the file ends early (truncated)"
    assert found.empty == (("b/cmyk.jpg", ONE_COLOUR), ("b/clear.png", TRANSPARENT))
    assert found.repeats == (("a/turned.png", "a/upright.png", "a/compressed.png", "a/as_tiff.tif"),)
    assert found.fitting == {4: 10, 8: 10, 16: 9, 32: 4, 64: 4, 128: 1, 256: 0, 512: 0, 1024: 0}
    assert found.recommended == 16


def test_processes_and_threads_agree(source, monkeypatch):
    items = [dataclasses.replace(item, name=f"{n}/{item.name}") for n in range(5) for item in source.items()]
    many = ListSource(items, source.label_names)
    in_threads = inspect_source(many, max_workers=1)
    monkeypatch.setattr(inspection, "_FEW", 10)
    seen: list[tuple[int, int]] = []
    in_processes = inspect_source(many, max_workers=2, progress=lambda *report: seen.append(report))
    assert in_processes == in_threads
    assert in_processes.count == 60
    assert len(in_processes.repeats[0]) == 20
    assert seen == sorted(seen) and seen[-2:] == [(60, 60)] * 2  # by the workers' own account too


def test_progress_rises_to_the_count():
    items = [ArrayItem(str(number), -1, noise(4, 4, seed=number)) for number in range(50)]
    seen: list[tuple[int, int]] = []
    inspect_source(ListSource(items), progress=lambda *report: seen.append(report))
    assert len(seen) >= 3 and seen == sorted(seen) and seen[-1] == (50, 50)


def test_items_are_taken_only_a_few_ahead():
    """Those of a compressed archive hold their files' bytes."""
    items = [ArrayItem(str(number), -1, noise(4, 4, seed=number)) for number in range(400)]
    source = ListSource(items)
    ahead: list[int] = []
    inspect_source(source, max_workers=2, progress=lambda done, total: ahead.append(source.given - done))
    assert max(ahead) <= 100


def test_arrays_have_no_format():
    found = inspect_source(ListSource([ArrayItem("0", -1, noise(4, 6, 3))]))
    assert found.formats == {"none": 1} and found.labels == {} and found.unlabelled == 0
    assert found.heights == Spread(4, 4, 4) and found.widths == Spread(6, 6, 6)


def test_nothing_readable():
    found = inspect_source(ListSource([BytesItem(f"{number}\0x", -1, b"no") for number in range(20)]))
    assert found.readable == 0 and found.heights is None and found.widths is None and found.recommended is None
    assert [name for name, _ in found.broken] == [f"{number} x" for number in range(20)]
    assert found.repeats == () and found.sizes == ()


def test_hidden_colours_and_shapes_tell_pictures_apart():
    same = np.zeros((4, 8, 4), np.uint8)
    other = same.copy()
    other[..., 0] = 9
    items = [ArrayItem("a", -1, same), ArrayItem("b", -1, other), ArrayItem("c", -1, same.reshape(8, 4, 4))]
    assert inspect_source(ListSource(items)).repeats == ()


def test_sixteen_bit_files_that_pillow_reads_with_eight():
    """A 16-bit RGB PNG, which Pillow cannot write."""
    rows = b"".join(b"\0" + noise(4 * 6).tobytes() for _ in range(4))
    content = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    # 16 bits a pixel: 5 for red, 6 for green, 5 for blue
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    bmp = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 74, 0, 0, 66, 40, 2, 2, 1, 16, 3, 8, 0, 0, 0, 0) + masks
    bmp += noise(8).tobytes()
    found = inspect_source(ListSource([BytesItem("png", -1, content), BytesItem("bmp", -1, bmp)]))
    assert found.kinds == {"colour": 1, "colour, 16 bit": 1}


def canvas(colour) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8), (200, 200, 4)).copy()


def with_dot(colour, dot, size) -> np.ndarray:
    image = canvas(colour)
    image[50 : 50 + size, 60 : 60 + size] = dot
    return image


CLEAR, WHITE, BLACK, HIDDEN_RED = (0, 0, 0, 0), (255, 255, 255, 255), (0, 0, 0, 255), (255, 0, 0, 0)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (canvas(CLEAR), TRANSPARENT),
        (with_dot(CLEAR, HIDDEN_RED, 100), TRANSPARENT),
        (with_dot(CLEAR, BLACK, 8), TRANSPARENT),
        (with_dot(CLEAR, BLACK, 10), ""),
        (canvas((10, 80, 200, 255)), ONE_COLOUR),
        (canvas((10, 80, 200, 128)), ONE_COLOUR),
        (canvas(WHITE) - noise(200, 200, 1) // 64 * [[[1, 1, 1, 0]]], ONE_COLOUR),
        (with_dot(WHITE, BLACK, 1), ONE_COLOUR),
        (with_dot(WHITE, BLACK, 3), ""),
        (with_dot(WHITE, (255, 255, 255, 0), 100), WHITE_ON_NOTHING),
        (with_dot(CLEAR, WHITE, 50), WHITE_ON_NOTHING),
        (with_dot(CLEAR, (200, 200, 200, 255), 50), ""),
        (with_dot((255, 255, 255, 0), BLACK, 50), ""),
        (np.dstack([np.indices((200, 200)).sum(0) % 2 * 255] * 3 + [np.full((200, 200), 255)]), ""),
    ],
)
def test_emptiness(image, expected):
    assert emptiness(image.astype(np.uint8)) == expected


@pytest.mark.parametrize(
    ("heights", "widths", "expected"),
    [
        ([64], [64], 64),
        ([63], [64], 32),
        ([3], [900], 4),
        ([5000], [5000], 1024),
        ([64, 128], [128, 128], 64),
        ([256, 64, 256], [64, 256, 256], 256),
    ],
)
def test_recommended_resolution_is_not_above_the_median(heights, widths, expected):
    assert recommend_resolution(heights, widths) == expected


def test_tensorflow_is_not_imported():
    code = "import sys, stylegan_tf.data.inspection; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
