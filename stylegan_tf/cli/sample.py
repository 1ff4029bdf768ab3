"""Draws images and figures with the averaged generator of a training run.

  python -m stylegan_tf.cli.sample --run_dir=RUN
  python -m stylegan_tf.cli.sample --run_dir=RUN --seeds=0-63 --truncation_psi=0.7 --output=grid.png
  python -m stylegan_tf.cli.sample --run_dir=RUN --figure=interpolation --seeds=1,5,9 --output=loop.webp

Figures:
  grid            all images in one picture
  images          one PNG file an image, as it is
  truncation      one column for each of --psis
  style_mixing    some layers' styles of one image with the rest of another
  noise           an image with other noise, and how much each pixel varies
  interpolation   an animation from seed to seed and back to the first
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.errors import require
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
LARGEST_PSI = 2.0

FLAGS = flags.FlagValues()


def _flag(
    define: Callable[..., Any], section: str, name: str, default: Any, text: str, **options: Any
) -> flags.FlagHolder[Any]:
    return define(name=name, default=default, help=text, flag_values=FLAGS, module_name=section, **options)


_RUN_DIR = _flag(flags.DEFINE_string, "What", "run_dir", "", "directory of a training run")
_CHECKPOINT = _flag(
    flags.DEFINE_string,
    "What",
    "checkpoint",
    "newest",
    "of the run: newest, best (by the first metric that training measured), or one that is kept, by its kimg",
)
_FIGURE = _flag(flags.DEFINE_enum, "What", "figure", "grid", "what to draw, see above", enum_values=FIGURES)
_OUTPUT = _flag(
    flags.DEFINE_string,
    "What",
    "output",
    "",
    "where to write: a .png; for images a directory; for interpolation a .gif or .webp; empty: RUN/figures/FIGURE",
)
_SEEDS = _flag(
    flags.DEFINE_string,
    "Images",
    "seeds",
    "",
    "such as 0-63 or 1,5,9-12; an image belongs to its seed; empty: some, as the figure needs",
)
_SEED_SOURCE = _flag(
    flags.DEFINE_enum,
    "Images",
    "seed_source",
    "own",
    "what draws z for a seed: as exports do; or as NumPy's RandomState does, which the scripts published with "
    "StyleGAN name images by",
    enum_values=("own", "numpy"),
)
_CLASSES = _flag(
    flags.DEFINE_list,
    "Images",
    "classes",
    [],
    "names or numbers of classes, for a run with labels: every seed with every class; empty: a seed's own class",
)
_PSI = _flag(
    flags.DEFINE_float,
    "Images",
    "truncation_psi",
    None,
    "from -2 to 2: 1 for all the variety, towards 0 for the average; empty: the run's own setting",
)
_CUTOFF = _flag(
    flags.DEFINE_integer,
    "Images",
    "truncation_cutoff",
    None,
    "layers, from the first, that are truncated; 0 for all; empty: the run's own setting",
    lower_bound=0,
)
_NOISE = _flag(
    flags.DEFINE_enum,
    "Images",
    "noise",
    "fixed",
    "The generator's own, the same in every image; each seed's own; no noise",
    enum_values=("fixed", "seed", "none"),
)
_COLUMNS = _flag(
    flags.DEFINE_integer, "Layout", "columns", 0, "grid: images in a row; 0 for about square", lower_bound=0
)
_CAPTIONS = _flag(flags.DEFINE_bool, "Layout", "captions", True, "grid: write each image's seed below it")
_SCALE = _flag(
    flags.DEFINE_integer,
    "Layout",
    "scale",
    0,
    "whole factor by which images in figures are enlarged; 0 for what is readable",
    lower_bound=0,
)
_PSIS = _flag(
    flags.DEFINE_list, "Single figures", "psis", ["1", "0.9", "0.7", "0.5", "0", "-0.5"], "truncation: the columns"
)
_ROW_SEEDS = _flag(
    flags.DEFINE_string,
    "Single figures",
    "row_seeds",
    "100-102",
    "style_mixing: the images on the left, which --seeds lend their styles to",
)
_STYLES = _flag(
    flags.DEFINE_list,
    "Single figures",
    "styles",
    ["coarse", "middle", "fine"],
    "style_mixing: what is taken from --seeds: coarse, middle, fine, or layers such as 0-3",
)
_REALISATIONS = _flag(
    flags.DEFINE_integer,
    "Single figures",
    "noise_realisations",
    100,
    "noise: noises that the deviation is taken over",
    lower_bound=2,
)
_FRAMES = _flag(
    flags.DEFINE_integer,
    "Single figures",
    "frames",
    30,
    "interpolation: frames from one seed to the next",
    lower_bound=1,
)
_FRAME_MS = _flag(
    flags.DEFINE_integer, "Single figures", "frame_ms", 40, "interpolation: milliseconds of a frame", lower_bound=10
)
_SPACE = _flag(
    flags.DEFINE_enum,
    "Single figures",
    "space",
    "w",
    "interpolation: straight in w, or along an arc in z",
    enum_values=("w", "z"),
)
_BATCH_SIZE = _flag(
    flags.DEFINE_integer, "Speed", "batch_size", 0, "images at a time; 0 for what suits the resolution", lower_bound=0
)


def main() -> None:
    """Checks the flags, reads the run, draws and writes."""
    require(bool(_RUN_DIR.value), "--run_dir must be the directory of a training run", "nothing")
    figure = _FIGURE.value
    seeds = parse_seeds(_SEEDS.value or DEFAULT_SEEDS[figure], "--seeds")
    row_seeds = parse_seeds(_ROW_SEEDS.value, "--row_seeds")
    if _PSI.value is not None:
        _check_psi("--truncation_psi", _PSI.value)
    psis = _parse_psis(_PSIS.value)
    output = _checked_output(figure)
    with app.quiet_startup():  # after the flags: bad ones should not wait for TensorFlow
        from stylegan_tf.cli import drawing
        from stylegan_tf.runs.load import load_run
        from stylegan_tf.sampling.latents import latents_from_numpy_seeds, latents_from_seeds

    trained = load_run(_RUN_DIR.value, _CHECKPOINT.value)
    settings = trained.config.run
    cutoff = settings.truncation_cutoff if _CUTOFF.value is None else _CUTOFF.value
    request = drawing.Request(
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
    summary = drawing.draw(figure, request)
    print(f"wrote {output}: {summary}, by {_RUN_DIR.value} at {trained.images_seen / 1000:g} kimg")


def _checked_output(figure: str) -> Path:
    endings = {"images": (), "interpolation": (".gif", ".webp")}.get(figure, (".png",))
    default = Path(_RUN_DIR.value) / "figures" / f"{figure}{endings[0] if endings else ''}"
    output = Path(_OUTPUT.value) if _OUTPUT.value else default
    if endings:
        require(
            output.suffix.lower() in endings and not output.is_dir(),
            f"--output must be a file that ends in {' or '.join(endings)} for --figure={figure}",
            output,
        )
    else:
        is_picture = output.suffix.lower() in (".png", ".gif", ".webp", ".jpg", ".jpeg")
        require(not is_picture and not output.is_file(), f"--output must be a directory for --figure={figure}", output)
    return output


def _check_psi(name: str, psi: float) -> None:
    require(-LARGEST_PSI <= psi <= LARGEST_PSI, f"{name} must lie between -{LARGEST_PSI:g} and {LARGEST_PSI:g}", psi)


def _parse_psis(texts: list[str]) -> list[float]:
    try:
        psis = [float(text) for text in texts]
    except ValueError:
        psis = []
    require(bool(psis), "--psis must be numbers such as 1,0.7,0", ",".join(texts) or "nothing")
    for psi in psis:
        _check_psi("--psis", psi)
    return psis


if __name__ == "__main__":
    app.run(main, flag_values=FLAGS)
