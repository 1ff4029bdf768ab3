"""Trains a StyleGAN.

python train.py                             emoji portraits at 32x32, about a quarter of an hour on two CPU cores
python train.py --data=DIR --run_dir=RUN    any directory of images
python train.py --help                      all settings
"""

import sys
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).parent))  # also where Python is told not to look beside the script

from stylegan_tf.cli import app
from stylegan_tf.cli.compiled_code import keep_compiled_code
from stylegan_tf.cli.config_flags import config_from_flags, define_config_flags

_DRY_RUN = flags.DEFINE_bool("dry_run", False, "print the plan and stop", module_name="Preset")


def main() -> int:
    """Configuration from the flags, then the run; returns the exit code."""
    config = config_from_flags()
    with app.quiet_startup():  # after the flags: bad ones should not wait for TensorFlow
        if config.run.jit_compile != "off":
            keep_compiled_code(config.data.cache_dir, on_cpu=config.run.jit_compile == "on")
        from stylegan_tf.training.run import run_training

    return run_training(config, dry_run=_DRY_RUN.value)


if __name__ == "__main__":
    define_config_flags()
    app.run(main)
