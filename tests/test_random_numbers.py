"""What a test draws does not depend on the tests before it, though what TensorFlow has prepared is kept for it."""

import numpy as np
import pytest
import tensorflow as tf

draws = []


@tf.function
def draw_in_a_graph():
    return tf.random.normal([3])


def draw(graph):
    drawn = draw_in_a_graph() if graph else tf.random.normal([3])
    return np.concatenate([drawn, tf.random.uniform([2], seed=3), np.random.normal(size=2)])


@pytest.mark.parametrize("graph", [False, False, True, True, False], ids=["one", "two", "three", "four", "five"])
def test_every_test_draws_the_same(graph):
    draws.append((graph, draw(graph)))
    first = next(drawn for kind, drawn in draws if kind == graph)
    np.testing.assert_array_equal(draws[-1][1], first)
    assert np.any(draw(graph) != first)
