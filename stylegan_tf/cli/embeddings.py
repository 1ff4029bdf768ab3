"""Shows the latent space of a training run in TensorBoard's projector: w of many seeds, each as its image.

stylegan-tf embeddings --run_dir=RUN
tensorboard --logdir=RUN/tensorboard        then choose Projector in the menu at the right
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NoReturn

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.early_checks import check_run
from stylegan_tf.cli.flags import FlagGroup, check_psi, psi_flag, require_run, run_flags, seeds_flag
from stylegan_tf.errors import require
from stylegan_tf.sampling.seeds import MOST_POINTS, parse_seeds

FLAGS = flags.FlagValues()

_GROUP = FlagGroup(FLAGS)
_RUN_DIR, _CHECKPOINT = run_flags(_GROUP)
_SEEDS = seeds_flag(_GROUP, "0-511", "with labels, each has its own class")
_PSI = psi_flag(_GROUP, "w and the images")


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command; see `app.run`."""
    app.run(main, argv, FLAGS)


def main() -> None:
    """Checks the flags, reads the run, draws and writes."""
    require_run(_RUN_DIR)
    seeds = parse_seeds(_SEEDS.value, "--seeds")
    check_psi(_PSI.name, _PSI.value)
    require(len(seeds) <= MOST_POINTS, f"--seeds must be at most {MOST_POINTS}", f"{len(seeds)} of them")
    check_run(_RUN_DIR.value)
    with app.quiet_startup():  # after the flags: bad ones should not wait for TensorFlow
        from stylegan_tf.runs.directory import RunDirectory
        from stylegan_tf.runs.load import load_run
        from stylegan_tf.sampling.embeddings import write_embeddings
        from stylegan_tf.sampling.sampler import Sampler

    trained = load_run(_RUN_DIR.value, _CHECKPOINT.value)
    settings = trained.config.run
    psi = settings.truncation_psi if _PSI.value is None else _PSI.value
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
    run()
