"""Full products on a device that rounds, which is imitated here: factors lose what TensorFloat-32 does not hold."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.ops import products
from stylegan_tf.ops.products import full_product
from stylegan_tf.ops.target import Target, tracing_for

SHAPES = [((5, 700), (700, 3)), ((4, 5, 70), (4, 70, 3))]
plain_product = tf.matmul


def rounded(x: tf.Tensor) -> tf.Tensor:
    if x.dtype != tf.float32:
        return x
    bits = tf.bitcast(x, tf.int32)
    return tf.bitcast(tf.bitwise.bitwise_and(bits + 2**12, -(2**13)), tf.float32)


@pytest.fixture
def card(monkeypatch):
    """A device with matrix units."""
    monkeypatch.setattr(products, "_products_are_rounded", lambda: current() is not Target.PORTABLE)
    monkeypatch.setattr(tf, "matmul", lambda a, b, **options: plain_product(rounded(a), rounded(b), **options))
    current = products.current_target


def factors(shapes):
    rng = np.random.default_rng(0)
    return [tf.constant(rng.normal(size=shape), tf.float32) for shape in shapes]


def values_and_gradients(product, a, b):
    """First and second order."""
    with tf.GradientTape() as outer:
        outer.watch([a, b])
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            y = product(a, b)
            loss = tf.reduce_sum(tf.square(y))
        first = tape.gradient(loss, [a, b])
        norm = tf.reduce_sum(tf.square(first[0])) + tf.reduce_sum(first[1])
    return [y, *first, *outer.gradient(norm, [a, b])]


@pytest.mark.parametrize("shapes", SHAPES)
def test_a_full_product_loses_nothing_where_a_plain_one_does(card, shapes):
    a, b = factors(shapes)
    exact = values_and_gradients(plain_product, *(tf.cast(x, tf.float64) for x in (a, b)))
    for full, value in zip(values_and_gradients(full_product, a, b), exact, strict=True):
        assert np.max(np.abs(full.numpy() - value.numpy())) < 3e-6 * np.max(np.abs(value))
    assert np.max(np.abs(tf.matmul(a, b).numpy() - exact[0].numpy())) > 5e-5 * np.max(np.abs(exact[0]))


def test_it_is_compiled_alike(card):
    a, b = factors(SHAPES[0])
    compiled = tf.function(full_product, jit_compile=True, autograph=False)(a, b)
    np.testing.assert_allclose(compiled, plain_product(a, b), atol=1e-4)


def test_without_such_units_and_for_other_libraries_it_is_the_plain_product(card, monkeypatch):
    def kinds(a, b):
        graph = tf.function(lambda a, b: full_product(a, b)).get_concrete_function(a, b).graph
        return {operation.type for operation in graph.get_operations()}

    a, b = factors(SHAPES[0])
    assert "ConcatV2" in kinds(a, b)
    with tracing_for(Target.PORTABLE):
        assert "ConcatV2" not in kinds(a, b)
    assert "ConcatV2" not in kinds(tf.cast(a, tf.bfloat16), tf.cast(b, tf.bfloat16))
    monkeypatch.undo()
    assert "ConcatV2" not in kinds(a, b)
