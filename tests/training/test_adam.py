"""The fused Adam against Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.training.adam import Adam

SHAPES = [(3, 3, 5, 7), (7,), (), (64, 32)]
SETTINGS = [{"beta_1": 0.0, "beta_2": 0.99, "epsilon": 1e-8}, {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}]
STEPS = 100


def variables():
    random = np.random.default_rng(3)
    values = [random.normal(size=shape).astype(np.float32) for shape in SHAPES]
    return [keras.Variable(value, name=f"v{number}") for number, value in enumerate(values)]


def gradients(step):
    random = np.random.default_rng(step)
    # Sizes from step to step and from variable to variable are far apart, as those of a penalised critic are.
    return [tf.constant(random.normal(size=shape) * 10.0 ** random.integers(-6, 3), tf.float32) for shape in SHAPES]


def trained(optimizer, values, steps=STEPS):
    optimizer.build(values)

    @tf.function(autograph=False)
    def apply(*grads):
        optimizer.apply(list(grads), values)

    for step in range(steps):
        optimizer.learning_rate = 0.002 if step < steps // 2 else 0.0005
        apply(*gradients(step))
    return optimizer, values


def assert_equal_numbers(one, other):
    for mine, keras_own in zip(one, other, strict=True):
        # Each step rounds once in every variable of size one: a hundred times 6e-8 at the most.
        np.testing.assert_allclose(mine.numpy(), keras_own.numpy(), rtol=2e-5, atol=6e-6)


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_hundred_steps_equal_keras(settings):
    mine, my_values = trained(Adam(0.002, **settings, name="adam"), variables())
    keras_own, keras_values = trained(keras.optimizers.Adam(0.002, **settings, name="adam"), variables())
    assert [v.path for v in mine.variables] == [v.path for v in keras_own.variables]
    assert_equal_numbers(my_values, keras_values)
    assert_equal_numbers(mine.variables, keras_own.variables)


def test_loss_scaling_leaves_out_what_overflows():
    values = variables()
    before = [value.numpy() for value in values]
    optimizer = keras.optimizers.LossScaleOptimizer(Adam(0.002))
    optimizer.build(values)
    optimizer.apply([tf.fill(shape, np.inf) for shape in SHAPES], values)
    for value, old in zip(values, before, strict=True):
        np.testing.assert_array_equal(value.numpy(), old)
    scaled = [gradient * optimizer.dynamic_scale for gradient in gradients(0)]
    optimizer.apply(scaled, values)
    expected = variables()
    plain = keras.optimizers.Adam(0.002)
    plain.build(expected)
    plain.apply(gradients(0), expected)
    assert_equal_numbers(values, expected)


@pytest.mark.slow
def test_accumulated_gradients_equal_keras():
    settings = {"gradient_accumulation_steps": 4, "name": "adam"}
    mine, my_values = trained(Adam(0.002, **settings), variables(), 12)
    keras_own, keras_values = trained(keras.optimizers.Adam(0.002, **settings), variables(), 12)
    assert_equal_numbers(my_values, keras_values)
    assert_equal_numbers(mine.variables, keras_own.variables)


def test_an_update_is_one_operation_a_variable():
    values = variables()
    optimizer = Adam(0.002)
    optimizer.build(values)
    graph = tf.function(lambda *grads: optimizer.apply(list(grads), values)).get_concrete_function(*gradients(0)).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == len(SHAPES)
    assert kinds.count("Pow") == 2
    assert not {"Sqrt", "RealDiv", "AssignSubVariableOp"} & set(kinds)


def test_what_the_operation_does_not_have_is_refused():
    with pytest.raises(ValueError, match="amsgrad must be False"):
        Adam(0.002, amsgrad=True)
