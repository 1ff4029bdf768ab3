"""Zero insertion, padding, correlation with a filter and decimation, in the form that suits what runs it.

A linear map whose transpose is one of the same kind, with both factors exchanged and the filter mirrored (Karras et al.
2020, StyleGAN2, appendix B): so slices have slices for gradients, of every order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor as Tensor
from keras import ops

from stylegan_tf.ops.target import Target, current_target

# Smaller images are not worth a function of their own, which takes a tenth of a second to be compiled.
LEAST_PIXELS = 1024

Padding2D = tuple[tuple[int, int], tuple[int, int]]


class FIR(NamedTuple):
    """What is done to images [N, H, W, C]; pairs are for the height and for the width.

    Attributes:
        kernel: [kh][kw] numbers, as they are multiplied with the pixels in their order.
        up: Up - 1 zeros are inserted behind every pixel.
        down: Every down-th pixel is kept.
        padding: Zeros around the image after the insertion; negative numbers crop.
    """

    kernel: tuple[tuple[float, ...], ...]
    up: tuple[int, int]
    down: tuple[int, int]
    padding: Padding2D

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return len(self.kernel), len(self.kernel[0])

    def output_size(self, size: Sequence[int]) -> list[int]:
        """Height and width of what becomes of an image."""
        return [
            (pixels * up + sum(padding) - taps) // down + 1
            for pixels, up, down, padding, taps in zip(size, self.up, self.down, self.padding, self.size, strict=True)
        ]

    def transposed(self, size: Sequence[int]) -> FIR:
        """The transposed map of that of images of a size, which leads back to this size."""
        paddings = []
        axes = zip(size, self.output_size(size), self.up, self.down, self.padding, self.size, strict=True)
        for pixels, result, up, down, (before, _), taps in axes:
            paddings.append((taps - 1 - before, pixels * up - result * down + before - up + 1))
        mirrored = tuple(row[::-1] for row in self.kernel[::-1])
        return FIR(mirrored, self.down, self.up, (paddings[0], paddings[1]))


def apply_fir(x: Tensor, fir: FIR) -> Tensor:
    """Applies the map to images.

    Args:
        x: [N, H, W, C] with static H, W and C.
        fir: The map.

    Returns:
        [N, H', W', C] of the type of `x`; sums are taken in float32, but where a convolution in bfloat16 does.
    """
    target = current_target()
    if target is Target.PORTABLE or not tf.is_tensor(x):
        return _in_steps(x, fir)
    if target is Target.CPU and max(math.prod(x.shape[1:3]), math.prod(fir.output_size(x.shape[1:3]))) < LEAST_PIXELS:
        target = Target.TENSORFLOW
    return _FORMS[target](x, fir)


def _differentiable(compute: Callable[[Any, FIR], Any]) -> Callable[[Any, FIR], Any]:
    """The form whose gradient is the transposed map in the same form."""

    @functools.wraps(compute)
    def apply(x: Any, fir: FIR) -> Any:
        transposed = fir.transposed(x.shape[1:3])

        @tf.custom_gradient
        def forward(x: Any) -> tuple[Any, Callable[[Any], Any]]:
            return compute(x, fir), lambda upstream: apply(upstream, transposed)

        return forward(x)

    return apply


def _in_steps(x: Tensor, fir: FIR) -> Tensor:
    """Of Keras' operations, one after the other; every library has them."""
    x = _pad(_insert_zeros(x, fir.up), fir.padding)
    stride = fir.down[0] if fir.down[0] == fir.down[1] else 1  # the depthwise convolution has one for both axes
    dtype = _convolution_dtype(x, stride)
    y = ops.depthwise_conv(
        ops.cast(x, dtype),
        ops.convert_to_tensor(_of_every_channel(fir, x), dtype=dtype),
        strides=stride,
        padding="valid",
        data_format="channels_last",
    )
    y = ops.cast(y, x.dtype)
    return y if fir.down[0] == fir.down[1] else y[:, :: fir.down[0], :: fir.down[1]]


def _as_convolutions(x: tf.Tensor, fir: FIR) -> tf.Tensor:
    """As a depthwise convolution, or a transposed one, with their own padding where they have such."""
    (up, up_2), (down, down_2) = fir.up, fir.down
    geometry = fir if up == 1 else fir.transposed(x.shape[1:3])
    if up != up_2 or down != down_2 or min(up, down) > 1 or min(min(pair) for pair in geometry.padding) < 0:
        return _in_steps(x, fir)
    dtype = _convolution_dtype(x, max(up, down))
    kernel = tf.constant(_of_every_channel(geometry, x), dtype)
    strides, padding = [1, max(up, down), max(up, down), 1], [[0, 0], *map(list, geometry.padding), [0, 0]]
    if up == 1:
        y = tf.nn.depthwise_conv2d(tf.cast(x, dtype), kernel, strides, padding)
    else:
        sizes = [tf.shape(x)[0], *fir.output_size(x.shape[1:3]), x.shape[3]]
        y = tf.nn.depthwise_conv2d_backprop_input(sizes, kernel, tf.cast(x, dtype), strides, padding)
    return tf.cast(y, x.dtype)


def _as_slices(x: tf.Tensor, fir: FIR) -> tf.Tensor:
    """As sums of shifted slices, which XLA makes one pass of; TensorFlow alone would make many."""
    y = tf.cast(x, tf.float32)
    factors = _separated(fir.kernel)
    both = [up > 1 and down > 1 for up, down in zip(fir.up, fir.down, strict=True)]
    if factors is None or any(both):
        y = _pad(_insert_zeros(y, fir.up), fir.padding)
        y = _weighted_sum(
            (value, _slice(y, (row, column), fir.output_size(x.shape[1:3]), fir.down))
            for row, values in enumerate(fir.kernel)
            for column, value in enumerate(values)
        )
    else:
        rows, columns = (_Axis(fir, taps, axis, x.shape[axis + 1]) for axis, taps in enumerate(factors.taps))
        y = _pad(y, (rows.padding, columns.padding))
        y = columns.apply(rows.apply(y)) * factors.gain
    return tf.cast(y, x.dtype)


@functools.lru_cache(maxsize=256)
def _compiled_slices(fir: FIR) -> Callable[[tf.Tensor], tf.Tensor]:
    """The same compiled by itself: on a CPU up to ten times faster than a depthwise convolution."""
    compiled: Callable[[tf.Tensor], tf.Tensor] = tf.function(
        lambda x: _as_slices(x, fir), jit_compile=True, autograph=False
    )
    return compiled


_FORMS: dict[Target, Callable[[Any, FIR], Any]] = {
    Target.TENSORFLOW: _as_convolutions,
    Target.CPU: _differentiable(lambda x, fir: _compiled_slices(fir)(x)),
    Target.XLA: _differentiable(_as_slices),
}


class _Axis:
    """Correlation along one axis, which computes neither with the zeros of an insertion nor what decimation drops.

    Args:
        fir: The map.
        taps: Of this axis.
        axis: 0 for the height, 1 for the width.
        pixels: Of the images along it.
    """

    def __init__(self, fir: FIR, taps: tuple[float, ...], axis: int, pixels: int) -> None:
        self.axis, self.up, self.down = axis, fir.up[axis], fir.down[axis]
        before = fir.padding[axis][0]
        self.size = (pixels * self.up + sum(fir.padding[axis]) - len(taps)) // self.down + 1
        # For every up-th result from the phase on: how far from the place of the first the pixels lie that take part.
        self.terms = [
            [
                ((phase + index - before) // self.up, tap)
                for index, tap in enumerate(taps)
                if (phase + index - before) % self.up == 0
            ]
            or [(0, 0.0)]
            for phase in range(self.up)
        ]
        self.places = -(-self.size // self.up)
        offsets = [offset for terms in self.terms for offset, _ in terms]
        self.first = min(offsets)
        self.padding = (-self.first, max(offsets) + (self.places - 1) * self.down + 1 - pixels)

    def apply(self, x: tf.Tensor) -> tf.Tensor:
        """Of images that are padded by `padding`, or more along the other axis."""
        shape, axis = x.shape, self.axis + 1
        sizes, steps = list(shape[1:3]), [1, 1]
        sizes[self.axis], steps[self.axis] = self.places, self.down

        @functools.cache
        def shifted(offset: int) -> tf.Tensor:
            starts = [0, 0]
            starts[self.axis] = offset - self.first
            return _slice(x, starts, sizes, steps)

        phases = [_weighted_sum((tap, shifted(offset)) for offset, tap in terms) for terms in self.terms]
        if self.up == 1:
            return phases[0]
        sizes[self.axis] *= self.up
        y = tf.reshape(tf.concat(phases, axis + 1), [-1, *sizes, shape[3]])
        sizes[self.axis] = self.size
        return _slice(y, (0, 0), sizes, (1, 1))


def _weighted_sum(terms: Any) -> tf.Tensor:
    """Of (weight, tensor); those of one weight are added first."""
    by_weight: dict[float, tf.Tensor] = {}
    for weight, x in terms:
        by_weight[weight] = by_weight[weight] + x if weight in by_weight else x
    products = [x if weight == 1.0 else x * weight for weight, x in by_weight.items()]
    return functools.reduce(tf.add, products)


class _Factors(NamedTuple):
    """A kernel as a column times a row times a number, with as many taps of 1 as can be."""

    taps: tuple[tuple[float, ...], tuple[float, ...]]
    gain: float


def _separated(kernel: tuple[tuple[float, ...], ...]) -> _Factors | None:
    """The factors of a kernel that has them."""
    array = np.array(kernel)
    row, column = np.unravel_index(np.argmax(np.abs(array)), array.shape)
    first, second = array[:, column], array[row]
    if not array[row, column] or not np.allclose(
        np.outer(first, second) / array[row, column], array, rtol=1e-6, atol=1e-7 * abs(array[row, column])
    ):
        return None
    units = [taps[np.nonzero(taps)[0][0]] for taps in (first, second)]
    gain = float(np.prod(units) / array[row, column])
    return _Factors((tuple((first / units[0]).tolist()), tuple((second / units[1]).tolist())), gain)


def _insert_zeros(x: Tensor, up: tuple[int, int]) -> Tensor:
    for axis, factor in ((2, up[1]), (1, up[0])):
        x = _insert_zeros_along(x, axis, factor)
    return x


def _insert_zeros_along(x: Tensor, axis: int, factor: int) -> Tensor:
    if factor == 1:
        return x
    shape = [-1, *x.shape[1:]]
    shape[axis] *= factor
    return ops.reshape(ops.concatenate([x] + [ops.zeros_like(x)] * (factor - 1), axis=axis + 1), shape)


def _pad(x: Tensor, padding: Padding2D) -> Tensor:
    starts = [max(-before, 0) for before, _ in padding]
    sizes = [
        pixels - start - max(-after, 0) for pixels, start, (_, after) in zip(x.shape[1:3], starts, padding, strict=True)
    ]
    x = _slice(x, starts, sizes, (1, 1))
    added = [(max(before, 0), max(after, 0)) for before, after in padding]
    return ops.pad(x, [(0, 0), *added, (0, 0)]) if np.any(added) else x


def _slice(x: Tensor, starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int]) -> Tensor:
    """Rows and columns of images: so many from the starts on, each so many steps behind the one before."""
    (row, column), (rows, columns), (down, right) = starts, sizes, steps
    if (row, column, rows, columns) == (0, 0, *x.shape[1:3]) and down == right == 1:
        return x
    if down == right == 1 and tf.is_tensor(x):
        return tf.slice(x, [0, row, column, 0], [-1, rows, columns, -1])
    return x[:, row : row + (rows - 1) * down + 1 : down, column : column + (columns - 1) * right + 1 : right]


def _of_every_channel(fir: FIR, x: Tensor) -> np.ndarray:
    kernel = np.array(fir.kernel, np.float32)
    return np.tile(kernel[:, :, np.newaxis, np.newaxis], (1, 1, x.shape[3], 1))


def _convolution_dtype(x: Tensor, stride: int) -> str:
    """float32 in place of bfloat16, in which gradients of strided depthwise convolutions are ten times slower (CPU)."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    return "float32" if dtype == "bfloat16" and stride > 1 else dtype
