"""The presets against the published settings."""

import dataclasses

import numpy as np
import pytest

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.presets import FORMER_NAMES, PRESETS, preset
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.configuration.resolve import resolve

table = ResolutionTable.parse

# As published with StyleGAN (Karras et al. 2019): the training configuration at 1024x1024, and the default arguments
# of its networks and losses.
PUBLISHED = {
    "z_size": 512,
    "w_size": 512,
    "mapping_layers": 8,
    "mapping_learning_rate_multiplier": 0.01,
    "family": "stylegan1",
    "feature_maps_base": table("8192"),
    "feature_maps_max": 512,
    "fused_from": 128,
    "constant_input": True,
    "style": True,
    "noise": True,
    "normalization": "instance",
    "blur": True,
    "minibatch_stddev_group": 4,
    "minibatch_stddev_features": 1,
    "start_resolution": 8,
    "total_kimg": 25000.0,
    "stage_kimg": table("600"),
    "fade_kimg": table("600"),
    "learning_rate": table("4:0.001,128:0.0015,256:0.002,512:0.003"),
    "learning_rate_rampup_kimg": 0.0,
    "reset_optimizers": True,
    "gradient_penalty_weight": 10.0,
    "gradient_penalty_target": 1.0,
    "drift_weight": 0.001,
    "r1_gamma": 10.0,
    "critic_regularization_interval": 1,
    "path_length_weight": 0.0,
    "augment": "off",
    "style_mixing_probability": 0.9,
    "adam_beta1": 0.0,
    "adam_beta2": 0.99,
    "adam_epsilon": 1e-8,
    "ema_half_life_kimg": 10.0,
    "ema_rampup": 0.0,
    "w_average_decay": 0.995,
    "truncation_psi": 0.7,
    "truncation_cutoff": 8,
}


@pytest.mark.parametrize(("name", "resolution"), [("stylegan1", "1024"), ("stylegan1-256", "256")])
def test_published_numbers(name, resolution):
    config = preset(name)
    assert {field: config.get(field) for field in PUBLISHED} == PUBLISHED
    assert config.data.resolution == resolution
    assert config.channels == 3
    assert config.loss.loss == "wgan-gp"
    assert config.schedule.batch_size is None  # as published for the number of devices


def test_the_default_configuration_is_the_published_one():
    """Every default is written once: the preset adds a resolution, and no other number."""
    assert preset("stylegan1") == TrainConfig().replace({"resolution": "1024"})


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json_and_tells_what_it_is_for(name):
    assert TrainConfig.from_json(preset(name).to_json()) == preset(name)
    assert len(PRESETS[name].summary.split()) > 3


# As published with StyleGAN2 (Karras et al. 2020): configuration F at 1024x1024.
PUBLISHED_STYLEGAN2 = {
    "family": "stylegan2",
    "generator_architecture": "skip",
    "critic_architecture": "resnet",
    "z_size": 512,
    "w_size": 512,
    "mapping_layers": 8,
    "mapping_learning_rate_multiplier": 0.01,
    "feature_maps_base": table("16384"),
    "feature_maps_max": 512,
    "minibatch_stddev_group": 4,
    "minibatch_stddev_features": 1,
    "loss": "logistic",
    "r1_gamma": 10.0,
    "critic_regularization_interval": 16,
    "path_length_weight": 2.0,
    "path_length_decay": 0.01,
    "path_length_batch_shrink": 2,
    "generator_regularization_interval": 4,
    "style_mixing_probability": 0.9,
    "batch_size": table("32"),
    "learning_rate": table("0.002"),
    "learning_rate_rampup_kimg": 0.0,
    "total_kimg": 25000.0,
    "adam_beta1": 0.0,
    "adam_beta2": 0.99,
    "adam_epsilon": 1e-8,
    "ema_half_life_kimg": 10.0,
    "ema_rampup": 0.0,
    "w_average_decay": 0.995,
    "truncation_psi": 0.5,
    "truncation_cutoff": 0,
    "augment": "off",
    "resolution": "1024",
}

# What distinguishes configurations A to E of table 1 from F, and each from the next.
CONFIGURATIONS = {
    "e": {"feature_maps_base": table("8192"), "r1_gamma": 100.0},
    "d": {
        "feature_maps_base": table("8192"),
        "r1_gamma": 10.0,
        "generator_architecture": "growing",
        "critic_architecture": "growing",
        "batch_size": table("4:256,16:128,32:64,64:32"),
        "learning_rate": table("4:0.001,128:0.0015,256:0.002,512:0.003"),
    },
    "c": {"path_length_weight": 0.0},
    "b": {"critic_regularization_interval": 1},
    "a": {
        "family": "stylegan1",
        "truncation_psi": 0.7,
        "truncation_cutoff": 8,
        "generator_architecture": "skip",
        "critic_architecture": "resnet",
    },
}


def values_of(config, names):
    return {name: config.get(name) for name in names}


def test_published_numbers_of_stylegan2():
    assert values_of(preset("stylegan2-f"), PUBLISHED_STYLEGAN2) == PUBLISHED_STYLEGAN2


def test_published_numbers_of_the_configurations_on_the_way_to_it():
    expected = dict(PUBLISHED_STYLEGAN2)
    for name, changes in CONFIGURATIONS.items():
        expected |= changes
        assert values_of(preset(f"stylegan2-{name}"), expected) == expected, name
        assert preset(f"stylegan2-{name}").grows == (name in "abcd")


def test_batch_sizes_and_learning_rates_of_the_growing_configurations():
    schedule = preset("stylegan2-d").schedule
    sizes = [8 << n for n in range(8)]
    assert [schedule.batch_size.at((size, size)) for size in sizes] == [256, 128, 64, 32, 32, 32, 32, 32]
    rates = [schedule.learning_rate.at((size, size)) for size in sizes]
    assert rates == [0.001, 0.001, 0.001, 0.001, 0.0015, 0.002, 0.003, 0.003]
    assert schedule.start_resolution == 8


def test_published_numbers_of_adaptive_augmentation():
    config = preset("stylegan2-ada")
    expected = {
        **PUBLISHED_STYLEGAN2,
        "resolution": "",
        "mapping_layers": 2,
        "batch_size": None,
        "r1_gamma": None,
        "ema_half_life_kimg": None,
        "ema_rampup": 0.05,
        "augment": "adaptive",
        "augment_transforms": "bgc",
        "augment_p": 0.0,
        "augment_target": 0.6,
        "augment_interval": 4,
        "augment_kimg": None,
    }
    for name in ("feature_maps_base", "learning_rate"):
        del expected[name]
    assert values_of(config, expected) == expected
    by_size = {
        size: (config.network.feature_maps_base.at((size, size)), config.schedule.learning_rate.at((size, size)))
        for size in (32, 256, 512, 1024)
    }
    assert by_size == {32: (8192, 0.0025), 256: (8192, 0.0025), 512: (16384, 0.0025), 1024: (16384, 0.002)}


@pytest.mark.parametrize(
    ("name", "gamma", "half_life", "augment_p"), [("r3gan-32", 0.05, 5000, 0.55), ("r3gan-64", 2.0, 500, 0.3)]
)
def test_the_schedule_of_r3gan_settles_over_20000_kimg(name, gamma, half_life, augment_p):
    config = preset(name)
    assert (config.loss.loss, config.grows, config.loss.critic_regularization_interval) == ("relativistic", False, 1)
    expected = {
        "r1_gamma": (gamma, gamma / 10),
        "r2_gamma": (gamma, gamma / 10),
        "learning_rate": (0.002, 0.0005),
        "adam_beta2": (0.9, 0.99),
        "ema_half_life_kimg": (1, half_life),
        "augment_p": (0, augment_p),
    }
    for field, (first, last) in expected.items():
        values = [config.get(field).at(kimg, 250000) for kimg in (0, 10000, 20000, 40000)]
        np.testing.assert_allclose(values, [first, (first + last) / 2, last, last], rtol=1e-9, err_msg=field)


def test_former_names_still_mean_what_they_meant():
    for former, name in FORMER_NAMES.items():
        assert preset(former) == preset(name)
        assert former not in PRESETS


@pytest.mark.parametrize("name", ["tiny-stylegan2", "tiny-stylegan2-ada"])
def test_the_small_stylegan2_has_the_sizes_of_the_small_stylegan(name):
    sizes = ("z_size", "w_size", "mapping_layers", "feature_maps_base", "feature_maps_max", "batch_size", "resolution")
    assert values_of(preset(name), sizes) == values_of(preset("tiny-stylegan1"), sizes)
    config = preset(name)
    assert (config.network.family, config.loss.loss, config.grows) == ("stylegan2", "logistic", False)
    assert config.augment.augment == ("adaptive" if name.endswith("ada") else "off")


def test_the_small_stylegan_grows_with_wgan_gp():
    config = preset("tiny-stylegan1")
    assert (config.network.family, config.loss.loss, config.grows) == ("stylegan1", "wgan-gp", True)


def test_digits_are_grey_and_lead_from_7_to_28():
    config = preset("digits")
    assert (config.base_size, config.data.channels, config.num_levels_for((28, 28))) == ((7, 7), 1, 3)


def test_a_preset_cannot_be_written_to():
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset("tiny").network = None


def test_only_progressive_growing_has_a_critic_that_classifies():
    """As published; StyleGAN's has a score for each class."""
    assert [name for name in PRESETS if preset(name).network.critic_classifies] == ["progan"]


@pytest.mark.parametrize(("size", "gamma"), [(28, 0.23), (32, 0.3), (64, 1.2)])
def test_the_r1_weight_of_small_presets_is_that_of_the_pixels(size, gamma):
    assert resolve(preset("tiny-stylegan2"), (size, size), 1).loss.r1_gamma == pytest.approx(gamma, rel=0.01)
