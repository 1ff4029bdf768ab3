"""What synthesis networks of both families answer about their levels."""

from __future__ import annotations

from typing import Any

from keras import ops

from stylegan_tf.configuration.resolutions import level_size
from stylegan_tf.networks.sizes import feature_maps_at


class SynthesisLevels:
    """Mixed into a synthesis network, beside its Keras class.

    Attributes:
        base_size: Height and width at level 0.
        num_levels: Number of resolutions.
        options: Arguments of the network, feature_maps_base, feature_maps_max and noise among them.
    """

    base_size: tuple[int, int]
    num_levels: int
    options: dict[str, Any]

    @property
    def has_noise(self) -> bool:
        """Whether its layers add noise."""
        return bool(self.options["noise"])

    @property
    def has_styles(self) -> bool:
        """Whether every layer takes a w of its own; only those of StyleGAN's family may go without."""
        return bool(self.options.get("style", True))

    @property
    def num_ws(self) -> int:
        """Number of ws that it takes."""
        return self.active_ws(self.num_levels - 1)

    def active_ws(self, level: int) -> int:
        """Number of ws, from the first, that take part at a level."""
        return 2 * (level + 1)

    def by_layer(self, ws: Any, level: int) -> list[Any]:
        """The active ws of [N, num_ws, w_size] apart, [N, w_size] each: one operation, and one for the gradient."""
        active = self.active_ws(level)
        layers: list[Any] = ops.unstack(ws if ws.shape[1] == active else ws[:, :active], num=active, axis=1)
        return layers

    def size(self, level: int) -> tuple[int, int]:
        """Image height and width at a level."""
        return level_size(self.base_size, level)

    def feature_maps(self, level: int) -> int:
        """Number of feature maps at a level."""
        return feature_maps_at(level, self.options["feature_maps_base"], self.options["feature_maps_max"])
