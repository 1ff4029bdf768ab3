"""Freeze-D: which layers of a critic stay as they are."""

import pytest

from stylegan_tf.networks.stylegan1.critic import Critic
from stylegan_tf.networks.stylegan2.critic import StyleGAN2Critic

SIZES = {"num_levels": 3, "feature_maps_base": 16, "feature_maps_max": 4}
LAYERS = {
    "stylegan1": {"from_rgb", "conv", "conv_down"},
    "resnet": {"from_rgb", "conv", "conv_down", "skip"},
    "orig": {"from_rgb", "conv", "conv_down"},
    "skip": {"from_rgb", "conv", "conv_down"},
    "growing": {"from_rgb", "conv", "conv_down"},
}


@pytest.mark.parametrize("resolutions", [0, 1, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_the_layers_of_the_largest_resolutions_are_frozen(name, resolutions):
    critic = Critic(**SIZES) if name == "stylegan1" else StyleGAN2Critic(**SIZES, architecture=name)
    critic.build()
    everything = {weight.path for weight in critic.active_weights(2)}
    critic.freeze(resolutions)
    active = {weight.path for weight in critic.active_weights(2)}
    frozen = {path.split("/")[1] for path in everything - active}
    wanted = {f"{layer}_{level}" for layer in LAYERS[name] for level in range(3 - resolutions, 3)}
    if name in ("resnet", "orig"):  # which see the image at the last level only
        wanted -= {"from_rgb_1"}
    elif name in ("stylegan1", "growing"):  # active are those of the last level and of the one below
        wanted -= {"from_rgb_0"}
    assert frozen == wanted
    assert active == everything & {weight.path for weight in critic.trainable_weights}
    assert {weight.path for weight in critic.weights} >= everything
