"""Trains a StyleGAN; the same as the command `stylegan-tf train`.

python train.py                             emoji portraits at 32x32, about a quarter of an hour on two CPU cores
python train.py --data=DIR --run_dir=RUN    any directory of images
python train.py --help                      all settings
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # also where Python is told not to look beside the script

from stylegan_tf.invocation import check_installed

if __name__ == "__main__":
    check_installed()
    from stylegan_tf.cli import train

    train.run()
