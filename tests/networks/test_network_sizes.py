from __future__ import annotations

import pytest

from stylegan_tf.networks.sizes import feature_maps_at, level_size


def test_published_feature_maps():
    # Karras et al. 2018, table 2: the maps at 4x4 to 1024x1024.
    published = [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert [feature_maps_at(level, 8192, 512) for level in range(9)] == published
    assert feature_maps_at(-1, 8192, 512) == 512


@pytest.mark.parametrize(("base", "maximum", "maps"), [(64, 16, [16, 16, 8, 4]), (2, 512, [1, 1, 1, 1])])
def test_feature_maps_halve_from_the_maximum_down_to_one(base, maximum, maps):
    assert [feature_maps_at(level, base, maximum) for level in range(4)] == maps


def test_level_size_doubles():
    assert [level_size((4, 6), level) for level in range(5)] == [(4, 6), (8, 12), (16, 24), (32, 48), (64, 96)]
    assert level_size((7, 7), 2) == (28, 28)
