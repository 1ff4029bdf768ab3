"""Minibatch standard deviation."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from stylegan_tf.ops.normalization import minibatch_stddev


@keras.saving.register_keras_serializable("stylegan_tf")
class MinibatchStdDev(keras.layers.Layer):
    """Appends the average standard deviation over a group of images as feature maps, taken in float32.

    Args:
        group_size: Images in a group; a smaller batch is one group, and so is every batch with None. The batch must be
            a multiple of it.
        num_features: Number of feature maps appended; the channels are split among them.

    Call arguments:
        x: Features.
        num_batches: Batches that lie behind each other in `x` and share no group.

    Input shape: [N, H, W, C]. Output shape: [N, H, W, C + num_features].

    Example:
        >>> x = keras.random.normal((8, 4, 4, 512))
        >>> MinibatchStdDev(group_size=4)(x).shape
        TensorShape([8, 4, 4, 513])

    Reference: Karras et al. 2018 (progressive growing), section 3.
    """

    def __init__(self, group_size: int | None = 4, num_features: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group_size = group_size
        self.num_features = num_features

    def call(self, x: Any, num_batches: int = 1) -> Any:
        statistic = minibatch_stddev(x, self.group_size, self.num_features, num_batches)  # [N, H, W, num_features]
        return ops.concatenate([x, ops.cast(statistic, x.dtype)], axis=3)  # [N, H, W, C + num_features]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], int(input_shape[-1] or 0) + self.num_features)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "group_size": self.group_size, "num_features": self.num_features}
