"""Functions that run in batches of one size, whatever they are called with."""

import sys

import numpy as np
import pytest
import tensorflow as tf
import warm_python

from stylegan_tf.batches import BatchFunction


@pytest.mark.parametrize("count", [1, 3, 4, 5, 11])
def test_rows_come_back_in_order_and_none_is_added(count):
    sizes = []

    def double(x, y):
        sizes.append(x.shape[0])
        return x * 2.0, y

    rows = np.arange(count, dtype=np.float32)[:, None]
    parts = list(BatchFunction(double, 4)(rows, rows + 1))
    np.testing.assert_array_equal(np.concatenate([first for first, _ in parts]), 2 * rows)
    np.testing.assert_array_equal(np.concatenate([second for _, second in parts]), rows + 1)
    assert sizes == [4]  # traced once, at one size


@pytest.mark.parametrize("arrays", [[np.zeros([0, 2])], [np.zeros([3, 2]), np.zeros([2, 2])]])
def test_no_rows_and_unequal_arrays_are_refused(arrays):
    with pytest.raises(ValueError, match="as many of every input"):
        BatchFunction(lambda *x: x[0], 2)(*arrays)


def test_a_row_is_the_same_whatever_the_number_of_rows():
    weights = tf.random.stateless_normal([64, 64], [1, 2])
    function = BatchFunction(lambda x: tf.tanh(x @ weights), 16)
    rows = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)
    whole = function.whole(rows)
    np.testing.assert_array_equal(function.whole(rows[15:16]), whole[15:16])
    np.testing.assert_array_equal(function.whole(rows[3:34]), whole[3:34])


TWO_DEVICES = """
import numpy as np, tensorflow as tf
from stylegan_tf.batches import BatchFunction
from stylegan_tf.training.devices import choose_strategy

strategy = choose_strategy(2)
with strategy.scope():
    weights = tf.Variable(tf.random.stateless_normal([16, 16], [1, 2]), trainable=False)
devices = set()

def function(x):
    devices.add(weights.read_value().device)
    return x @ weights, x[:, 0]

rows = np.random.default_rng(0).normal(size=(23, 16)).astype(np.float32)
one = list(BatchFunction(function, 4)(rows))
devices.clear()
two = list(BatchFunction(function, 4, strategy)(rows))
assert len(devices) == 2, devices
assert [len(part[0]) for part in two] == [8, 8, 7]
for place in (0, 1):
    a, b = (np.concatenate([part[place] for part in parts]) for parts in (one, two))
    np.testing.assert_array_equal(a, b)
print("equal")
"""


@pytest.mark.slow
def test_two_devices_share_the_rows_and_change_nothing():
    result = warm_python.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == "equal", result.stderr
