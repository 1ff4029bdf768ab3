"""Trains a StyleGAN.

stylegan-tf train                             emoji portraits at 32x32, about a quarter of an hour on two CPU cores
stylegan-tf train --data=DIR --run_dir=RUN    any directory of pictures; the same command again resumes
stylegan-tf train --data=DIR --dry_run        the plan alone
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from absl import flags

from stylegan_tf.cli import app
from stylegan_tf.cli.compiled_code import keep_compiled_code
from stylegan_tf.cli.config_flags import config_from_flags, define_config_flags
from stylegan_tf.cli.early_checks import check_early
from stylegan_tf.cli.flags import FlagGroup
from stylegan_tf.training.cores import use_cores

FLAGS = flags.FlagValues()

define_config_flags(FLAGS)
_DRY_RUN = FlagGroup(FLAGS, "Preset").switch("dry_run", False, "print the plan and stop")


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command; see `app.run`."""
    app.run(main, argv, FLAGS)


def main() -> int:
    """Configuration from the flags, then the run; returns the exit code."""
    config = config_from_flags(FLAGS)
    check_early(config)
    use_cores(config)
    with app.quiet_startup():  # after the flags: bad ones should not wait for TensorFlow
        if config.run.jit_compile != "off":
            keep_compiled_code(config.data.cache_dir, on_cpu=config.run.jit_compile == "on")
        from stylegan_tf.training.run import run_training

    return run_training(config, dry_run=_DRY_RUN.value)


if __name__ == "__main__":
    run()
