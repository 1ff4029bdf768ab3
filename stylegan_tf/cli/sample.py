"""Draws images and figures with the averaged generator of a training run.

  stylegan-tf sample --run_dir=RUN
  stylegan-tf sample --run_dir=RUN --seeds=0-63 --truncation_psi=0.7 --output=grid.png
  stylegan-tf sample --run_dir=RUN --figure=interpolation --seeds=1,5,9 --output=loop.webp
  stylegan-tf sample --run_dir=hf://USER/NAME --output=grid.png

Figures:
  grid            all images in one picture
  images          one PNG file an image, as it is
  truncation      one column for each of --psis
  style_mixing    some layers' styles of one image with the rest of another
  noise           an image with other noise, and how much each pixel varies
  interpolation   an animation from seed to seed and back to the first
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.early_checks import check_networks
from stylegan_tf.cli.flags import (
    ANIMATION_ENDINGS,
    PICTURE_ENDINGS,
    FlagGroup,
    average_flag,
    check_picture_file,
    check_psi,
    psi_flag,
    require_run,
    run_flags,
    seeds_flag,
)
from stylegan_tf.errors import require
from stylegan_tf.hub.address import is_hub_address, parse_hub_address
from stylegan_tf.printing import tell_note
from stylegan_tf.sampling.seeds import parse_seeds

FIGURES = ("grid", "images", "truncation", "style_mixing", "noise", "interpolation")
DEFAULT_SEEDS = {
    "grid": "0-63",
    "images": "0-15",
    "truncation": "0-5",
    "style_mixing": "0-5",
    "noise": "0-3",
    "interpolation": "0-7",
}

FLAGS = flags.FlagValues()

_WHAT = FlagGroup(FLAGS, "What")
_RUN_DIR, _CHECKPOINT = run_flags(_WHAT, hub=True)
_AVERAGE = average_flag(_WHAT)
_FIGURE = _WHAT.choice("figure", "grid", "what to draw, see above", FIGURES)
_OUTPUT = _WHAT.text(
    "output",
    "",
    "where to write: a .png, .jpg or .webp; for images a directory; for interpolation a .gif, .webp or .mp4; "
    "empty: RUN/figures/FIGURE, or for a network on a hub figures/NAME/FIGURE",
)

_IMAGES = FlagGroup(FLAGS, "Images")
_SEEDS = seeds_flag(_IMAGES, "", "an image belongs to its seed; empty: as many as the figure needs")
_SEED_SOURCE = _IMAGES.choice(
    "seed_source",
    "own",
    "how z is drawn from a seed: as in exports, or by NumPy's RandomState, as the scripts published with StyleGAN do",
    ("own", "numpy"),
)
_CLASSES = _IMAGES.words(
    "classes",
    [],
    "names or numbers of classes, for a run with labels: every seed with every class; empty: a seed's own class",
)
_PSI = psi_flag(_IMAGES)
_CUTOFF = _IMAGES.whole(
    "truncation_cutoff",
    None,
    "number of layers, from the first, that are truncated; 0 for all; empty: the run's own setting",
    least=0,
)
_NOISE = _IMAGES.choice(
    "noise",
    "fixed",
    "The generator's own, the same in every image; each seed's own; no noise",
    ("fixed", "seed", "none"),
)

_LAYOUT = FlagGroup(FLAGS, "Layout")
_COLUMNS = _LAYOUT.whole("columns", 0, "grid: images in a row; 0 for about square", least=0)
_CAPTIONS = _LAYOUT.switch("captions", True, "grid: write each image's seed below it")
_SCALE = _LAYOUT.whole("scale", 0, "whole factor by which figures enlarge images; 0 for a readable one", least=0)

_SINGLE = FlagGroup(FLAGS, "Single figures")
_PSIS = _SINGLE.words("psis", ["1", "0.9", "0.7", "0.5", "0", "-0.5"], "truncation: the columns")
_ROW_SEEDS = _SINGLE.text(
    "row_seeds", "100-102", "style_mixing: seeds of the images on the left, which take styles of --seeds"
)
_STYLES = _SINGLE.words(
    "styles",
    ["coarse", "middle", "fine"],
    "style_mixing: what is taken from --seeds: coarse, middle, fine, or layers such as 0-3",
)
_REALISATIONS = _SINGLE.whole(
    "noise_realisations", 100, "noise: number of noises over which the deviation is computed", least=2
)
_FRAMES = _SINGLE.whole("frames", 30, "interpolation: frames from one seed to the next", least=1)
_FRAME_MS = _SINGLE.whole("frame_ms", 40, "interpolation: milliseconds per frame", least=10)
_SPACE = _SINGLE.choice("space", "w", "interpolation: straight in w, or along an arc in z", ("w", "z"))

_BATCH_SIZE = FlagGroup(FLAGS, "Speed").whole(
    "batch_size", 0, "images at a time; 0 for what suits the resolution", least=0
)


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command; see `app.run`."""
    app.run(main, argv, FLAGS)


def main() -> None:
    """Checks the flags, reads the run, draws and writes."""
    require_run(_RUN_DIR)
    figure = _FIGURE.value
    seeds = parse_seeds(_SEEDS.value or DEFAULT_SEEDS[figure], "--seeds")
    row_seeds = parse_seeds(_ROW_SEEDS.value, "--row_seeds")
    check_psi(_PSI.name, _PSI.value)
    psis = _parse_psis(_PSIS.value)
    output = _checked_output(figure)
    check_networks(_RUN_DIR.value, _CHECKPOINT.value, _AVERAGE.value)
    with app.quiet_startup():  # after the flags: bad ones should not wait for TensorFlow
        from stylegan_tf.cli import drawing
        from stylegan_tf.hub.read import load_networks
        from stylegan_tf.sampling.latents import latents_from_numpy_seeds, latents_from_seeds

    trained = load_networks(_RUN_DIR.value, _CHECKPOINT.value, _AVERAGE.value)
    tell_note("sample", trained.average_note)
    settings = trained.config.run
    cutoff = settings.truncation_cutoff if _CUTOFF.value is None else _CUTOFF.value
    request = drawing.FigureRequest(
        sampler=drawing.Sampler(
            trained.generator,
            _BATCH_SIZE.value or None,
            latents=latents_from_numpy_seeds if _SEED_SOURCE.value == "numpy" else latents_from_seeds,
        ),
        label_names=trained.dataset.label_names,
        output=output,
        seeds=seeds,
        row_seeds=row_seeds,
        classes=_CLASSES.value,
        psi=settings.truncation_psi if _PSI.value is None else _PSI.value,
        psis=psis,
        cutoff=cutoff or None,
        noise=_NOISE.value,
        styles=_STYLES.value,
        columns=_COLUMNS.value or None,
        captions=_CAPTIONS.value,
        scale=_SCALE.value or None,
        realisations=_REALISATIONS.value,
        frames=_FRAMES.value,
        frame_ms=_FRAME_MS.value,
        space=_SPACE.value,
    )
    summary = drawing.draw_figure(figure, request)
    print(f"wrote {output}: {summary}, by {_RUN_DIR.value} at {trained.moment}")


def _checked_output(figure: str) -> Path:
    endings = {"images": (), "interpolation": ANIMATION_ENDINGS}.get(figure, PICTURE_ENDINGS)
    source = _RUN_DIR.value
    folder = Path("figures") / parse_hub_address(source).name if is_hub_address(source) else Path(source) / "figures"
    default = folder / f"{figure}{endings[0] if endings else ''}"
    output = Path(_OUTPUT.value) if _OUTPUT.value else default
    if endings:
        check_picture_file(_OUTPUT.name, output, endings, f" for --figure={figure}")
    else:
        is_picture = output.suffix.lower() in (*PICTURE_ENDINGS, *ANIMATION_ENDINGS)
        require(not is_picture and not output.is_file(), f"--output must be a directory for --figure={figure}", output)
    return output


def _parse_psis(texts: list[str]) -> list[float]:
    try:
        psis = [float(text) for text in texts]
    except ValueError:
        psis = []
    require(bool(psis), "--psis must be numbers such as 1,0.7,0", ",".join(texts) or "nothing")
    for psi in psis:
        check_psi(_PSIS.name, psi)
    return psis


if __name__ == "__main__":
    run()
