"""Pickles of the growing networks that are not among the reference pickles: reference networks, pickled as such."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tensorflow_pickle import Network, pickled

from stylegan_tf.networks.build import build_critic, build_generator, shape_of
from stylegan_tf.pretrained.published_names import load_published_critic, load_published_generator, published_arrays
from stylegan_tf.pretrained.read import read_published_file
from stylegan_tf.training.conversion import plan_conversion


def components(arrays, arguments):
    """Own variables, and components as StyleGAN's code has them."""
    parts = {"mapping": {}, "synthesis": {}}
    own = {}
    for name, array in arrays.items():
        part, _, rest = name.removeprefix("G_").partition("/")
        (parts[part] if name.startswith("G_") else own)[rest if name.startswith("G_") else name] = array
    networks = {part: Network(f"G_{part}", f"G_{part}", arguments, arrays) for part, arrays in parts.items() if arrays}
    return own, networks


def written(path, generator, critic=None):
    arguments = generator.config["kwargs"]
    own, parts = components(generator.variables, arguments)
    d = critic and Network("D", "D_basic", critic.config["kwargs"], critic.variables, version=3)
    g, gs = (Network(name, "G", arguments, {**own, "lod": np.float32(0)}, parts, version=3) for name in ("G", "Gs"))
    path.write_bytes(pickled((g, d, gs)))
    return read_published_file(path)


@pytest.mark.parametrize(
    ("name", "critic_name", "fused_from"),
    [
        ("stylegan1_generator_r32", "stylegan1_discriminator_r32", 128),
        ("stylegan1_generator_r32_fused", None, 1),
        ("stylegan1_generator_r32_cond10", "stylegan1_discriminator_r32_cond10", 128),
        ("progan_generator_r32", "progan_discriminator_r32", 1),
        ("progan_generator_r32_nonfused_cond10", None, 0),
    ],
)
@pytest.mark.slow
def test_images_and_scores(
    tmp_path, reference, relative_error, channels_first, channels_last, name, critic_name, fused_from
):
    numbers, critic_numbers = reference(name), critic_name and reference(critic_name)
    if critic_numbers and critic_numbers.config["kwargs"]["fmap_max"] != numbers.config["kwargs"]["fmap_max"]:
        critic_numbers = None
    file = written(tmp_path / "networks.pkl", numbers, critic_numbers)
    conversion = plan_conversion(file, tmp_path / "run")
    config, classes = conversion.config, conversion.dataset.num_classes
    assert config.network.fused_from == fused_from
    assert classes == numbers.config["kwargs"]["label_size"]
    generator = build_generator(config.network, shape_of(config, conversion.num_levels, classes))
    load_published_generator(generator, file.generator.arrays)
    wanted = numbers.outputs["images_lod0" if "progan" in name else "images_lod0_psi_none"]
    labels = numbers.inputs["labels"] if classes else None
    assert relative_error(channels_first(generator(numbers.inputs["z"], labels=labels)), wanted) < 1e-4
    if critic_numbers:
        critic = build_critic(config.network, shape_of(config, conversion.num_levels, classes))
        load_published_critic(critic, file.networks["critic"].arrays)
        images = channels_last(critic_numbers.inputs["images"])
        scores = critic(images, critic_numbers.inputs["labels"] if classes else None)
        assert relative_error(scores, critic_numbers.outputs["scores_lod0"]) < 1e-4


def conditional_progan(reference, label_size=10):
    """A generator with labels and a critic that says them: the published one, with logits 1 to 10 times its score."""
    generator = reference("progan_generator_r32_nonfused_cond10")
    critic = reference("progan_discriminator_r32_nonfused")
    factors = np.arange(label_size + 1, dtype=np.float32)
    factors[0] = 1.0
    last = {f"4x4/Dense1/{part}": critic.variables[f"4x4/Dense1/{part}"] * factors for part in ("weight", "bias")}
    critic = dataclasses.replace(
        critic,
        variables={**critic.variables, **last},
        config={**critic.config, "kwargs": {**critic.config["kwargs"], "label_size": label_size}},
    )
    return generator, critic, factors


def test_a_progan_with_labels(tmp_path, reference, relative_error, channels_last):
    generator, numbers, factors = conditional_progan(reference)
    file = written(tmp_path / "networks.pkl", generator, numbers)
    conversion = plan_conversion(file, tmp_path / "run")
    config, classes = conversion.config, conversion.dataset.num_classes
    assert (classes, config.network.critic_classifies, config.loss.label_loss_weight) == (10, True, 1.0)
    critic = build_critic(config.network, shape_of(config, conversion.num_levels, classes))
    load_published_critic(critic, file.networks["critic"].arrays)
    images = channels_last(numbers.inputs["images"])
    outputs = critic(images, np.eye(10, dtype=np.float32)[np.arange(len(images)) % 10])
    assert relative_error(outputs, numbers.outputs["scores_lod0"] * factors) < 1e-4
    for name, array in published_arrays(critic).items():
        np.testing.assert_array_equal(array, file.networks["critic"].arrays[name])


def test_a_progan_with_other_labels_in_its_critic(tmp_path, reference):
    generator, numbers, _ = conditional_progan(reference, 9)
    file = written(tmp_path / "networks.pkl", generator, numbers)
    with pytest.raises(ValueError, match=r"num_classes of the critic .* other networks, 10\. .* 9\. --skip_critic"):
        plan_conversion(file, tmp_path / "run")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"nonlinearity": "relu"}, "nonlinearity in the published file must be 'lrelu'. Received: 'relu'"),
        ({"blur_filter": [1, 4, 6, 4, 1]}, "blur_filter .* must be .1, 2, 1. or None"),
        ({"fused_scale": "sometimes"}, "fused_scale .* must be 'auto', True or False. Received: 'sometimes'"),
        ({"use_pixel_norm": True}, "the normalisation .* must be one of instance, pixel and none"),
        ({"mapping_lrmul": "fast"}, "mapping_lrmul .* must be a number. Received: 'fast'"),
        ({"label_size": -1}, "label_size .* must be a number of classes. Received: -1"),
    ],
)
def test_what_our_networks_do_not_do_is_refused(tmp_path, reference, arguments, words):
    numbers = reference("stylegan1_generator_r32")
    own, parts = components(numbers.variables, {**numbers.config["kwargs"], **arguments})
    path = tmp_path / "networks.pkl"
    path.write_bytes(pickled(Network("Gs", "G_style", {}, own, parts, version=3)))
    with pytest.raises(ValueError, match=words):
        read_published_file(path)


def test_other_forms_that_our_networks_have(tmp_path, reference):
    numbers = reference("stylegan1_generator_r32")
    changed = {
        "blur_filter": None,
        "use_instance_norm": False,
        "mapping_lrmul": 0.1,
        "truncation_psi": None,
        "truncation_cutoff": None,
        "dlatent_avg_beta": 0.9,
    }
    own, parts = components(numbers.variables, {**numbers.config["kwargs"], **changed})
    path = tmp_path / "networks.pkl"
    path.write_bytes(pickled(Network("Gs", "G_style", {}, own, parts, version=3)))
    config = plan_conversion(read_published_file(path), tmp_path / "run").config
    assert (config.network.blur, config.network.normalization) == (False, "none")
    assert config.network.mapping_learning_rate_multiplier == 0.1
    assert (config.run.truncation_psi, config.run.truncation_cutoff) == (1.0, 0)
    assert config.optimizer.w_average_decay == 0.9
