"""What lies beyond the edges of features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops


def run_padded(operation: Callable[[Any], Any], x: Any, padding: str, scale: int = 1) -> Any:
    """An operation that sees zeros beyond the edges of its input, or one pixel of the edges first.

    With zeros a convolution has fewer terms at an edge, and fewest in the corners, which then learn slowly: in short
    runs corners stay dark (docs/results.md).

    Args:
        operation: Of features; keeps height and width, or multiplies them by `scale`.
        x: [N, H, W, C].
        padding: "zeros", or "edge", the pixels of the edges once more.
        scale: See `operation`.

    Returns:
        What the operation gives, [N, scale * H, scale * W, D].
    """
    if padding == "zeros":
        return operation(x)
    y = operation(ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric"))
    return y[:, scale:-scale, scale:-scale, :]
