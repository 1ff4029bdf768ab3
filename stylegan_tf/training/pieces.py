"""A phase's result, added up from pieces of the batch: for want of memory, or for the sake of cores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import tensorflow as tf

from stylegan_tf.errors import UserError
from stylegan_tf.training.gradients import PhaseResult

Compute = Callable[..., Any]  # a PhaseResult of a fade-in and of what has one row an image; a `tf.function` under XLA


def accumulate(compute: Compute, fade_in: tf.Tensor, inputs: Any, limit: int) -> PhaseResult:
    """Sums results over pieces of the batch that fit the device, one after the other.

    Args:
        compute: Of one piece.
        fade_in: Scalar.
        inputs: What else it is computed of, [N, ...] each, or None.
        limit: Images that fit.

    Raises:
        UserError: When the batch does not divide into equal pieces.
    """
    batch = tf.nest.flatten(inputs)[0].shape[0]
    pieces = -(-batch // limit)
    if pieces == 1:
        return cast(PhaseResult, compute(fade_in, *inputs))
    if batch % pieces:
        raise UserError(
            f"a device's batch must divide into equal pieces of at most max_batch_per_device. Received: batch "
            f"{batch}, max_batch_per_device={limit}; choose a divisor of {batch}."
        )
    by_piece = _map(lambda x: tf.reshape(x, [pieces, batch // pieces, *x.shape[1:]]), inputs)
    # The loop's body is a graph of its own, for which a function would be traced again.
    traced = tf.function(compute, autograph=False).get_concrete_function(fade_in, *_map(lambda x: x[0], by_piece))

    def piece(index: tf.Tensor) -> PhaseResult:
        return cast(PhaseResult, traced(fade_in, *_map(lambda x: x[index], by_piece)))

    def add(index: tf.Tensor, sums: Any) -> tuple[tf.Tensor, Any]:
        return index + 1, tf.nest.map_structure(tf.add, sums, piece(index))

    first = piece(tf.constant(0))
    with tf.control_dependencies([first.gradient]):
        second = tf.constant(1)
    loop = tf.while_loop(lambda index, _: index < pieces, add, (second, first), parallel_iterations=1)
    return cast(PhaseResult, loop[1])


def in_parts(compute: Compute, parts_at_once: Callable[[int], int]) -> Compute:
    """The same function, of parts of its images that the cores of a device compute at the same time.

    A part has every so manieth image, so that groups of the minibatch statistic are those of the whole.

    Args:
        compute: Of one part.
        parts_at_once: How many of so many images.
    """
    traced_once = tf.function(compute, autograph=False)

    def compute_parts(fade_in: tf.Tensor, *inputs: Any) -> PhaseResult:
        count = parts_at_once(tf.nest.flatten(inputs)[0].shape[0])
        if count == 1:
            return cast(PhaseResult, compute(fade_in, *inputs))

        def part(index: int) -> PhaseResult:
            return cast(PhaseResult, traced_once(fade_in, *_map(lambda x: x[index::count], inputs)))

        results = map(part, range(count))
        return cast(PhaseResult, tf.nest.map_structure(lambda *shares: tf.add_n(shares), *results))

    return compute_parts


def _map(change: Callable[..., tf.Tensor], inputs: Any) -> Any:
    return tf.nest.map_structure(lambda x: None if x is None else change(x), inputs)
