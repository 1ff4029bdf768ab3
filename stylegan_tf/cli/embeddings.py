"""Shows the latent space of a training run in TensorBoard's projector: w of many seeds, each as its image.

python -m stylegan_tf.cli.embeddings --run_dir=RUN
tensorboard --logdir=RUN/tensorboard        then choose Projector in the menu at the right
"""

from __future__ import annotations

import shlex

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.errors import require
from stylegan_tf.sampling.seeds import parse_seeds

LARGEST_PSI = 2.0

FLAGS = flags.FlagValues()

_RUN_DIR = flags.DEFINE_string("run_dir", "", "directory of a training run", flag_values=FLAGS)
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    "newest",
    "of the run: newest, best (by the first metric that training measured), or one that is kept, by its kimg",
    flag_values=FLAGS,
)
_SEEDS = flags.DEFINE_string("seeds", "0-511", "such as 0-511; with labels, each has its own class", flag_values=FLAGS)
_PSI = flags.DEFINE_float(
    "truncation_psi",
    None,
    "of w and the images, from -2 to 2: 1 for all the variety; empty: the run's own setting",
    flag_values=FLAGS,
)


def main() -> None:
    """Checks the flags, reads the run, draws and writes."""
    require(bool(_RUN_DIR.value), "--run_dir must be the directory of a training run", "nothing")
    seeds = parse_seeds(_SEEDS.value, "--seeds")
    psi = _PSI.value
    require(
        psi is None or -LARGEST_PSI <= psi <= LARGEST_PSI,
        f"--truncation_psi must lie between -{LARGEST_PSI:g} and {LARGEST_PSI:g}",
        psi,
    )
    with app.quiet_startup():  # after the flags: bad ones should not wait for TensorFlow
        from stylegan_tf.runs.directory import RunDirectory
        from stylegan_tf.runs.load import load_run
        from stylegan_tf.sampling.embeddings import MOST_POINTS, write_embeddings
        from stylegan_tf.sampling.sampler import Sampler

    require(len(seeds) <= MOST_POINTS, f"--seeds must be at most {MOST_POINTS}", f"{len(seeds)} of them")
    trained = load_run(_RUN_DIR.value, _CHECKPOINT.value)
    settings = trained.config.run
    psi = settings.truncation_psi if psi is None else psi
    sampler = Sampler(trained.generator)
    folder = RunDirectory(_RUN_DIR.value).tensorboard
    cutoff = settings.truncation_cutoff or None
    written = write_embeddings(sampler, seeds, trained.dataset.label_names, psi, cutoff, folder)
    logs = shlex.quote(str(written.parent))
    print(
        f"wrote {written}: {len(seeds)} points, truncation psi {psi:g}, by {_RUN_DIR.value} at "
        f"{trained.images_seen / 1000:g} kimg\nNext: tensorboard --logdir={logs}   and choose Projector"
    )


if __name__ == "__main__":
    app.run(main, flag_values=FLAGS)
