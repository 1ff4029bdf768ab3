"""What the critics of both families do alike, beyond the published configurations."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_networks import images_for, small_critic

from stylegan_tf.networks import Critic, StyleGAN2Critic


@pytest.fixture(params=[Critic, StyleGAN2Critic])
def small(request):
    """`small(**options)`: a small critic of either family with random weights."""
    return functools.partial(small_critic, request.param)


def test_the_minibatch_statistic_of_the_whole_batch(small):
    """Any number of images will do, and two batches of a call are told apart."""
    critic = small(minibatch_stddev_group=None)
    images = images_for(critic)[:3]
    other = small(minibatch_stddev_group=3)
    other.set_weights(critic.get_weights())
    np.testing.assert_allclose(critic(images), other(images), rtol=1e-5, atol=1e-6)
    both = critic(np.concatenate([images, images[::-1] / 2]), num_batches=2)
    np.testing.assert_allclose(both[:3], critic(images), rtol=1e-4, atol=1e-5)
    assert type(critic).from_config(critic.get_config()).options["minibatch_stddev_group"] is None


@pytest.mark.parametrize("features", [0, 3])
def test_a_statistic_that_does_not_share_out_the_feature_maps_is_refused(small, features):
    with pytest.raises(ValueError, match=f"must divide the feature maps at the smallest.*Received: {features}"):
        small(minibatch_stddev_features=features)
    small(minibatch_stddev_features=features, minibatch_stddev_group=0)


@pytest.mark.parametrize("group", [0, 1])
def test_without_minibatch_statistics_images_are_scored_alone(small, group):
    critic = small(minibatch_stddev_group=group)
    images = images_for(critic)
    np.testing.assert_allclose(critic(images)[1:2], critic(images[1:2]), rtol=1e-4, atol=1e-5)
    with_statistics = small()
    assert np.max(np.abs(with_statistics(images)[1:2] - with_statistics(images[1:2]))) > 1e-3


def test_is_usable_in_a_functional_model(small):
    critic = small()
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, critic(images))
    assert model.output_shape == (None, 1)
    np.testing.assert_allclose(model(images_for(critic)), critic(images_for(critic)), rtol=1e-4, atol=1e-5)


def test_an_unknown_batch_inside_a_compiled_function(small):
    critic = small()

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3])], autograph=False)
    def run(images):
        return critic(images, num_batches=2)

    for count in (8, 6):
        images = images_for(critic, count=count)
        np.testing.assert_allclose(run(images), critic(images, num_batches=2), rtol=1e-4, atol=1e-4)


def test_missing_labels_are_refused(small):
    critic = small(num_classes=4)
    with pytest.raises(ValueError, match=r"labels must be given.*4 classes.*Received: labels=None"):
        critic(images_for(critic))
