"""Image files are opened, or it is said in plain words why they cannot be."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from stylegan_tf.data.image_file import UnusableImageError, open_image, reason

STARTS = [
    (b"", "the file is empty"),
    (bytes(100), "zeros"),
    (b"plain text", "no image format that Pillow knows"),
    (b"<!DOCTYPE html><html>", "web page"),
    (b"\n <html lang='en'>", "web page"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    (b"\xef\xbb\xbf<?xml version='1.0'?><!-- drawn --><svg/>", "SVG"),
    (b"<?xml version='1.0'?><note/>", "no image format"),
    (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
    (b"\0\0\0\x18ftypmp42\0\0\0\0", "video"),
    (b"\xff\x0a\x00", "JPEG XL"),
    (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
    (b"\x89PNG\r\n\x1a\n\0\0", "the PNG file is damaged"),
]


@pytest.mark.parametrize(("content", "expected"), STARTS)
def test_a_file_that_is_no_picture_is_named(content, expected, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    for file in (path, str(path), io.BytesIO(content)):
        with pytest.raises(UnusableImageError, match=expected) as caught:
            open_image(file)
        assert reason(caught.value) == str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_picture_is_opened(tmp_path):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    for file in (path, str(path), io.BytesIO(path.read_bytes())):
        with open_image(file) as image:
            np.testing.assert_array_equal(np.asarray(image), pixels)


REASONS = [
    (PermissionError(13, "Permission denied", "/secret/name.png"), "permission denied"),
    (FileNotFoundError(2, "No such file", "/gone.png"), "the file is not there any more"),
    (OSError("image file is truncated (26 bytes not processed)"), "the file ends early (truncated)"),
    (EOFError(), "the file ends early (truncated)"),
    (OSError("broken data stream"), "the file is damaged (broken data stream)"),
    (SyntaxError("broken PNG file"), "the file is damaged (broken PNG file)"),
    (MemoryError(), "not enough memory to decode it"),
    (UnidentifiedImageError("cannot identify image file '/x'"), "no image format that Pillow knows"),
    (Image.DecompressionBombError("Image size (1 pixels)"), "more than 179 megapixels: a decompression bomb?"),
    (KeyError("what"), "KeyError: 'what'"),
    (OSError(5, "Input/output error"), "OSError: [Errno 5] Input/output error"),
    (ValueError("two\nlines \x1b[31m\udcff"), "ValueError: two lines \\x1b[31m\\udcff"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "expected"), REASONS)
def test_reasons(error, expected):
    assert reason(error) == expected


def test_a_reason_is_short():
    line = reason(RuntimeError("word\n" * 1000))
    assert len(line) == 200 and "\n" not in line and line.endswith("…")


BOMBS = """
import io, sys, zlib, struct
from PIL import Image
from stylegan_tf.data.image_file import open_image, reason

def png(width, height):
    chunks = b""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\\0"))):
        chunks += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return io.BytesIO(b"\\x89PNG\\r\\n\\x1a\\n" + chunks)

print(open_image(png(10000, 9000)).size)
try:
    open_image(png(20000, 9000))
except Exception as error:
    print(reason(error))
assert "tensorflow" not in sys.modules
"""


def test_bombs_are_told_of_without_a_warning():
    done = subprocess.run([sys.executable, "-c", BOMBS], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(10000, 9000)", "more than 179 megapixels: a decompression bomb?"]
    assert done.stderr == ""
