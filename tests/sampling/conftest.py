"""A small generator whose every part does something, as if it had been trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.networks.build import build_generator, shape_of


def make_generator(channels: int = 3, num_classes: int = 0) -> Any:
    config = TrainConfig().replace(
        {
            "z_size": 24,
            "w_size": 24,
            "mapping_layers": 2,
            "mapping_learning_rate_multiplier": 1.0,
            "feature_maps_base": 128,
            "feature_maps_max": 16,
            "channels": channels,
        }
    )
    generator = build_generator(config.network, shape_of(config, 3, num_classes))
    random = np.random.default_rng(5)
    for weight in generator.weights:
        if "seed" not in weight.path:
            weight.assign(0.5 * random.standard_normal(weight.shape) / (4 if "to_rgb" in weight.path else 1))
    return generator


@pytest.fixture(scope="session")
def generator() -> Any:
    """16x16 RGB, three levels, z and w of 24."""
    return make_generator()


@pytest.fixture(scope="session")
def labelled_generator() -> Any:
    """The same with three classes, in grey."""
    return make_generator(channels=1, num_classes=3)
