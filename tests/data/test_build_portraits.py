"""The tool that builds the built-in set, on small made-up packages."""

import io
import json
import pathlib
import tarfile

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def tool(load_script):
    return load_script("tools/build_portraits.py")


def emoji(code: str, subcategory: str = "person", tones: tuple[str, ...] = ()) -> dict:
    variations = {tone: {"unified": f"{code}-{tone}"} for tone in tones}
    return {"unified": code, "subcategory": subcategory, "skin_variations": variations}


EMOJI = [
    emoji("1F468", tones=("1F3FB", "1F3FF")),
    emoji("1F466"),
    emoji("1F600", subcategory="face-smiling"),
    emoji("1F930", subcategory="person-role", tones=("1F3FB",)),
    emoji("1F9D1-200D-1F37C", subcategory="person-role"),
]


def write_package(path: pathlib.Path, folder: str, images: dict[str, tuple[int, int, int]]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        files = {"package/emoji.json": json.dumps(EMOJI).encode()}
        for code, colour in images.items():
            buffer = io.BytesIO()
            Image.new("RGBA", (64, 64), (*colour, 255)).save(buffer, "PNG")
            files[f"package/{folder}/{code.lower()}.png"] = buffer.getvalue()
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


@pytest.fixture
def archives(tool, tmp_path):
    """Two styles; the second lacks one image and draws two alike."""
    colours = {"1F468": (9, 0, 0), "1F468-1F3FB": (8, 0, 0), "1F468-1F3FF": (7, 0, 0), "1F466": (6, 0, 0)}
    others = {"1F468": (5, 0, 0), "1F468-1F3FB": (5, 0, 0), "1F466": (4, 0, 0)}
    extra = {"1F600": (1, 1, 1), "1F930": (1, 1, 1), "1F930-1F3FB": (1, 1, 1), "1F9D1-200D-1F37C": (1, 1, 1)}
    made = []
    for style, images in (("first", colours | extra), ("second", others | extra)):
        source = tool.Source(style, f"@made/{style}", "1.0.0", "", f"package/{style}/{{code}}.png")
        write_package(tmp_path / source.archive, style, images)
        made.append((source, tmp_path / source.archive))
    return made


def test_selects_sorts_and_labels(tool, archives):
    arrays = tool.build(archives)
    assert arrays["codes"].tolist() == ["1F466", "1F468", "1F468-1F3FB", "1F468-1F3FF", "1F466", "1F468"]
    assert arrays["base_codes"].tolist() == ["1F466", "1F468", "1F468", "1F468", "1F466", "1F468"]
    assert arrays["labels"].tolist() == [0, 0, 0, 0, 1, 1]
    assert arrays["label_names"].tolist() == ["first", "second"]
    assert arrays["images"].shape == (6, 32, 32, 3)
    assert arrays["images"][:, 0, 0, 0].tolist() == [6, 9, 8, 7, 4, 5]


def test_same_sources_give_the_same_bytes(tool, archives, tmp_path):
    arrays = tool.build(archives)
    tool.write_npz(tmp_path / "one.npz", arrays)
    tool.write_npz(tmp_path / "two.npz", tool.build(archives))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz", allow_pickle=False) as read:
        assert set(read) == set(arrays)
        for name in arrays:
            np.testing.assert_array_equal(read[name], arrays[name])
    assert not list(tmp_path.glob("*.new"))


def test_another_archive_is_refused(tool, archives, tmp_path):
    with pytest.raises(ValueError, match="must have SHA-256"):
        tool.fetch(archives[0][0], tmp_path)


def test_archive_names_are_npm_s(tool):
    names = [source.archive for source in tool.SOURCES]
    assert names[0] == "emoji-datasource-google-16.0.0.tgz"
    assert names[2] == "lobehub-fluent-emoji-3d-1.1.0.tgz"
