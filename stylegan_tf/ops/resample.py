"""Resampling of NHWC images: nearest neighbour up, average pooling down, the binomial blur.

Each form was chosen for its second-order gradient, which the gradient penalty takes through the critic: other
ways to write the same function are up to fourteen times slower there.
"""

from __future__ import annotations

from keras import KerasTensor as Tensor
from keras import ops

from stylegan_tf.ops.fir import FIR, apply_fir

_BINOMIAL = FIR(
    tuple(tuple(row * column / 16 for column in (1.0, 2.0, 1.0)) for row in (1.0, 2.0, 1.0)),
    up=(1, 1),
    down=(1, 1),
    padding=((1, 1), (1, 1)),
)


def upsample_nearest(x: Tensor) -> Tensor:
    """Doubles height and width by repeating every pixel.

    Args:
        x: [N, H, W, C], with static H, W and C.

    Returns:
        [N, 2H, 2W, C], of the type of `x`.
    """
    _, height, width, channels = x.shape
    x = ops.reshape(ops.concatenate([x, x], axis=3), (-1, height, 2 * width, channels))
    return ops.reshape(ops.concatenate([x, x], axis=2), (-1, 2 * height, 2 * width, channels))


def upsample_nearest_to(x: Tensor, height: int) -> Tensor:
    """Doubles an image until it is `height` pixels high. [N, h, w, C] -> [N, height, w * height / h, C]."""
    while x.shape[1] < height:
        x = upsample_nearest(x)
    return x


def downsample_average(x: Tensor) -> Tensor:
    """Halves height and width by averaging 2x2 pixels.

    Args:
        x: [N, H, W, C] with even H and W.

    Returns:
        [N, H/2, W/2, C], of the type of `x`.
    """
    return ops.average_pool(x, 2, 2, padding="valid", data_format="channels_last")


def blur(x: Tensor) -> Tensor:
    """Smooths with the normalised filter [1, 2, 1] along both axes, zeros outside the image.

    StyleGAN (Karras et al. 2019), section 2: the low-pass filter after each upsampling and before each
    downsampling.

    Args:
        x: [N, H, W, C] with static H, W and C.

    Returns:
        [N, H, W, C], of the type of `x`.
    """
    return apply_fir(x, _BINOMIAL)


def blend_with_half_resolution(images: Tensor, fade_in: Tensor) -> Tensor:
    """Fades real images like the generator's: from their half-resolution version to themselves.

    Progressive growing (Karras et al. 2018), section 2 and figure 2.

    Args:
        images: [N, H, W, C] with even H and W.
        fade_in: Scalar in [0, 1]; 0 gives the half-resolution version, 1 gives `images`.

    Returns:
        [N, H, W, C], of the type of `images`.
    """
    smooth = upsample_nearest(downsample_average(images))
    return smooth + (images - smooth) * ops.cast(fade_in, images.dtype)
