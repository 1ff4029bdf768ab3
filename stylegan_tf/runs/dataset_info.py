"""What a run was trained on, as its directory keeps it."""

from __future__ import annotations

import dataclasses

from stylegan_tf.data.image_set import CHANNELS, LARGEST_SIDE
from stylegan_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What a run was trained on.

    Attributes:
        name: As given to --data.
        count: Number of images.
        size: Height and width.
        channels: 1, 3 or 4.
        fingerprint: Of the images, and of the labels where they are used; empty when it is not known (yet).
        label_names: Names of the classes; empty without labels.
    """

    name: str
    count: int
    size: tuple[int, int]
    channels: int
    fingerprint: str
    label_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        height, width = self.size
        if self.channels not in CHANNELS or not 0 < min(height, width) <= max(height, width) <= LARGEST_SIDE:
            raise UserError(
                f"images must have a size of 1 to {LARGEST_SIDE:,} pixels, and 1, 3 or 4 channels. "
                f"Received: {height}x{width}, channels={self.channels}."
            )

    @property
    def num_classes(self) -> int:
        """Size of the one-hot labels."""
        return len(self.label_names)

    @property
    def form(self) -> str:
        """What networks must have in common with it, as text."""
        height, width = self.size
        return f"{height}x{width}, {self.channels} channels, {self.num_classes} classes"
