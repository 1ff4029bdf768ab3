"""How many threads share an operation on a CPU: what a run asks for is what TensorFlow has."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import tensorflow as tf
from stylegan_tf.training import devices
if "late" in sys.argv:
    tf.zeros([]) + 1.0
devices.set_op_threads(int(sys.argv[1]))
tf.zeros([]) + 1.0
print(tf.config.threading.get_intra_op_parallelism_threads())
"""


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        (["1"], {}, "1"),
        (["0"], {}, "0"),
        (["1", "late"], {}, "0"),
        (["1"], {"TF_NUM_INTRAOP_THREADS": "2"}, "0"),  # TensorFlow reads it where this says 0
    ],
    ids=["one", "as many as cores", "too late", "the environment counts more"],
)
@pytest.mark.slow
def test_threads_of_an_operation(arguments, variables, expected):
    environment = {name: value for name, value in os.environ.items() if name != "TF_NUM_INTRAOP_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**environment, "CUDA_VISIBLE_DEVICES": "-1", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.split() == [expected]
