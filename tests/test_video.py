"""Films, read back by the same ffmpeg."""

import numpy as np
import pytest

from stylegan_tf import video
from stylegan_tf.errors import UserError
from stylegan_tf.images import save_animation
from stylegan_tf.invocation import install

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")


def read(path):
    """Size, frames a second, and frames, uint8 [N, H, W, 3]."""
    reader = imageio_ffmpeg.read_frames(str(path))
    facts = next(reader)
    width, height = facts["size"]
    return (
        (height, width),
        facts,
        np.stack([np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]),
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(32, 48), (33, 47)])
def test_frames_come_back(tmp_path, size, channels):
    frames = np.zeros((5, *size, channels), np.uint8)
    for index, frame in enumerate(frames):
        frame[:, 8 * index : 8 * index + 8] = [200, 200, 200, 255][:channels]
    save_animation(tmp_path / "film.mp4", list(frames), 40)
    found_size, facts, found = read(tmp_path / "film.mp4")
    assert found_size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert (facts["codec"], facts["fps"], len(found)) == ("h264", 25.0, 5)
    for index, frame in enumerate(found):
        inside = frame[4:28, 8 * index + 2 : 8 * index + 6]
        np.testing.assert_allclose(inside.astype(float), 200, atol=10)
        outside = np.delete(frame[:, : size[1]], slice(max(8 * index - 2, 0), 8 * index + 10), axis=1)
        np.testing.assert_allclose(outside.astype(float), 255 if channels == 4 else 0, atol=10)


def test_frames_last_as_long_as_they_should(tmp_path):
    frames = [np.full((16, 16, 3), value, np.uint8) for value in (0, 100, 200)]
    video.save_video(tmp_path / "film.mp4", frames, [100, 300, 200])
    _, facts, found = read(tmp_path / "film.mp4")
    assert facts["fps"] == 10.0
    assert np.round(found.mean(axis=(1, 2, 3)), -2).tolist() == [0, 100, 100, 100, 200, 200]


def test_without_the_extra_it_is_named_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(video.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="mp4 files need imageio-ffmpeg, which is not installed") as error:
        save_animation(tmp_path / "film.mp4", [np.zeros((8, 8, 3), np.uint8)])
    assert install("video") in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("script", "reason"), [("echo no room >&2; exit 1", "no room"), ("exit 3", "it ended with 3")])
def test_a_film_that_fails_leaves_the_one_before(tmp_path, monkeypatch, script, reason):
    broken = tmp_path / "ffmpeg"
    broken.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
    broken.chmod(0o755)
    film = tmp_path / "film.mp4"
    film.write_bytes(b"before")
    monkeypatch.setattr(video, "_ffmpeg", lambda: str(broken))
    with pytest.raises(UserError, match=rf"ffmpeg could not write .*film\.mp4: {reason}"):
        video.save_video(film, [np.zeros((8, 8, 3), np.uint8)], 40)
    assert film.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ffmpeg", "film.mp4"]


@pytest.mark.parametrize("frame_ms", [0, [40, 0], [40], []])
def test_frames_without_a_time_are_refused(tmp_path, frame_ms):
    with pytest.raises(UserError, match="must last 1 ms or more|needs a time for each"):
        video.save_video(tmp_path / "film.mp4", [np.zeros((8, 8, 3), np.uint8)] * 2, frame_ms)
