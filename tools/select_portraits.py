"""Writes some of the built-in portraits as an array file, to train on a few hundred images of one drawing style.

python tools/select_portraits.py --style=noto --every=3 --output=noto_260.npz
"""

import pathlib

import numpy as np
from absl import app, flags

_PORTRAITS = pathlib.Path(__file__).resolve().parents[1] / "stylegan_tf" / "data" / "portraits.npz"
_STYLE = flags.DEFINE_enum("style", "noto", ["noto", "twemoji", "fluent"], "drawing style")
_EVERY = flags.DEFINE_integer("every", 1, "take every so many of its portraits", lower_bound=1)
_OUTPUT = flags.DEFINE_string("output", None, "the .npz file to write", required=True)


def select(style: str, every: int) -> np.ndarray:
    """Portraits of a style, in the order of their code points: uint8 [N, 32, 32, 3]."""
    with np.load(_PORTRAITS) as file:
        chosen = file["labels"] == list(file["label_names"]).index(style)
        return file["images"][chosen][::every]


def main(arguments: list[str]) -> None:
    """Selects and writes."""
    del arguments
    images = select(_STYLE.value, _EVERY.value)
    np.savez_compressed(_OUTPUT.value, images=images)
    print(f"wrote {_OUTPUT.value}: {len(images)} portraits of {_STYLE.value}")


if __name__ == "__main__":
    app.run(main)
