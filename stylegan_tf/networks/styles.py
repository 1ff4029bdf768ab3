"""What is done to intermediate latents between mapping and synthesis: truncation and style mixing."""

from __future__ import annotations

from typing import Any

from keras import ops


def truncate(ws: Any, w_average: Any, psi: Any, cutoff: int | None = None) -> Any:
    """Moves ws towards their average.

    Karras et al. 2019 (StyleGAN), appendix B.

    Args:
        ws: [N, num_ws, w_size].
        w_average: [w_size].
        psi: Scalar or [N]; 1 leaves ws as they are, 0 gives the average.
        cutoff: Number of layers, from the first, that are truncated; None truncates all.

    Returns:
        [N, num_ws, w_size].
    """
    psi = ops.reshape(ops.cast(psi, ws.dtype), (-1, 1, 1))  # [N, 1, 1], or [1, 1, 1] of a scalar
    if cutoff is not None:
        truncated = ops.arange(ws.shape[1], dtype="int32")[None, :, None] < cutoff  # [1, num_ws, 1]
        psi = ops.where(truncated, psi, ops.ones_like(psi))  # [N, num_ws, 1]
    return w_average + (ws - w_average) * psi  # [N, num_ws, w_size]


def mix_styles(ws: Any, other_ws: Any, crossover: Any) -> Any:
    """Takes the layers before the crossover from `ws` and the others from `other_ws`.

    Karras et al. 2019 (StyleGAN), section 3.1.

    Args:
        ws, other_ws: [N, num_ws, w_size].
        crossover: int scalar or [N]; `num_ws` or more takes everything from `ws`.

    Returns:
        [N, num_ws, w_size].
    """
    layers = ops.arange(ws.shape[1], dtype="int32")[None, :, None]  # [1, num_ws, 1]
    return ops.where(layers < ops.reshape(crossover, (-1, 1, 1)), ws, other_ws)  # [N, num_ws, w_size]
