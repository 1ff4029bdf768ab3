"""The bridge from published names fills a network exactly or not at all.

That the filled networks give the published numbers is tested beside the networks.
"""

from __future__ import annotations

import numpy as np
import pytest

from stylegan_tf.pretrained.published_names import load_published_critic, load_published_generator

FILES = {
    "style_generator": "stylegan1_generator_r32_cond10",
    "progressive_generator": "progan_generator_r32_nonfused_cond10",
    "style_critic": "stylegan1_discriminator_r32_cond10",
    "progressive_critic": "progan_discriminator_r32_nonfused",
    "stylegan2_generator": "stylegan2_generator_r32_skip_cond10",
    "stylegan2_critic": "stylegan2_discriminator_r32_resnet_cond10_f2",
}


@pytest.fixture(scope="module")
def made(
    reference,
    build_published_generator,
    build_published_critic,
    build_published_stylegan2_generator,
    build_published_stylegan2_critic,
):
    """`made(kind)`: an untrained network, the function that fills it and the published arrays."""
    networks = {}
    stylegan2 = {
        "stylegan2_generator": build_published_stylegan2_generator,
        "stylegan2_critic": build_published_stylegan2_critic,
    }

    def make(kind: str):
        numbers = reference(FILES[kind])
        if kind not in networks:
            kwargs = numbers.config["kwargs"]
            if kind in stylegan2:
                networks[kind] = stylegan2[kind](kwargs)
            else:
                build = build_published_generator if "generator" in kind else build_published_critic
                networks[kind] = build(kwargs, progressive="progressive" in kind)
        load = load_published_generator if "generator" in kind else load_published_critic
        return networks[kind], load, dict(numbers.variables)

    return make


def assert_refused(network, load, arrays: dict[str, np.ndarray], *messages: str) -> None:
    """Loading raises an error with all messages, and changes nothing."""
    before = [weight.numpy().copy() for weight in network.weights]
    with pytest.raises(ValueError) as error:
        load(network, arrays)
    for message in messages:
        assert message in str(error.value)
    for weight, want in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight, want, err_msg=weight.path)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.slow
def test_an_array_without_a_variable_is_named(made, kind):
    network, load, arrays = made(kind)
    arrays["64x64/Conv0/weight"] = np.zeros((3, 3, 4, 4), np.float32)
    arrays["surprise"] = np.zeros(2, np.float32)
    assert_refused(
        network, load, arrays, "array without a variable: 64x64/Conv0/weight", "array without a variable: surprise"
    )


@pytest.mark.parametrize("kind", FILES)
def test_every_missing_array_is_named(made, kind):
    network, load, arrays = made(kind)
    missing = [name for name in sorted(arrays) if "resample_filter" not in name][::5]
    for name in missing:
        del arrays[name]
    assert_refused(network, load, arrays, *(f"variable without an array: {name}" for name in missing))


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("change", ["longer", "flat", "scalar"])
def test_every_array_of_a_wrong_shape_is_named(made, kind, change):
    network, load, arrays = made(kind)
    for name, array in arrays.items():
        flat = array.reshape(-1) if array.ndim == 0 else array
        wrong = {
            "longer": np.concatenate([flat, flat[..., :1]], axis=-1),
            "flat": np.zeros(array.size + 1, np.float32),
            "scalar": np.float32(0.0) if array.ndim else np.zeros((1, 1, 1), np.float32),
        }[change]
        arrays[name] = wrong
    assert_refused(network, load, arrays, *(f"{name}: shape {np.shape(arrays[name])}" for name in arrays))


@pytest.mark.parametrize("kind", FILES)
def test_one_wrong_array_leaves_the_others_unread(made, kind):
    network, load, arrays = made(kind)
    name = max(arrays)
    arrays[name] = arrays[name][..., :-1]
    assert_refused(network, load, arrays, f"{name}: shape {arrays[name].shape}")


def test_weights_of_the_other_form_are_refused(made):
    # Separate and fused progressive networks differ in names as in function.
    for kind in ("progressive_generator", "progressive_critic"):
        network, load, arrays = made(kind)
        old, new = ("/Conv0/", "/Conv0_up/") if "generator" in kind else ("/Conv1/", "/Conv1_down/")
        fused = {name.replace(old, new): array for name, array in arrays.items()}
        assert_refused(network, load, fused, f"array without a variable: 8x8{new}weight")


def test_a_network_with_more_than_was_published_is_refused(made, reference):
    # No labels in the file, ten classes in the network.
    network, load, _ = made("style_generator")
    arrays = reference("stylegan1_generator_r32").variables
    assert_refused(network, load, arrays, "variable without an array: G_mapping/LabelConcat")


@pytest.mark.parametrize("kind", FILES)
def test_every_array_arrives(made, kind):
    network, load, arrays = made(kind)
    if kind.startswith("progressive"):
        arrays["lod"] = np.float32(1.5)  # training state
    load(network, arrays)
    arrays = {name: array for name, array in arrays.items() if name != "lod" and "resample_filter" not in name}
    # The bridge only moves values about, so the sums of all squares agree.
    filled = [weight for weight in network.weights if weight.path.split("/")[-1] != "w_average" or np.any(weight)]
    got = sorted(float(np.sum(np.square(np.asarray(weight, np.float64)))) for weight in filled)
    want = sorted(float(np.sum(np.square(array.astype(np.float64)))) for array in arrays.values())
    np.testing.assert_allclose(got, want, rtol=1e-12)


STYLEGAN2 = [kind for kind in FILES if kind.startswith("stylegan2")]


@pytest.mark.parametrize("kind", STYLEGAN2)
def test_another_filter_than_the_networks_is_named(made, kind):
    network, load, arrays = made(kind)
    names = [name for name in arrays if name.endswith("resample_filter")]
    for name in names:
        arrays[name] = arrays[name] * np.float32(1.01)
    assert_refused(network, load, arrays, *(f"{name}: [[" for name in names))


@pytest.mark.parametrize("kind", STYLEGAN2)
def test_filters_may_be_missing_but_not_belong_to_nothing(made, kind):
    network, load, arrays = made(kind)
    known = "b32.conv0.resample_filter" if "critic" in kind else "synthesis.b32.conv0.resample_filter"
    stray = {**arrays, "synthesis.b64.conv0.resample_filter": arrays[known]}
    assert_refused(network, load, stray, "array without a variable: synthesis.b64.conv0.resample_filter")
    load(network, {name: array for name, array in arrays.items() if "resample_filter" not in name})


def test_a_network_with_another_filter_is_refused(made, build_published_stylegan2_critic, reference):
    _, load, arrays = made("stylegan2_critic")
    kwargs = reference(FILES["stylegan2_critic"]).config["kwargs"]
    network = build_published_stylegan2_critic(kwargs, resample_filter=(1, 2, 2, 1))
    assert_refused(network, load, arrays, "b32.skip.resample_filter: [[")


@pytest.mark.parametrize("kind", STYLEGAN2)
@pytest.mark.slow
def test_weights_of_another_architecture_are_refused(
    made, build_published_stylegan2_generator, build_published_stylegan2_critic, reference, kind
):
    _, load, arrays = made(kind)
    kwargs = reference(FILES[kind]).config["kwargs"]
    if kind == "stylegan2_generator":
        network = build_published_stylegan2_generator(kwargs, architecture="resnet")
        messages = [
            "variable without an array: synthesis.b8.skip.weight",
            "array without a variable: synthesis.b4.torgb.affine.weight",
        ]
    else:
        network = build_published_stylegan2_critic(kwargs, architecture="skip")
        messages = ["variable without an array: b4.fromrgb.weight", "array without a variable: b16.skip.weight"]
    assert_refused(network, load, arrays, *messages)


def test_weights_of_the_other_family_are_refused(made):
    for kind, other in (("style_generator", "stylegan2_generator"), ("style_critic", "stylegan2_critic")):
        network, load, _ = made(kind)
        other_network, other_load, arrays = made(other)
        assert_refused(network, load, arrays, "array without a variable: mapping.fc0.weight")
        assert_refused(other_network, other_load, made(kind)[2], "variable without an array: mapping.fc0.weight")
