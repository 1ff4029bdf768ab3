"""Convolution with an equalized learning rate, that may change the resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from stylegan_tf.layers.equalized import Equalized
from stylegan_tf.ops.convolution import convolve, convolve_down, convolve_resampled, convolve_up
from stylegan_tf.ops.resample import blur
from stylegan_tf.ops.upfirdn import make_filter


@keras.saving.register_keras_serializable("stylegan_tf")
class EqualizedConv2D(Equalized):
    """Convolution of NHWC images; see `Equalized` for the remaining arguments and the reference.

    Args:
        filters: Number of output channels.
        kernel_size: Odd size of the square kernel; 3 where it resamples.
        resample: "up" doubles the resolution before the convolution, "down" halves it after, None keeps it.
        fused: Resample and convolve in one strided convolution (a different function of the weights for "up", see
            `ops.convolution.convolve_up`).
        blur: Smooth with [1, 2, 1]: after an "up" convolution and before the bias, or before a "down" convolution.
        resample_filter: Taps along one axis, such as (1, 3, 3, 1), of the low-pass filter of StyleGAN2's resampling,
            see `ops.convolution.convolve_resampled`; an "up" kernel is then seen mirrored. None for the forms above.

    Input shape: [N, H, W, C]. Output shape: [N, H', W', filters], H' being 2H, H/2 or H.

    Raises:
        ValueError: For an unknown `resample`, a blur or a filter without resampling, or a filter beside a blur or the
            fused form.

    Example:
        >>> x = keras.random.normal((4, 16, 16, 64))
        >>> layer = EqualizedConv2D(128, resample="down", blur=True, activation="leaky_relu")
        >>> layer(x).shape
        TensorShape([4, 8, 8, 128])
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        *,
        resample: str | None = None,
        fused: bool = False,
        blur: bool = False,
        resample_filter: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if resample not in ("up", "down", None):
            raise ValueError(f"resample must be 'up', 'down' or None. Received: resample={resample!r}.")
        if blur and resample is None:
            raise ValueError("blur goes with resample='up' or 'down'. Received: blur=True, resample=None.")
        if resample_filter is not None and (resample is None or fused or blur):
            raise ValueError(
                "resample_filter goes with resample='up' or 'down', and without fused and blur. "
                f"Received: resample_filter={resample_filter}, resample={resample!r}, fused={fused}, blur={blur}."
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.resample = resample
        self.fused = fused
        self.blur = blur
        self.resample_filter = None if resample_filter is None else tuple(resample_filter)
        self._taps = None if resample_filter is None else make_filter(resample_filter)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.add_equalized_weights((self.kernel_size, self.kernel_size, int(input_shape[-1] or 0), self.filters))

    def call(self, x: Any) -> Any:
        if self._taps is not None:
            # Published weights of "up" fit a transposed convolution, which sees its kernel mirrored.
            up = self.resample == "up"
            x = convolve_resampled(
                x, self.scaled_kernel, taps=self._taps, up=2 if up else 1, down=1 if up else 2, flip_kernel=up
            )  # [N, 2H, 2W, filters] or [N, H/2, W/2, filters]
        elif self.resample == "up":
            x = convolve_up(x, self.scaled_kernel, fused=self.fused)  # [N, 2H, 2W, filters]
            x = blur(x) if self.blur else x
        elif self.resample == "down":
            x = blur(x) if self.blur else x
            x = convolve_down(x, self.scaled_kernel, fused=self.fused)  # [N, H/2, W/2, filters]
        else:
            x = convolve(x, self.scaled_kernel)  # [N, H, W, filters]
        return self.add_bias_and_activate(x)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "resample": self.resample,
            "fused": self.fused,
            "blur": self.blur,
            "resample_filter": self.resample_filter,
        }
