"""Generators with published weights give the images of the published code, at every level of detail."""

from __future__ import annotations

import math

import pytest

from stylegan_tf.networks.styles import mix_styles
from stylegan_tf.ops.resample import upsample_nearest_to

STYLE = [f"stylegan1_generator_{name}" for name in ("r32", "r32_fused", "r32_cond10", "r256_auto")]
PROGRESSIVE = ["progan_generator_r32", "progan_generator_r32_nonfused_cond10"]
WITH_MIXING = STYLE[:3]
WITH_TRAINING = ["stylegan1_generator_r32", "stylegan1_generator_r32_cond10"]


@pytest.mark.parametrize("name", STYLE)
def test_mapping(published, relative_error, name):
    case = published(name)
    assert relative_error(case.network.map(case.inputs, case.labels), case.reference.outputs["w"]) < 1e-5


@pytest.mark.parametrize("name", STYLE + PROGRESSIVE)
@pytest.mark.slow
def test_images(published, relative_error, channels_first, level_of_lod, name):
    case = published(name)
    num_levels = case.network.synthesis.num_levels
    # Instance normalisation of few weak channels amplifies rounding in the 256x256 network.
    tolerance = 5e-4 if "r256" in name else 1e-4
    checked = []
    for key, want in case.reference.outputs.items():
        if not key.startswith("images_lod"):
            continue
        lod, _, truncation = key.removeprefix("images_lod").partition("_")
        level, fade_in = level_of_lod(float(lod), num_levels)
        truncated = truncation == "psi0.7_cut4"
        count = len(want)
        images = case.network(
            case.inputs[:count],
            labels=None if case.labels is None else case.labels[:count],
            truncation_psi=0.7 if truncated else None,
            truncation_cutoff=4 if truncated else None,
            level=level,
            fade_in=None if lod == str(math.floor(float(lod))) else fade_in,
        )
        # The published networks always return the full resolution.
        images = channels_first(upsample_nearest_to(images, want.shape[2]))
        assert relative_error(images, want) < tolerance, key
        checked.append(float(lod))
    assert sorted(set(checked)) == case.reference.config["lods"]


@pytest.mark.parametrize("name", WITH_MIXING)
def test_style_mixing(published, relative_error, channels_first, name):
    case = published(name)
    crossover = case.reference.config["mix"]
    ws = case.network.map(case.inputs, case.labels)
    images = case.network.synthesis(mix_styles(ws[:1], ws[1:2], crossover))
    assert relative_error(channels_first(images), case.reference.outputs[f"images_mix_{crossover}"]) < 1e-4


@pytest.mark.parametrize("name", WITH_TRAINING)
def test_training_moves_the_mean_of_w_and_does_not_truncate(published, relative_error, channels_first, name):
    case = published(name)
    before = case.network.w_average.numpy()
    ws = case.network.map(case.inputs[:2], None if case.labels is None else case.labels[:2])
    try:
        case.network.update_w_average(ws[:, 0], decay=0.995)
        after = case.network.w_average.numpy()
    finally:
        case.network.w_average.assign(before)
    outputs = case.reference.outputs
    assert relative_error(after - before, outputs["dlatent_avg_after_train"] - before) < 1e-4
    assert relative_error(channels_first(case.network.synthesis(ws)), outputs["images_train"]) < 1e-4


def test_the_numbers_can_tell_forms_apart(published, relative_error, channels_first):
    """The tolerance means something: each part of the network that is left out shows."""
    case = published("stylegan1_generator_r32")
    synthesis = case.network.synthesis
    want = case.reference.outputs["images_lod0_psi_none"]
    assert relative_error(channels_first(case.network(case.inputs, noise="none")), want) > 0.01
    for layer in synthesis.styled_layers:
        if layer.conv is not None and layer.conv.resample == "up":
            layer.conv.fused = True
    try:
        assert relative_error(channels_first(case.network(case.inputs)), want) > 0.01
    finally:
        for layer in synthesis.styled_layers:
            if layer.conv is not None:
                layer.conv.fused = False
