"""Running a TensorFlow function over arrays of any length, in batches of one size, on every device of a strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from stylegan_tf.errors import UserError


class BatchFunction:
    """A compiled function of tensors [size, ...] that is called with arrays [N, ...].

    Networks always run on batches of the same size, the last one filled up, since matrix products round differently in
    batches of other sizes: a row's result depends on that row alone, whatever the number of rows and devices. Its place
    among the rows must not matter either. Kernels take several rows at a time, 6 where a processor has AVX2 and no
    AVX-512, and some round the last one or two otherwise: 4, 16, 24, 48 and 64 rows leave no such rest, 8 and 32 do.

    Args:
        function: Takes tensors and returns a tensor, or a structure of tensors, whose first axis is that of its inputs.
        size: Rows that each device takes at a time, at least 1.
        strategy: Its devices share the rows; None for the current device alone.
    """

    def __init__(self, function: Callable[..., Any], size: int, strategy: tf.distribute.Strategy | None = None) -> None:
        self.size = size
        self._strategy = strategy or tf.distribute.get_strategy()
        self._replicas = 1 if strategy is None else strategy.num_replicas_in_sync
        self._function = function
        self._compiled = tf.function(self._on_every_device if self._replicas > 1 else function, autograph=False)

    def __call__(self, *arrays: np.ndarray) -> Iterator[Any]:
        """Yields the results in order, as arrays, a batch of every device at a time.

        Raises:
            ValueError: When there are no rows, or not as many of every array.
        """
        count = len(arrays[0])
        if not count or any(len(array) != count for array in arrays):
            raise UserError(f"there must be images, and as many of every input. Received: {[len(a) for a in arrays]}.")
        return self._generate(count, arrays)

    def whole(self, *arrays: np.ndarray) -> np.ndarray:
        """The results of a function with one output, joined to one array."""
        return np.concatenate(list(self(*arrays)))

    def _generate(self, count: int, arrays: tuple[np.ndarray, ...]) -> Iterator[Any]:
        step = self.size * self._replicas
        for start in range(0, count, step):
            rows = np.minimum(np.arange(start, start + step), count - 1)
            outputs = self._run([array[rows] for array in arrays])
            yield tf.nest.map_structure(lambda output: output[: count - start], outputs)  # noqa: B023, used at once

    def _run(self, batches: list[np.ndarray]) -> Any:
        if self._replicas == 1:
            return tf.nest.map_structure(np.asarray, self._compiled(*map(tf.constant, batches)))
        spread = [
            self._strategy.experimental_distribute_values_from_function(
                lambda context, batch=batch: tf.constant(self._share(batch, context.replica_id_in_sync_group))
            )
            for batch in batches
        ]
        outputs = self._compiled(*spread)
        return tf.nest.map_structure(
            lambda output: np.concatenate([np.asarray(o) for o in self._strategy.experimental_local_results(output)]),
            outputs,
        )

    def _share(self, batch: np.ndarray, replica: int) -> np.ndarray:
        return batch[replica * self.size : (replica + 1) * self.size]

    def _on_every_device(self, *spread: Any) -> Any:
        return self._strategy.run(self._function, args=spread)
