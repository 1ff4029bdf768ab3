"""Films: H.264 in mp4 files, by the ffmpeg that the package imageio-ffmpeg brings."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from stylegan_tf.errors import UserError
from stylegan_tf.files import written_whole
from stylegan_tf.invocation import install

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
        frame_ms: Milliseconds of each frame, or of all of them.

    Raises:
        ImportError: When the extra `video` is not installed.
        ValueError: When ffmpeg cannot write them.
    """
    check_video()
    import imageio_ffmpeg

    durations = [frame_ms] * len(frames) if isinstance(frame_ms, int) else list(frame_ms)
    tick = math.gcd(*durations)
    height, width = frames[0].shape[:2]
    size = (width + width % 2, height + height % 2)
    with written_whole(path) as beside:
        writer = imageio_ffmpeg.write_frames(
            str(beside),
            size,
            fps=1000 / tick,
            codec="libx264",
            quality=None,
            macro_block_size=2,
            output_params=["-crf", str(_CRF), "-movflags", "+faststart", "-f", "mp4"],
        )
        try:
            with contextlib.closing(writer):
                writer.send(None)
                for frame, duration in zip(frames, durations, strict=True):
                    for _ in range(duration // tick):
                        writer.send(_even(frame).tobytes())
        except OSError as error:
            raise UserError(f"ffmpeg could not write {path}: {error}") from error


def _even(frame: np.ndarray) -> np.ndarray:
    """RGB of even height and width."""
    picture = Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame)
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    pixels = np.asarray(picture.convert("RGB"))
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
