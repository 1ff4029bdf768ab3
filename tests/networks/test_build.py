"""Networks from a configuration."""

import keras
import numpy as np
from tiny_run import tiny_config

from stylegan_tf.configuration.model_sections import MOST_UNITS
from stylegan_tf.networks.build import outline_generator, shape_of


def test_an_outline_takes_no_memory_now_or_later():
    """Tens of gigabytes, which Keras would make as soon as a scope without state ends."""
    config = tiny_config(z_size=MOST_UNITS, w_size=MOST_UNITS, mapping_layers=256)
    generator = outline_generator(config.network, shape_of(config, 2, 0))
    assert 4 * sum(int(np.prod(weight.shape)) for weight in generator.weights) > 2**35
    with keras.StatelessScope():
        pass
    inputs = keras.Input([4])  # a functional model opens such scopes, too
    keras.Model(inputs, keras.layers.Dense(2)(inputs))
