"""Keras' Adam, with one operation for each variable's update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from stylegan_tf.errors import UserError


class Adam(keras.optimizers.Adam):
    """Keras' Adam in TensorFlow's fused operation: the same variables, names and numbers, to float32 rounding.

    Keras writes an update in fifteen small operations, each of which costs a launch: for networks of many small
    variables most of a step's time. Loss scaling, accumulation and distribution are Keras' own.

    Args:
        factors: Of the learning rate, for each variable by its path; None for the same rate everywhere.

    Raises:
        ValueError: For `amsgrad`, which the operation does not have.

    Reference: Kingma and Ba 2015, section 2, the formulation just before section 2.1.
    """

    def __init__(self, *args: Any, factors: Callable[[str], float] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._factors = factors
        if self.amsgrad:
            raise UserError("amsgrad must be False; use keras.optimizers.Adam. Received: amsgrad=True.")

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        # Computed once for all variables, and handed through Keras' distribution as part of the learning rate.
        step = ops.cast(self.iterations + 1, "float32")
        rate, beta_1, beta_2, epsilon = (
            ops.cast(value, "float32") for value in (learning_rate, self.beta_1, self.beta_2, self.epsilon)
        )
        shared = (rate, ops.power(beta_1, step), ops.power(beta_2, step), beta_1, beta_2, epsilon)
        super()._backend_update_step(grads, trainable_variables, shared)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable; `learning_rate` is that of `_backend_update_step`, with what goes with it."""
        rate, *others = (ops.cast(value, variable.dtype) for value in learning_rate)
        beta_1_power, beta_2_power, beta_1, beta_2, epsilon = others
        index = self._get_variable_index(variable)
        if self._factors is not None:
            rate *= self._factors(self._trainable_variables[index].path)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=epsilon,
            grad=ops.cast(gradient, variable.dtype),
        )
