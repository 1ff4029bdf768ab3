from __future__ import annotations

import numpy as np
import pytest

from stylegan_tf.configuration.resolutions import level_size
from stylegan_tf.networks.sizes import check_image_size, checked_level, feature_maps_at


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


def test_no_level_means_the_last():
    assert checked_level(None, 4, grows=False) == checked_level(3, 4, grows=False) == checked_level(None, 4, True) == 3
    assert [checked_level(level, 4, grows=True) for level in range(4)] == [0, 1, 2, 3]


def test_levels_that_are_not_there_are_refused():
    for level in (-1, 4):
        with pytest.raises(ValueError, match=f"level must lie between 0 and 3. Received: level={level}"):
            checked_level(level, 4, grows=True)
    with pytest.raises(ValueError, match="level must be the last one, 3, or None: this architecture does not grow"):
        checked_level(2, 4, grows=False)


def test_images_of_another_size_are_refused():
    check_image_size(np.zeros((2, 8, 12, 3)), (4, 6), 1)
    for shape in ((2, 8, 8, 3), (2, 12, 12, 3), (2, 4, 6, 3)):
        with pytest.raises(ValueError, match="images must be 8x12 pixels at level 1. Received: shape"):
            check_image_size(np.zeros(shape), (4, 6), 1)
