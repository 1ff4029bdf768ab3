"""Films: H.264 in mp4 files, by the ffmpeg that the package imageio-ffmpeg brings."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO, cast

import numpy as np

from stylegan_tf.errors import UserError, require
from stylegan_tf.files import written_whole
from stylegan_tf.invocation import install
from stylegan_tf.pictures import as_picture, laid_on
from stylegan_tf.printing import printable

_CRF = 17  # libx264's quality: what eyes take for lossless


def check_video() -> None:
    """Raises ImportError when films cannot be written, before any work is done for one."""
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        raise ImportError(
            f"mp4 files need imageio-ffmpeg, which is not installed; gif and webp do not. Install it with: "
            f"{install('video')}"
        )


def save_video(path: str | os.PathLike[str], frames: Sequence[np.ndarray], frame_ms: int | Sequence[int]) -> None:
    """Writes frames as H.264 in an mp4 file, whole or not at all.

    Frames of odd height or width get another row or column, which the format needs; alpha is laid on white.

    Args:
        path: The file.
        frames: uint8 [H, W, C], all of one size.
        frame_ms: Milliseconds of each frame, or of all of them; at least 1.

    Raises:
        ImportError: When the extra `video` is not installed.
        ValueError: When a frame has no time, or ffmpeg cannot write the file.
    """
    durations = [int(ms) for ms in (frame_ms if isinstance(frame_ms, Sequence) else [frame_ms] * len(frames))]
    require(len(durations) == len(frames) > 0, "a film needs a time for each of its frames", durations)
    require(min(durations) > 0, "each frame of a film must last 1 ms or more", durations)
    tick = math.gcd(*durations)
    height, width = _even(frames[0]).shape[:2]
    with written_whole(path) as beside, tempfile.TemporaryFile() as errors:
        command = [
            *(_ffmpeg(), "-y", "-loglevel", "error"),
            *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"1000/{tick}", "-i", "-"),
            *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", str(_CRF), "-movflags", "+faststart"),
            *("-f", "mp4", str(beside)),
        ]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors) as process:
            stream = cast(IO[bytes], process.stdin)
            with contextlib.suppress(BrokenPipeError), stream:  # ffmpeg says why
                for frame, duration in zip(frames, durations, strict=True):
                    stream.write(_even(frame).tobytes() * (duration // tick))
        if process.returncode:
            errors.seek(0)
            reasons = errors.read().decode("utf-8", "replace").strip().splitlines()
            reason = printable(reasons[-1]) if reasons else f"it ended with {process.returncode}; is the disk full?"
            raise UserError(f"ffmpeg could not write {path}: {reason}")


def _ffmpeg() -> str:
    check_video()
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise UserError(f"mp4 files need ffmpeg, which imageio-ffmpeg does not find: {error}") from error


def _even(frame: np.ndarray) -> np.ndarray:
    """RGB of even height and width."""
    picture = as_picture(frame)
    if picture.mode == "RGBA":
        picture = laid_on(picture, "white")
    pixels = np.asarray(picture.convert("RGB"))
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
