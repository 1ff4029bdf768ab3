"""Sizes of a growing network: image size and feature maps by level.

Level 0 is the base resolution (4x4 as published, but any size); every level doubles it.
"""

from __future__ import annotations


def level_size(base_size: tuple[int, int], level: int) -> tuple[int, int]:
    """Height and width at a level: the base size times 2^level."""
    return base_size[0] << level, base_size[1] << level


def feature_maps_at(level: int, base: int, maximum: int) -> int:
    """Feature maps at a level: min(base / 2^(level + 1), maximum), at least 1.

    Karras et al. 2019 (StyleGAN), section 2 and Karras et al. 2018, table 2 use base 8192 and maximum 512. Level
    -1 is the critic's first dense layer.
    """
    return max(1, min(base >> (level + 1), maximum))
