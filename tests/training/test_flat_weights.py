"""Weights as one vector: layers compute the same with it, and it has the same gradients."""

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.networks.build import build_critic, build_generator, shape_of
from stylegan_tf.training.flat_weights import FlatWeights, computing_with, recorded

SIZES = {
    "z_size": 8,
    "w_size": 8,
    "mapping_layers": 2,
    "feature_maps_base": 32,
    "feature_maps_max": 8,
    "minibatch_stddev_group": 0,
}  # whose root magnifies rounding where images are alike
CONFIGS = {
    "stylegan1": {"family": "stylegan1", "fused_from": 8},
    "progan": {
        "family": "stylegan1",
        "style": False,
        "noise": False,
        "constant_input": False,
        "mapping_layers": 0,
        "normalization": "pixel",
        "critic_classifies": True,
    },
    "stylegan2": {"family": "stylegan2"},
    "growing": {"family": "stylegan2", "generator_architecture": "growing", "critic_architecture": "growing"},
}
# Largest relative distance. In half precision kernels are scaled before they are rounded, not behind it.
TOLERANCE = {"float32": 1e-6, "mixed_bfloat16": 0.3, "mixed_float16": 0.02}

FACTORS = np.float32([[1.0], [-2.0], [3.0], [0.5]])  # of the images' scores, so that no image is like another


def networks(name, policy):
    config = TrainConfig().replace({**SIZES, **CONFIGS[name]})
    generator, critic = (
        build_generator(config.network, shape_of(config, 2, 3, policy)),
        build_critic(config.network, shape_of(config, 2, 3, policy)),
    )
    random = np.random.default_rng(0)
    for weight in [*generator.trainable_weights, *critic.trainable_weights]:  # none at zero or one, as biases begin
        weight.assign(weight + 0.3 * random.normal(size=weight.shape).astype(np.float32))
    return generator, critic


def scores_of(generator, critic, level):
    labels = tf.one_hot([0, 1, 2, 0], 3)
    z = tf.random.stateless_normal([4, 8], [1, 2])
    sizes = generator.synthesis.noise_sizes(level)
    noise = [tf.random.stateless_normal([4, *size, 1], [3, number]) for number, size in enumerate(sizes)]
    images = generator(z, labels=labels, level=level, fade_in=tf.constant(0.3), noise=noise or "none")
    return critic(images, labels=labels, level=level, fade_in=tf.constant(0.3))


def distance(found, expected):
    return np.linalg.norm(np.subtract(found, expected)) / np.linalg.norm(expected)


@pytest.mark.parametrize("policy", TOLERANCE)
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.slow
def test_scores_and_gradients_are_those_of_the_weights_one_by_one(name, level, policy):
    if name == "stylegan2":
        level = 1
    generator, critic = networks(name, policy)
    for network in (generator, critic):
        weights = network.active_weights(level)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([weight.value for weight in weights])
            expected = scores_of(generator, critic, level)
            total = tf.reduce_sum(expected * FACTORS)
        gradients = tape.gradient(total, [weight.value for weight in weights])
        flat, other = FlatWeights(network, level), FlatWeights(critic if network is generator else generator, level)
        with recorded(flat, other) as tape:
            found = scores_of(generator, critic, level)
            total = tf.reduce_sum(found * FACTORS)
        assert distance(found, expected) < TOLERANCE[policy]
        parts = flat.split(tape.gradient(total, flat.vector))
        if policy == "float32":
            for weight, one, wanted in zip(weights, parts, gradients, strict=True):
                assert distance(one, wanted) < TOLERANCE[policy], weight.path
        one, wanted = (np.concatenate([np.ravel(part) for part in side]) for side in (parts, gradients))
        assert distance(one, wanted) < TOLERANCE[policy]


def test_what_is_not_in_the_vector_is_used_as_ever():
    generator, _ = networks("stylegan2", "float32")
    z, labels = tf.random.stateless_normal([4, 8], [1, 2]), tf.one_hot([0, 1, 2, 0], 3)
    expected = generator.map(z, labels)
    generator.mapping.dense[0].trainable = False
    weights = FlatWeights(generator, 1)
    assert len(weights.split(weights.vector)) == len(generator.trainable_weights)
    with computing_with(weights):
        np.testing.assert_allclose(generator.map(z, labels), expected, rtol=1e-5)
    np.testing.assert_array_equal(generator.map(z, labels), expected)


def test_the_parts_of_the_vector_are_the_weights():
    generator, _ = networks("stylegan1", "mixed_bfloat16")
    weights = FlatWeights(generator, 0)
    for part, weight in zip(weights.split(weights.vector), generator.active_weights(0), strict=True):
        np.testing.assert_array_equal(part, weight)
