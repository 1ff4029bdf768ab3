"""Normalisation of features and latents; statistics are always taken in float32."""

from __future__ import annotations

from keras import KerasTensor as Tensor
from keras import ops


def pixel_norm(x: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Scales the vector along the last axis to unit mean square.

    Progressive growing (Karras et al. 2018), section 4.2.

    Args:
        x: [..., C].
        epsilon: Added to the mean square.

    Returns:
        Same shape and type as `x`.
    """
    x32 = ops.cast(x, "float32")
    return x * ops.cast(ops.rsqrt(ops.mean(ops.square(x32), axis=-1, keepdims=True) + epsilon), x.dtype)


def instance_statistics(x: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Mean and reciprocal standard deviation of each channel of each image.

    Args:
        x: [N, H, W, C].
        epsilon: Added to the variance.

    Returns:
        Two float32 tensors [N, 1, 1, C].
    """
    mean, variance = ops.moments(ops.cast(x, "float32"), axes=[1, 2], keepdims=True)
    return mean, ops.rsqrt(variance + epsilon)


def minibatch_stddev(
    x: Tensor, group_size: int | None, num_features: int, num_batches: int = 1, epsilon: float = 1e-8
) -> Tensor:
    """Average standard deviation over groups of images, as constant feature maps.

    Progressive growing (Karras et al. 2018), section 3. A group takes every (N / group_size)-th image, as in
    the published networks.

    Args:
        x: [num_batches * N, H, W, C] with static H, W and C; N must be a multiple of the group size, or smaller, when
            it is one group.
        group_size: Images in a group; None for the whole batch.
        num_features: Number of feature maps; the channels are split among them.
        num_batches: Batches that lie behind each other in `x` and share no group.
        epsilon: Added to the variance.

    Returns:
        float32 [num_batches * N, H, W, num_features].

    Raises:
        ValueError: For a group without images, and where the images (when their number is known) or the channels cannot
            be divided so.
    """
    if group_size is not None and group_size < 1:
        raise ValueError(f"group_size must be at least 1, or None for the whole batch. Received: {group_size}.")
    images = ops.shape(x)[0]
    batch = images // num_batches
    _, height, width, channels = x.shape
    group = batch
    if group_size is not None:
        group = min(group_size, batch) if isinstance(batch, int) else ops.minimum(group_size, batch)
    if isinstance(batch, int) and (images % num_batches or batch % group):
        raise ValueError(
            f"the batch must be a multiple of the group size {group}. Received: {images} images, "
            f"num_batches={num_batches}."
        )
    if num_features < 1 or channels % num_features:
        raise ValueError(
            f"the channels must be a multiple of num_features. Received: num_features={num_features}, "
            f"{channels} channels."
        )
    split = (num_batches, group, -1, height, width, num_features, channels // num_features)
    y = ops.reshape(ops.cast(x, "float32"), split)
    y = y - ops.mean(y, axis=1, keepdims=True)
    y = ops.sqrt(ops.mean(ops.square(y), axis=1) + epsilon)  # [B, M, H, W, F, c]
    y = ops.mean(y, axis=(2, 3, 5))  # [B, M, F]
    y = ops.reshape(ops.tile(y, (1, group, 1)), (-1, 1, 1, num_features))
    return ops.tile(y, (1, height, width, 1))
