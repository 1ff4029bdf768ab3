"""Checks of inputs inside the graph: a bad value is answered with an error that names it, not with an image."""

from __future__ import annotations

import re
from collections.abc import Mapping

import tensorflow as tf

from stylegan_tf.configuration.sections import LARGEST_PSI

# Far beyond any latent, and its square times any size still fits float32.
LARGEST_VALUE = 1e6
LARGEST_NOISE_STRENGTH = 10.0


def checked(inputs: Mapping[str, tf.Tensor], largest_batch: int, num_classes: int = 0) -> dict[str, tf.Tensor]:
    """The inputs of an endpoint, each depending on its checks, so that nothing is computed from bad values.

    Args:
        inputs: By name; class_id and seeds are int64, the others float32, the first axis the batch.
        largest_batch: Most values that an input may have.
        num_classes: class_id lies below it.

    Returns:
        The same tensors. Running them raises InvalidArgumentError that says which input is wrong and how.
    """
    checks = _batch_checks(inputs, largest_batch)
    for name, value in inputs.items():
        if name == "truncation_psi":
            fine = tf.abs(value) <= LARGEST_PSI  # false for NaN
            expected = f"truncation_psi must be between -{LARGEST_PSI:g} and {LARGEST_PSI:g}"
        elif name == "noise_strength":
            fine = (value >= 0) & (value <= LARGEST_NOISE_STRENGTH)
            expected = f"noise_strength must be between 0 and {LARGEST_NOISE_STRENGTH:g}"
        elif name == "class_id":
            fine = (value >= 0) & (value < num_classes)
            expected = f"class_id must be between 0 and {num_classes - 1}"
        elif value.dtype.is_floating:
            fine = tf.abs(value) <= LARGEST_VALUE
            expected = f"{name} must hold finite numbers, none larger than {LARGEST_VALUE:g}"
        else:
            continue
        wrong = tf.boolean_mask(value, ~fine)
        checks.append(tf.debugging.Assert(tf.reduce_all(fine), [f"{expected}. Received:", wrong], summarize=4))
    with tf.control_dependencies(checks):
        return {name: tf.identity(value) for name, value in inputs.items()}


def _batch_checks(inputs: Mapping[str, tf.Tensor], largest_batch: int) -> list[tf.Operation]:
    """One value of every input for each image: a single psi would otherwise be stretched over the batch.

    TensorFlow's fused convolutions give no images a wrong number of channels, so an empty batch is refused.
    """
    (first_name, first), *others = inputs.items()
    size = tf.shape(first)[0]
    return [
        tf.debugging.Assert(size > 0, [f"{first_name} must have at least one value. Received: none."]),
        tf.debugging.Assert(
            size <= largest_batch, [f"{first_name} must have at most {largest_batch} values. Received:", size]
        ),
    ] + [
        tf.debugging.Assert(
            tf.shape(other)[0] == size,
            [
                f"{name} must have as many values as {first_name} has. Received ({name}, {first_name}):",
                tf.shape(other)[0],
                size,
            ],
        )
        for name, other in others
    ]


def refusal(message: str) -> str:
    """What a check said, such as "z must hold finite numbers ... Received: [nan]"; other messages' last line.

    Args:
        message: Of the error that the graph raised, or what a process that ran it printed.
    """
    said = re.findall(r"assertion failed: \[([^\]]*)\] ?(.*)", message)
    return " ".join(said[-1]).strip() if said else message.strip().splitlines()[-1]
