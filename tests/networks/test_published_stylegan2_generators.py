"""StyleGAN2 generators with published weights give the ws and images of the published code."""

from __future__ import annotations

import pytest

from stylegan_tf.networks.styles import mix_styles, truncate

NAMES = [
    f"stylegan2_generator_{name}" for name in ("r32_skip", "r32_skip_cond10", "r32_orig", "r32_resnet", "r64_skip")
]
TRUNCATIONS = {"": (None, None), "_psi0.7_cut4": (0.7, 4), "_psi0.5": (0.5, None)}


def images_of(case, count, **options):
    labels = None if case.labels is None else case.labels[:count]
    return case.network(case.inputs[:count], labels=labels, **options)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("truncation", TRUNCATIONS)
def test_mapping_and_truncation(published, relative_error, name, truncation):
    case = published(name)
    psi, cutoff = TRUNCATIONS[truncation]
    ws = case.network.map(case.inputs, case.labels)
    if psi is not None:
        ws = truncate(ws, case.network.w_average, psi, cutoff)
    assert relative_error(ws, case.reference.outputs[f"ws{truncation}"]) < 1e-5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("truncation", TRUNCATIONS)
def test_images(published, relative_error, channels_first, name, truncation):
    case = published(name)
    psi, cutoff = TRUNCATIONS[truncation]
    want = case.reference.outputs[f"img{truncation}"]
    images = images_of(case, len(want), truncation_psi=psi, truncation_cutoff=cutoff)
    assert relative_error(channels_first(images), want) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_without_noise(published, relative_error, channels_first, name):
    case = published(name)
    want = case.reference.outputs["img_noise_none"]
    images = images_of(case, len(want), noise="none")
    assert relative_error(channels_first(images), want) < 1e-4
    assert relative_error(channels_first(images_of(case, len(want))), want) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_the_published_form_that_scales_weights_gives_the_same(published, relative_error, channels_first, name):
    case = published(name)
    want = case.reference.outputs["img_nonfused"]
    assert relative_error(channels_first(images_of(case, len(want))), want) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_style_mixing(published, relative_error, channels_first, name):
    case = published(name)
    crossover = case.reference.config["mix"]
    ws = case.network.map(case.inputs, case.labels)
    images = case.network.synthesis(mix_styles(ws[:1], ws[1:2], crossover))
    assert relative_error(channels_first(images), case.reference.outputs[f"img_mix_{crossover}"]) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_training_moves_the_mean_of_w(published, relative_error, name):
    case = published(name)
    before = case.network.w_average.numpy()
    ws = case.network.map(case.inputs, case.labels)
    try:
        case.network.update_w_average(ws[:, 0], decay=0.995)
        after = case.network.w_average.numpy()
    finally:
        case.network.w_average.assign(before)
    assert relative_error(after - before, case.reference.outputs["w_avg_after_train"] - before) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_nothing_published_is_left_out(published, name):
    case = published(name)
    tested = {f"{kind}{truncation}" for kind in ("ws", "img") for truncation in TRUNCATIONS}
    tested |= {"img_noise_none", "img_nonfused", f"img_mix_{case.reference.config['mix']}", "w_avg_after_train"}
    assert set(case.reference.outputs) == tested


@pytest.mark.slow
def test_a_clamp_that_is_never_reached_changes_nothing_and_a_small_one_does(
    published, build_published_stylegan2_generator, relative_error
):
    case = published("stylegan2_generator_r32_resnet")
    images = images_of(case, 2)
    for clamp, low, high in ((256.0, 0.0, 1e-6), (0.5, 1e-2, 10.0)):
        clamped = build_published_stylegan2_generator(case.reference.config["kwargs"], clamp=clamp)
        clamped.set_weights(case.network.get_weights())
        assert low <= relative_error(clamped(case.inputs[:2]), images) < high
