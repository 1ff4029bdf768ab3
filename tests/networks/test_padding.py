"""With repeated edges a generator that starts from one colour draws one colour, up to the corners."""

import numpy as np
import pytest
from small_networks import SMALL, ws_for

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.networks import StyleGAN2SynthesisNetwork, SynthesisNetwork
from stylegan_tf.networks.build import build_generator
from stylegan_tf.networks.shape import NetworkShape

NETWORKS = {
    "stylegan1": (SynthesisNetwork, {"fused_from": None}),
    "fused": (SynthesisNetwork, {"fused_from": 8}),
    "skip": (StyleGAN2SynthesisNetwork, {"architecture": "skip"}),
    "resnet": (StyleGAN2SynthesisNetwork, {"architecture": "resnet"}),
    "growing": (StyleGAN2SynthesisNetwork, {"architecture": "growing"}),
}


def flat_images(name, padding):
    """float64 [2, H, W, channels] from a constant that is the same everywhere."""
    network_class, options = NETWORKS[name]
    # Instance normalisation would take a flat image for one without variance.
    if network_class is SynthesisNetwork:
        options = {**options, "normalization": "none"}
    network = network_class(**{**SMALL, **options, "noise": False, "padding": padding})
    network.build((None, network.num_ws, 5))
    rng = np.random.default_rng(0)
    for weight in network.weights:
        if weight.path.endswith("/constant"):
            weight.assign(np.broadcast_to(rng.normal(size=weight.shape[-1]), weight.shape))
        else:
            weight.assign(weight + 0.5 * rng.normal(size=weight.shape))
    return np.asarray(network(ws_for(network), fade_in=0.5), np.float64)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_colour_stays_one(name):
    edge, zeros = flat_images(name, "edge"), flat_images(name, "zeros")
    assert edge.shape == zeros.shape
    size = np.abs(edge).max()
    assert np.ptp(edge, axis=(1, 2)).max() < 1e-4 * size
    assert np.ptp(zeros, axis=(1, 2)).max() > 1e-2 * size


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2"])
def test_a_configuration_decides(family):
    config = TrainConfig().replace({"family": family, "generator_padding": "edge", "feature_maps_max": 4, "w_size": 4})
    network = build_generator(config.network, NetworkShape((4, 4), 2, 3, 0, 8, 4, "float32"))
    assert network.synthesis.options["padding"] == "edge"
    assert "with repeated edges" in dict(config.family.details(config.network))["Design"]
