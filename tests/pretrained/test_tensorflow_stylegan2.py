"""StyleGAN2's TensorFlow pickles: reference networks, rewritten with its names and layout, come back as they were.

The names, the layouts, the mirrored kernels and the one in the styles are as publicly described; there is no file of
that code among the reference numbers. So what these tests show is that a file of this form gives a network that is
equal to a reference network whose numbers are known.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from tensorflow_pickle import Network, generator_variables, pickled, stylegan2_pickle

from stylegan_tf.networks.build import build_critic, build_generator, shape_of
from stylegan_tf.pretrained.published_names import load_published_critic, load_published_generator
from stylegan_tf.pretrained.read import read_published_file
from stylegan_tf.pretrained.structure import published_structure
from stylegan_tf.training.conversion import plan_conversion

PAIRS = [
    ("stylegan2_generator_r32_skip", "stylegan2_discriminator_r32_resnet"),
    ("stylegan2_generator_r32_resnet", None),
    ("stylegan2_generator_r32_orig", "stylegan2_discriminator_r32_orig"),
    ("stylegan2_generator_r64_skip", None),
    ("stylegan2_generator_r32_skip_cond10", None),
]


def tensorflow_file(generator, critic=None, **of_critic):
    kwargs = generator.config["kwargs"]
    arguments = {
        "num_channels": kwargs["img_channels"],
        "resolution": kwargs["img_resolution"],
        "label_size": kwargs["c_dim"],
        "fmap_base": kwargs["synthesis_kwargs"]["channel_base"] // 2,
        "fmap_max": kwargs["synthesis_kwargs"]["channel_max"],
        "architecture": "as told by the variables",
    }
    return stylegan2_pickle(generator.variables, critic and critic.variables, arguments, of_critic)


@pytest.mark.parametrize(("name", "critic_name"), PAIRS)
@pytest.mark.slow
def test_images_and_scores(tmp_path, reference, relative_error, channels_first, channels_last, name, critic_name):
    numbers, critic_numbers = reference(name), critic_name and reference(critic_name)
    path = tmp_path / "networks.pkl"
    path.write_bytes(tensorflow_file(numbers, critic_numbers))
    file = read_published_file(path)
    config = plan_conversion(file, tmp_path / "run").config
    kwargs = numbers.config["kwargs"]
    assert config.network.generator_architecture == kwargs["synthesis_kwargs"]["architecture"]
    assert config.network.family == "stylegan2" and file.lod == 0
    assert file.code == ("StyleGAN2-ADA, TensorFlow" if kwargs["c_dim"] else "StyleGAN2, TensorFlow")
    generator = build_generator(
        config.network, shape_of(config, int(np.log2(kwargs["img_resolution"])) - 1, kwargs["c_dim"])
    )
    load_published_generator(generator, file.generator.arrays)
    labels = numbers.inputs["c"] if kwargs["c_dim"] else None
    z, wanted = numbers.inputs["z"], numbers.outputs
    assert relative_error(generator.map(z, labels), wanted["ws"]) < 1e-5
    assert relative_error(channels_first(generator(z, labels=labels)), wanted["img"]) < 1e-4
    truncated = generator(z, labels=labels, truncation_psi=0.5)
    assert relative_error(channels_first(truncated)[: len(wanted["img_psi0.5"])], wanted["img_psi0.5"]) < 1e-4
    if critic_numbers:
        assert config.network.critic_architecture == critic_numbers.config["kwargs"]["architecture"]
        critic = build_critic(config.network, shape_of(config, 4))
        load_published_critic(critic, file.networks["critic"].arrays)
        images = channels_last(critic_numbers.inputs["images"])
        assert relative_error(critic(images), critic_numbers.outputs["logits"]) < 1e-4


def test_a_conditional_critic(tmp_path, reference):
    generator = reference("stylegan2_generator_r32_skip_cond10")
    critic = reference("stylegan2_discriminator_r32_resnet_cond10_f2")
    path = tmp_path / "networks.pkl"
    path.write_bytes(tensorflow_file(generator, critic))
    with pytest.raises(ValueError, match="mapping_lrmul of the critic in the published file must be there"):
        read_published_file(path)
    path.write_bytes(tensorflow_file(generator, critic, mapping_lrmul=0.2))
    file = read_published_file(path)
    assert file.networks["critic"].settings["critic_mapping_learning_rate_multiplier"] == 0.2
    assert "mapping_learning_rate_multiplier" not in file.generator.settings
    arrays = file.networks["critic"].arrays
    wanted = {name: array for name, array in critic.variables.items() if not name.endswith("resample_filter")}
    assert set(arrays) - {"lod"} == set(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


def with_classes(generator, critic, number):
    """Unconditional networks as those of the first StyleGAN2 with three classes, in which one class changes nothing.

    Its label is embedded as zeros, and the root of two by which z is then normalised to more is the one by which more
    rows make the first layer's weights less. Its score is the critic's own.
    """
    rng = np.random.default_rng(0)
    arrays, scores = dict(generator.variables), dict(critic.variables)
    weight = arrays["mapping.fc0.weight"]
    arrays["mapping.fc0.weight"] = np.concatenate([weight, rng.normal(size=weight.shape)], axis=1)
    arrays["mapping.label_concat.weight"] = rng.normal(size=(3, weight.shape[1]))
    arrays["mapping.label_concat.weight"][number] = 0
    for name in ("b4.out.weight", "b4.out.bias"):
        outputs = rng.normal(size=(3, *scores[name].shape[1:]))
        outputs[number] = scores[name][0]
        scores[name] = outputs
    return stylegan2_pickle(arrays, scores, {"label_size": 3})


@pytest.mark.slow
def test_classes_as_the_first_stylegan2_has_them(tmp_path, reference, relative_error, channels_first, channels_last):
    names = "stylegan2_generator_r32_skip", "stylegan2_discriminator_r32_resnet"
    numbers, critic_numbers = map(reference, names)
    path = tmp_path / "networks.pkl"
    path.write_bytes(with_classes(numbers, critic_numbers, number=1))
    file = read_published_file(path)
    assert file.code == "StyleGAN2, TensorFlow"
    conversion = plan_conversion(file, tmp_path / "run")
    assert (conversion.config.network.label_design, conversion.dataset.num_classes) == ("stylegan2", 3)
    generator = build_generator(conversion.config.network, shape_of(conversion.config, 4, 3))
    critic = build_critic(conversion.config.network, shape_of(conversion.config, 4, 3))
    load_published_generator(generator, file.generator.arrays)
    load_published_critic(critic, file.networks["critic"].arrays)
    z, images = numbers.inputs["z"], channels_last(critic_numbers.inputs["images"])

    def outputs(number):
        labels = np.eye(3, dtype=np.float32)[[number] * max(len(z), len(images))]
        pictures = generator(z, labels=labels[: len(z)])
        return (
            relative_error(generator.map(z, labels[: len(z)]), numbers.outputs["ws"]),
            relative_error(channels_first(pictures), numbers.outputs["img"]),
            relative_error(critic(images, labels=labels[: len(images)]), critic_numbers.outputs["logits"]),
        )

    assert max(outputs(1)) < 1e-4
    assert min(outputs(0)) > 1e-2


def test_a_clamp_of_the_critic_alone_is_refused(tmp_path, reference):
    generator, critic = (reference(f"stylegan2_{name}") for name in ("generator_r32_skip", "discriminator_r32_resnet"))
    path = tmp_path / "networks.pkl"
    path.write_bytes(tensorflow_file(generator, critic, conv_clamp=256))
    with pytest.raises(ValueError, match=r"clamp of the critic .* networks, 0\.0\. Received: 256\.0\. --skip_critic"):
        plan_conversion(read_published_file(path), tmp_path / "run")


def test_networks_that_use_labels_in_two_ways_are_refused(tmp_path, reference):
    scores = dict(reference("stylegan2_discriminator_r32_resnet").variables)
    for name in ("b4.out.weight", "b4.out.bias"):
        scores[name] = np.repeat(scores[name], 10, axis=0)
    path = tmp_path / "networks.pkl"
    path.write_bytes(stylegan2_pickle(reference("stylegan2_generator_r32_skip_cond10").variables, scores, {}))
    with pytest.raises(ValueError, match="label_design of the critic .* must be that of the other networks"):
        plan_conversion(read_published_file(path), tmp_path / "run")


def test_what_the_arguments_say(tmp_path, reference):
    numbers = reference("stylegan2_generator_r32_skip")
    path = tmp_path / "networks.pkl"
    own, mapping, synthesis = generator_variables(numbers.variables)

    def structure(**arguments):
        components = {
            "synthesis": Network("G_synthesis", "G_synthesis", arguments, synthesis),
            "mapping": Network("G_mapping", "G_mapping", {}, mapping),
        }
        path.write_bytes(pickled(Network("Gs", "G_main", {"truncation_psi": None}, own, components)))
        return published_structure(read_published_file(path))[0]

    found = structure(conv_clamp=256, resample_kernel=[1, 2, 1], mapping_lrmul=0.1, style_mixing_prob=None)
    assert (found["clamp"], found["clamp_always"], found["resample_filter"]) == (256.0, True, "1,2,1")
    assert found["mapping_learning_rate_multiplier"] == 0.1
    assert (found["style_mixing_probability"], found["truncation_psi"]) == (0.0, 1.0)
    assert not structure()["clamp_always"]
    for arguments, message in {
        ("nonlinearity", "relu"): "nonlinearity in the published file must be 'lrelu'. Received: 'relu'.",
        ("resample_kernel", "1,3,3,1"): "resample_kernel in the published file must be a short list of numbers.",
        ("fmap_decay", 2.0): "fmap_decay in the published file must be 1.0. Received: 2.0.",
    }.items():
        with pytest.raises(ValueError, match=re.escape(message)):
            structure(**{arguments[0]: arguments[1]})


def test_growing_networks_are_named_by_level(tmp_path, reference):
    own, mapping, synthesis = generator_variables(reference("stylegan2_generator_r32_skip").variables)
    synthesis = {
        re.sub(r"(\d+)x\d+/ToRGB", lambda m: f"ToRGB_lod{5 - int(np.log2(int(m[1])))}", n): a
        for n, a in synthesis.items()
    }
    components = {"synthesis": Network("S", "f", {}, synthesis), "mapping": Network("M", "f", {}, mapping)}
    path = tmp_path / "networks.pkl"
    path.write_bytes(pickled(Network("Gs", "G_main", {}, {**own, "lod": np.float32(1.5)}, components)))
    file = read_published_file(path)
    found, _ = published_structure(file)
    assert found["generator_architecture"] == "growing"
    assert file.lod == 1.5
    assert file.generator.arrays["synthesis.b4.torgb.weight"].shape[:2] == (3, 32)
