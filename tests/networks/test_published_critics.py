"""Critics with published weights give the scores and image gradients of the published discriminators."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from stylegan_tf.ops.resample import downsample_average

STYLE = [f"stylegan1_discriminator_{name}" for name in ("r32", "r32_cond10", "r32_fused", "r256_auto")]
PROGRESSIVE = ["progan_discriminator_r32", "progan_discriminator_r32_nonfused"]


@pytest.mark.parametrize("name", STYLE + PROGRESSIVE)
def test_scores_and_gradients(published, relative_error, channels_first, level_of_lod, name):
    case = published(name)
    outputs = case.reference.outputs
    lods = [key.removeprefix("scores_lod") for key in outputs if key.startswith("scores_lod")]
    assert sorted(map(float, lods)) == case.reference.config["lods"]
    gradients_checked = 0
    for lod in lods:
        level, fade_in = level_of_lod(float(lod), case.network.num_levels)
        images = tf.constant(case.inputs)
        with tf.GradientTape() as tape:
            tape.watch(images)
            shrunk = images  # the published networks take the full resolution and shrink it themselves
            for _ in range(case.network.num_levels - 1 - level):
                shrunk = downsample_average(shrunk)
            scores = case.network(
                shrunk, labels=case.labels, level=level, fade_in=None if lod == str(math.floor(float(lod))) else fade_in
            )
        assert relative_error(scores, outputs[f"scores_lod{lod}"]) < 1e-4, lod
        if f"grads_lod{lod}" in outputs:
            want = outputs[f"grads_lod{lod}"]
            gradients = channels_first(tape.gradient(scores, images))[: len(want)]
            assert relative_error(gradients, want) < 1e-3, lod
            gradients_checked += 1
    assert gradients_checked == (1 if "r256" in name else len(lods))


@pytest.mark.parametrize("name", STYLE + PROGRESSIVE)
def test_a_batch_smaller_than_the_group(published, relative_error, name):
    case = published(name)
    labels = None if case.labels is None else case.labels[:3]
    scores = case.network(case.inputs[:3], labels=labels)
    assert relative_error(scores, case.reference.outputs["scores_first3_lod0"]) < 1e-4


@pytest.mark.parametrize("name", ["stylegan1_discriminator_r32_cond10", "progan_discriminator_r32"])
def test_batches_behind_each_other_are_scored_apart(published, relative_error, name):
    case = published(name)
    pair = np.concatenate([case.inputs, 0.3 * case.inputs[::-1]])
    labels = None if case.labels is None else np.concatenate([case.labels, case.labels[::-1]])
    together = case.network(pair, labels=labels, num_batches=2)
    assert relative_error(together[:8], case.reference.outputs["scores_lod0"]) < 1e-4
    apart = case.network(pair[8:], labels=None if labels is None else labels[8:])
    np.testing.assert_allclose(together[8:], apart, rtol=1e-4, atol=1e-4)
    mixed = case.network(pair, labels=labels).numpy()
    assert np.max(np.abs(mixed - together)) > 1e-3 * np.max(np.abs(together))
