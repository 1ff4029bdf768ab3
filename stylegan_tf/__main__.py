"""`python -m stylegan_tf`: the command `stylegan-tf`, without being installed."""

import sys

from stylegan_tf.cli.command import main

if __name__ == "__main__":
    main(sys.argv[1:])
