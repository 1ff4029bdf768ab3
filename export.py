"""Writes the averaged generator of a run as a SavedModel for TensorFlow Serving; the same as `stylegan-tf export`.

python export.py --run_dir=RUN --output_dir=EXPORT    writes EXPORT/1, the next time EXPORT/2
python export.py --help                               all settings
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # also where Python is told not to look beside the script

from stylegan_tf.invocation import check_installed

if __name__ == "__main__":
    check_installed()
    from stylegan_tf.cli import export

    export.run()
