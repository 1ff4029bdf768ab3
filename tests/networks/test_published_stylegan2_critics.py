"""StyleGAN2 critics with published weights give the logits, gradients and R1 penalties of the published code."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.pretrained.stylegan2_names import critic_entries

NAMES = [
    f"stylegan2_discriminator_{name}"
    for name in ("r32_resnet", "r32_resnet_cond10_f2", "r32_orig", "r32_skip", "r64_resnet")
]


@pytest.mark.parametrize("name", NAMES)
def test_logits_gradients_and_r1(published, relative_error, channels_first, name):
    case = published(name)
    outputs, config = case.reference.outputs, case.reference.config
    entries = critic_entries(case.network)
    chosen = [entries[name] for name in config["grad_vars"]]
    images = tf.constant(case.inputs)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(images)
            logits = case.network(images, labels=case.labels)
        gradients = inner.gradient(logits, images)
        penalties = tf.reduce_sum(gradients**2, axis=[1, 2, 3])
        loss = tf.reduce_mean(penalties * (config["r1_gamma"] / 2))
    r1_gradients = outer.gradient(loss, [variable.value for variable, _ in chosen])
    assert relative_error(logits, outputs["logits"]) < 1e-4
    want = outputs["grads"]
    assert len(want) == config.get("n_grad", len(images))
    assert relative_error(channels_first(gradients)[: len(want)], want) < 1e-3
    assert relative_error(penalties, outputs["r1_penalty"]) < 1e-3
    for published_name, (_, layout), gradient in zip(config["grad_vars"], chosen, r1_gradients, strict=True):
        want = layout.to_ours(outputs[f"r1_grad/{published_name}"])
        if np.any(want):
            assert relative_error(gradient, want) < 1e-3, published_name
        else:  # a bias behind which no unit changes sign
            np.testing.assert_array_equal(gradient, want)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_smaller_than_the_group(published, relative_error, name):
    case = published(name)
    labels = None if case.labels is None else case.labels[:3]
    logits = case.network(case.inputs[:3], labels=labels)
    assert relative_error(logits, case.reference.outputs["logits_first3"]) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_nothing_published_is_left_out(published, name):
    case = published(name)
    tested = {f"r1_grad/{variable}" for variable in case.reference.config["grad_vars"]}
    assert set(case.reference.outputs) == tested | {"logits", "grads", "r1_penalty", "logits_first3"}


@pytest.mark.parametrize("name", ["stylegan2_discriminator_r32_resnet_cond10_f2"])
def test_batches_behind_each_other_are_scored_apart(published, relative_error, name):
    case = published(name)
    pair = np.concatenate([case.inputs, 0.3 * case.inputs[::-1]])
    labels = np.concatenate([case.labels, case.labels[::-1]])
    together = case.network(pair, labels=labels, num_batches=2)
    assert relative_error(together[:8], case.reference.outputs["logits"]) < 1e-4
    apart = case.network(pair[8:], labels=labels[8:])
    np.testing.assert_allclose(together[8:], apart, rtol=1e-4, atol=1e-4)
    mixed = case.network(pair, labels=labels).numpy()
    assert np.max(np.abs(mixed - together)) > 1e-3 * np.max(np.abs(together))


def test_a_clamp_that_is_never_reached_changes_nothing_and_a_small_one_does(
    published, build_published_stylegan2_critic, relative_error
):
    case = published("stylegan2_discriminator_r32_resnet")
    for clamp, low, high in ((256.0, 0.0, 1e-6), (0.5, 1e-2, 10.0)):
        clamped = build_published_stylegan2_critic(case.reference.config["kwargs"], clamp=clamp)
        clamped.set_weights(case.network.get_weights())
        assert low <= relative_error(clamped(case.inputs), case.network(case.inputs)) < high
