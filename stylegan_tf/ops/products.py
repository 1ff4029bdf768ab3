"""Matrix products that stay float32 on devices whose matrix units round float32 to TensorFloat-32."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from keras import KerasTensor as Tensor
from keras import ops

from stylegan_tf.ops.target import Target, current_target

_KEPT_BITS = -(2**13)  # of a float32's 32 bits: TensorFloat-32 has ten of the mantissa's 23


def full_product(a: Tensor, b: Tensor) -> Tensor:
    """A product in float32 to its rounding, whatever precision large products and convolutions are allowed.

    For what is float32 in every policy since ten bits of mantissa are too few: the mapping network, styles,
    demodulation, and the augmentation's filters. Other products go by `--tf32`.

    Each factor is split into what TensorFloat-32 holds exactly and the rest, of which the units' own rounding costs
    2^-22. Where nothing rounds, this is the plain product.

    Args:
        a: [..., M, K].
        b: [..., K, N], of the same rank and leading sizes.

    Returns:
        [..., M, N].
    """
    if not tf.is_tensor(a) or not tf.is_tensor(b) or a.dtype != tf.float32 or not _products_are_rounded():
        return ops.matmul(a, b)
    return _split_product(a, b)


def _products_are_rounded() -> bool:
    return (
        current_target() is not Target.PORTABLE
        and tf.config.experimental.tensor_float_32_execution_enabled()
        and bool(tf.config.list_physical_devices("GPU"))
    )


@tf.custom_gradient
def _split_product(a: tf.Tensor, b: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return (
            _split_product(upstream, tf.linalg.matrix_transpose(b)),
            _split_product(tf.linalg.matrix_transpose(a), upstream),
        )

    (a_large, a_small), (b_large, b_small) = _parts(a), _parts(b)
    first, second = tf.concat([a_large, a_large, a_small], -1), tf.concat([b_large, b_small, b_large], -2)
    return tf.matmul(first, second), gradient


def _parts(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    large = tf.bitcast(tf.bitwise.bitwise_and(tf.bitcast(x, tf.int32), _KEPT_BITS), tf.float32)
    return large, x - large
