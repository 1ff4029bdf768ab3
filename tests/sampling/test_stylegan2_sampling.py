"""Noise, sampler and endpoints ask the network how many ws and noise images it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.networks import Generator, MappingNetwork, StyleGAN2SynthesisNetwork, SynthesisNetwork
from stylegan_tf.networks.at_level import GeneratorAtLevel
from stylegan_tf.sampling.latents import noise_from_seeds
from stylegan_tf.sampling.sampler import Sampler


def small(architecture: str = "skip", noise: bool = True) -> Generator:
    synthesis = StyleGAN2SynthesisNetwork(
        num_levels=2, feature_maps_base=32, feature_maps_max=8, architecture=architecture, noise=noise
    )
    generator = Generator(6, MappingNetwork(5, num_layers=1, design="stylegan2"), synthesis)
    generator.build()
    for weight in generator.trainable_weights:
        if weight.path.endswith("strength"):
            weight.assign(0.5)
    return generator


@pytest.mark.parametrize("architecture", ["skip", "growing"])
def test_noise_has_the_sizes_that_the_network_takes(architecture):
    synthesis: Any = small(architecture).synthesis
    noise = noise_from_seeds([3, 4], synthesis.noise_sizes(1))
    assert [tuple(image.shape) for image in noise] == [(2, 4, 4, 1), (2, 8, 8, 1), (2, 8, 8, 1)]
    assert np.max(np.abs(noise[1] - noise[2])) > 0.1
    assert np.all(np.isfinite(synthesis(np.zeros((2, 4, 5), np.float32), noise=noise)))


@pytest.mark.parametrize("synthesis", [small(noise=False).synthesis, SynthesisNetwork(noise=False)])
def test_a_network_without_noise_has_none(synthesis):
    assert noise_from_seeds([3, 4], synthesis.noise_sizes(1)) == []


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.slow
def test_images_of_seeds_with_noise_of_their_own(noise):
    sampler = Sampler(GeneratorAtLevel(small(noise=noise)), batch_size=2)
    one, other = (sampler.images([1, 2, 3], noise=seeds) for seeds in ([1, 2, 3], [1, 5, 3]))
    assert one.shape == (3, 8, 8, 3)
    np.testing.assert_array_equal(one[[0, 2]], other[[0, 2]])
    assert np.any(one[1] != other[1]) == noise


def test_sampler_refuses_a_level_that_the_network_does_not_make():
    generator = small()
    assert GeneratorAtLevel(generator).level == 1
    with pytest.raises(ValueError, match="level must be the last one, 1, or None"):
        GeneratorAtLevel(generator, level=0)
    assert GeneratorAtLevel(small("growing"), level=0).size == (4, 4)


@pytest.mark.slow
def test_a_growing_network_is_sampled_at_its_fade_in():
    generator = small("growing")
    faded, full = Sampler(GeneratorAtLevel(generator, fade_in=0.2)), Sampler(GeneratorAtLevel(generator))
    ws = faded.ws([1, 2])
    want = generator.synthesis(tf.constant(ws), fade_in=0.2).numpy()
    got = faded.synthesize(ws)
    np.testing.assert_allclose(got, np.clip(want * 127.5 + 127.5, 0, 255), atol=1.0)
    assert np.any(got != full.synthesize(ws))
