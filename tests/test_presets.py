"""The presets against the published settings."""

import dataclasses

import pytest

from stylegan_tf.config import ResolutionTable, TrainConfig
from stylegan_tf.presets import PRESETS, preset

table = ResolutionTable.parse

# As published with StyleGAN (Karras et al. 2019): the training configuration at 1024x1024, and the default arguments
# of its networks and losses.
PUBLISHED = {
    "z_size": 512,
    "w_size": 512,
    "mapping_layers": 8,
    "mapping_learning_rate_multiplier": 0.01,
    "feature_maps_base": 8192,
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
    "regularization_interval": 1,
    "style_mixing_probability": 0.9,
    "adam_beta1": 0.0,
    "adam_beta2": 0.99,
    "adam_epsilon": 1e-8,
    "ema_half_life_kimg": 10.0,
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


def test_digits_are_grey_and_lead_from_7_to_28():
    config = preset("digits")
    assert (config.base_size, config.data.channels, config.num_levels_for((28, 28))) == ((7, 7), 1, 3)


def test_a_preset_cannot_be_written_to():
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset("tiny").network = None
