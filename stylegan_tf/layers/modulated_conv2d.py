"""StyleGAN2's convolution, whose weights depend on the style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from stylegan_tf.layers.equalized_dense import EqualizedDense
from stylegan_tf.ops.modulated_convolution import modulated_convolution
from stylegan_tf.ops.upfirdn import make_filter


@keras.saving.register_keras_serializable("stylegan_tf")
class ModulatedConv2D(keras.layers.Layer):
    """Convolution whose input channels are scaled by a style, a learned affine map of w.

    Demodulation brings every output channel back to the deviation of the input, whatever the style and the size of
    the kernel, which is stored as N(0, 1). Without it the style is multiplied by 1 / sqrt(fan_in) instead. The
    affine map and the demodulation are float32 whatever the policy says.

    Args:
        filters: Number of output channels.
        kernel_size: Odd size of the square kernel.
        resample: "up" doubles the resolution, as a strided transposed convolution and a low-pass filter behind it;
            None keeps it.
        demodulate: Whether to demodulate.
        resample_filter: Taps of the low-pass filter along one axis.

    Call arguments:
        x: Features [N, H, W, C].
        w: Intermediate latents [N, w_size].
        styles: What `affine` gives for w, [N, C], where it is known already.

    Output shape: [N, H', W', filters], H' being 2H or H.

    Raises:
        ValueError: For an unknown `resample`.

    Example:
        >>> x, w = keras.random.normal((4, 16, 16, 64)), keras.random.normal((4, 512))
        >>> ModulatedConv2D(32, resample="up")(x, w).shape
        TensorShape([4, 32, 32, 32])

    Reference: Karras et al. 2020 (StyleGAN2), section 2.2 and figure 2d; the bias of the affine map starts at one,
    appendix B.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        *,
        resample: str | None = None,
        demodulate: bool = True,
        resample_filter: Sequence[float] = (1, 3, 3, 1),
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if resample not in ("up", None):
            raise ValueError(f"resample must be 'up' or None. Received: resample={resample!r}.")
        self.filters = filters
        self.kernel_size = kernel_size
        self.resample = resample
        self.demodulate = demodulate
        self.resample_filter = tuple(resample_filter)
        self._taps = make_filter(self.resample_filter)

    def build(self, x_shape: tuple[int | None, ...], w_shape: tuple[int | None, ...]) -> None:
        channels = int(x_shape[-1] or 0)
        self.kernel = self.add_weight(
            shape=(self.kernel_size, self.kernel_size, channels, self.filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="kernel",
        )
        self.affine = EqualizedDense(channels, gain=1.0, bias_initializer="ones", dtype="float32", name="affine")
        self.affine.build(w_shape)
        self.style_scale = 1.0 if self.demodulate else 1.0 / math.sqrt(self.kernel_size**2 * channels)

    def call(self, x: Any, w: Any, styles: Any = None) -> Any:
        styles = self.affine(w) if styles is None else styles  # [N, C]
        if not self.demodulate:
            styles = styles * self.style_scale
        up = self.resample == "up"
        # Published weights of "up" fit a transposed convolution, which sees its kernel mirrored.
        return modulated_convolution(
            ops.cast(x, self.compute_dtype),
            self.kernel,
            styles,
            taps=self._taps if up else None,
            up=2 if up else 1,
            demodulate=self.demodulate,
            flip_kernel=up,
        )  # [N, 2H, 2W, filters] or [N, H, W, filters]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "resample": self.resample,
            "demodulate": self.demodulate,
            "resample_filter": self.resample_filter,
        }
