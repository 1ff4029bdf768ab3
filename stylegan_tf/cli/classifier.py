"""Trains a small classifier on a labelled set of pictures, by which generated ones can be judged.

  stylegan-tf classifier --data=keras:fashion_mnist --output=clothes.keras
  stylegan-tf classifier --data=DIRECTORY_OF_CLASSES --resolution=32 --output=digits.keras

A tenth of the pictures is held out, and the share of right answers among them is printed. The file is an ordinary Keras
model with the names of the classes inside. Metrics over it tell which classes a generator draws, and how clearly.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.flags import FlagGroup, require_given
from stylegan_tf.configuration.resolutions import parse_size
from stylegan_tf.data.loading import DataSettings, default_size, find_source, read_into_memory, resolve_form
from stylegan_tf.data.sources.base import Source
from stylegan_tf.data.sources.listing import others_text
from stylegan_tf.errors import UserError, require
from stylegan_tf.files import expanded
from stylegan_tf.printing import tell_note
from stylegan_tf.progress import ProgressLine, counted, format_seconds

# Pictures of sets without a --resolution are made no larger than this; classes can be told apart in small ones.
LARGEST_DEFAULT_SIZE = 64
# Sizes of pictures are these times a power of two, the larger of the two that fit: 28x28 stays 28x28.
BASE_SIZES = (4, 7)

FLAGS = flags.FlagValues()


_GROUP = FlagGroup(FLAGS)
_DATA = _GROUP.text("data", "", "a labelled set: whatever train.py takes; directories are classes")
_OUTPUT = _GROUP.text("output", "", "the .keras file to write")
_RESOLUTION = _GROUP.text(
    "resolution",
    "",
    f"height and width to classify at, such as 28 or 32x48; empty: what fits the data, at most {LARGEST_DEFAULT_SIZE}",
)
_CHANNELS = _GROUP.whole("channels", 0, "1 grey, 3 RGB; 0: what the data has")
_EPOCHS = _GROUP.whole("epochs", 5, "passes over the pictures", least=1)
_SEED = _GROUP.whole("seed", 0, "seed of the weights, the order and the choice of held-out pictures", least=0)


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command; see `app.run`."""
    app.run(main, argv, FLAGS)


def main() -> None:
    """Checks the flags, reads the set, trains and writes."""
    require_given(_DATA, "a labelled set of pictures")
    output = expanded(_OUTPUT.value)
    require(output.suffix == ".keras" and not output.is_dir(), "--output must be a file that ends in .keras", output)
    size = parse_size(_RESOLUTION.value, "resolution") if _RESOLUTION.value else None
    require(_CHANNELS.value in (0, 1, 3), "--channels must be 1, 3, or 0 for what the data has", _CHANNELS.value)
    with app.quiet_startup():
        from stylegan_tf.features.classifier import save_classifier, train_classifier

    images, labels, class_names = _read(size)
    started = time.monotonic()
    with ProgressLine("Training") as progress:
        trained = train_classifier(
            images, labels, class_names, epochs=_EPOCHS.value, seed=_SEED.value, progress=progress
        )
    save_classifier(trained.model, class_names, output)
    print(
        f"wrote {output}: {trained.accuracy:.1%} right of {counted(trained.held_out, 'held-out picture')}, "
        f"{len(class_names)} classes at {images.shape[1]}x{images.shape[2]}, "
        f"{format_seconds(time.monotonic() - started)}"
    )


def _read(size: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Images, uint8 [N, H, W, 1 or 3], their labels, int32 [N], and what the labels mean."""
    source = find_source(_DATA.value, use_labels=True)
    if source.ignored:
        print(f"{_DATA.value}: left out: {others_text(source.ignored)}", flush=True)
    channels = _CHANNELS.value or (1 if source.channels == 1 else 3)
    settings = DataSettings(_DATA.value, size or _fitting_size(source), channels=channels, use_labels=True)
    with ProgressLine("Reading the data") as progress:
        image_set = read_into_memory(source, resolve_form(settings, source), progress=progress)
    if image_set.labels is None:  # a prepared set may have none, whatever is asked for
        raise UserError(f"--data must be a labelled set; prepare it with --use_labels. Received: {_DATA.value}.")
    for note in image_set.label_notes:
        tell_note("classifier", note)
    return image_set.images, image_set.labels, image_set.label_names


def _fitting_size(source: Source) -> tuple[int, int]:
    height, width = max(default_size(source, (side, side)) for side in BASE_SIZES)
    while max(height, width) > LARGEST_DEFAULT_SIZE:
        height, width = height // 2, width // 2
    return height, width


if __name__ == "__main__":
    run()
