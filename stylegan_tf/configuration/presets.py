"""Named configurations. Each says what it is for, what it costs, and what to expect."""

from __future__ import annotations

import dataclasses
from typing import Any

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.kimg_tables import KimgTable
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.errors import UserError, did_you_mean

table = ResolutionTable.parse


@dataclasses.dataclass(frozen=True)
class Preset:
    """A configuration with a line on what it is for."""

    summary: str
    config: TrainConfig


def _tiny_stylegan1() -> Preset:
    """StyleGAN with WGAN-GP, growing from 4x4, for portraits at 32x32 on two CPU cores.

    Unlike the published settings: narrow networks, a small z and a short mapping network that learns ten times
    faster; resampling and convolution are one operation at every resolution; eight images a step, since the number
    of steps counts in so short a run; a learning rate two and a half times as high as WGAN-GP got, which falls in the
    second half, and the gradient penalty in every fourth step (docs/results.md); brief stages, so that most of the
    time goes to 32x32; edges repeated, without which corners stay dark; no style mixing; a short average. No noise: in
    so short a run the generator draws hair and eyes with it, which then lie anywhere. R1, for --loss=logistic, is
    weaker, as small images want it.
    """
    config = TrainConfig().replace(
        {
            "z_size": 128,
            "w_size": 128,
            "mapping_layers": 4,
            "mapping_learning_rate_multiplier": 0.1,
            "feature_maps_base": 512,
            "feature_maps_max": 64,
            "fused_from": 8,
            "start_resolution": 4,
            "total_kimg": 66.0,
            "stage_kimg": table("4:0.5,8:2,16:5"),
            "fade_kimg": table("8:0.5,16:1,32:2"),
            "batch_size": table("8"),
            "learning_rate": KimgTable.parse("0:0.005,50%:0.005,100%:0.0005:cosine"),
            "learning_rate_limit": 0.005,
            "critic_regularization_interval": 4,
            "generator_padding": "edge",
            "ema_half_life_kimg": 2.0,
            "style_mixing_probability": 0.0,
            "noise": False,
            "r1_gamma": None,
            "r1_gamma_per_pixel": 0.0078,
            "tensorboard_interval_kimg": 0.5,
            "grid_interval_kimg": 4.0,
            "checkpoint_interval_kimg": 8.0,
        }
    )
    return Preset("StyleGAN with WGAN-GP, growing, for emoji portraits at 32x32 on two CPU cores", config)


def _stylegan1() -> Preset:
    """Karras et al. 2019 (StyleGAN) at 1024x1024: 25,000 kimg, a week on eight V100 as published."""
    return Preset("the published StyleGAN at 1024x1024", TrainConfig().replace({"resolution": "1024"}))


def _stylegan1_256() -> Preset:
    """The same settings at 256x256."""
    return Preset("the published StyleGAN's settings at 256x256", TrainConfig().replace({"resolution": "256"}))


def _progan() -> Preset:
    """Karras et al. 2018 (progressive growing), tables 1 and 2 and appendix A.1, at 1024x1024."""
    config = TrainConfig().replace(
        {
            "resolution": "1024",
            "mapping_layers": 0,
            "constant_input": False,
            "style": False,
            "noise": False,
            "normalization": "pixel",
            "blur": False,
            "fused_from": 1,
            "critic_classifies": True,
            "start_resolution": 4,
            "learning_rate": 0.001,
            "total_kimg": 12000.0,
            "style_mixing_probability": 0.0,
            "truncation_psi": 1.0,
        }
    )
    return Preset("progressive growing of GANs, before StyleGAN, at 1024x1024", config)


def _stylegan2(config_name: str) -> Preset:
    """Karras et al. 2020 (StyleGAN2), table 1, configurations A to F at 1024x1024, with the settings published with it.

    A is StyleGAN in that training setup; B demodulates weights; C regularises lazily; D regularises path lengths; E
    does not grow, with a skip generator and a residual critic; F has twice the feature maps at high resolutions. Each
    keeps what the one before brought.
    """
    growing = {
        "start_resolution": 8,
        "batch_size": table("4:256,16:128,32:64,64:32"),
        "learning_rate": table("4:0.001,128:0.0015,256:0.002,512:0.003"),
    }
    changes: dict[str, dict[str, Any]] = {
        "a": {"resolution": "1024", "loss": "logistic", "r1_gamma": 10.0, **growing},
        "b": {
            "family": "stylegan2",
            "generator_architecture": "growing",
            "critic_architecture": "growing",
            "truncation_psi": 0.5,
            "truncation_cutoff": 0,
        },
        "c": {"critic_regularization_interval": 16},
        "d": {"path_length_weight": 2.0},
        "e": {
            "generator_architecture": "skip",
            "critic_architecture": "resnet",
            "batch_size": 32,
            "learning_rate": 0.002,
            "r1_gamma": 100.0,
        },
        "f": {"feature_maps_base": 16384, "r1_gamma": 10.0},
    }
    meanings = {
        "a": "StyleGAN in StyleGAN2's training setup",
        "b": "with weight demodulation",
        "c": "with lazy regularisation",
        "d": "with path length regularisation",
        "e": "skip generator and residual critic, no growing",
        "f": "large networks: the published StyleGAN2",
    }
    config = TrainConfig()
    for name, values in changes.items():
        config = config.replace(values)
        if name == config_name:
            break
    return Preset(f"StyleGAN2's configuration {config_name.upper()} at 1024x1024: {meanings[config_name]}", config)


def _stylegan2_ada() -> Preset:
    """Karras et al. 2020 (ADA): the automatic settings published with its code, for data of any size and resolution.

    Batch size, gamma and the average's half-life follow from resolution and devices (`configuration.resolve`).
    """
    config = _stylegan2("f").config.replace(
        {
            "resolution": "",
            "mapping_layers": 2,
            "feature_maps_base": table("4:8192,512:16384"),
            "batch_size": None,
            "learning_rate": table("4:0.0025,1024:0.002"),
            "r1_gamma": None,
            "ema_half_life_kimg": None,
            "ema_rampup": 0.05,
            "augment": "adaptive",
            "augment_transforms": "bgc",
        }
    )
    return Preset("StyleGAN2 with adaptive augmentation, settings by resolution and devices", config)


def _r3gan(resolution: int, gamma: float, batch: int, half_life_kimg: float, augment_p: float) -> Preset:
    """Huang et al. 2024 (R3GAN): the relativistic loss with R1 and R2, and a schedule that settles over 20,000 kimg.

    Over these kimg both penalties fall to a tenth, the learning rates to a quarter, and Adam's second decay, the
    average's length and the augmentation rise, each by a cosine; then all stay. The values are those of CIFAR-10 at
    32x32 and of FFHQ at 64x64. Not the paper's: the networks, which are StyleGAN2's without noise, style mixing and
    minibatch standard deviation, and therefore the learning rates, ten times as high, since these weights are
    equalized.
    """
    burn_in = 20000

    def over_burn_in(first: float, last: float) -> KimgTable:
        return KimgTable.parse(f"0:{first},{burn_in}:{last}:cosine")

    config = _stylegan2("e").config.replace(
        {
            "resolution": str(resolution),
            "loss": "relativistic",
            "critic_regularization_interval": 1,
            "path_length_weight": 0.0,
            "r1_gamma": over_burn_in(gamma, gamma / 10),
            "r2_gamma": over_burn_in(gamma, gamma / 10),
            "mapping_layers": 2,
            "noise": False,
            "style_mixing_probability": 0.0,
            "minibatch_stddev_group": 0,
            "batch_size": table(str(batch)),
            "learning_rate": over_burn_in(0.002, 0.0005),
            "adam_beta2": over_burn_in(0.9, 0.99),
            "ema_half_life_kimg": over_burn_in(1.0, half_life_kimg),
            "augment": "fixed",
            "augment_p": over_burn_in(0.0, augment_p),
            "mirror": True,
            "total_kimg": 250000.0,
        }
    )
    return Preset(f"R3GAN's loss and schedule at {resolution}x{resolution}, with StyleGAN2's networks", config)


def _tiny_stylegan2() -> Preset:
    """StyleGAN2 for portraits at 32x32 on two CPU cores in a quarter of an hour; kernel distance 0.44, one seed.

    Sizes, batch and average are those of `tiny-stylegan1`. A learning rate of 0.005 and a weak R1 (0.3) learn faster
    here than the published 0.002 and stronger ones; at 64x64 it is 1.2, without which pictures were less varied
    (docs/results.md). No path length regularisation: smooth w matters less here than a quarter more steps.
    """
    config = _tiny_stylegan1().config.replace(
        {
            "family": "stylegan2",
            "loss": "logistic",
            "critic_regularization_interval": 16,
            "r1_gamma_per_pixel": 0.00234,
            "learning_rate": 0.005,
            "total_kimg": 100.0,
            "truncation_psi": 0.7,
            "truncation_cutoff": 0,
        }
    )
    return Preset("StyleGAN2 for emoji portraits at 32x32 on two CPU cores in a quarter of an hour", config)


def _tiny_stylegan2_ada() -> Preset:
    """The same with adaptive augmentation, whose strength moves faster than published, as the run is short."""
    config = _tiny_stylegan2().config.replace({"augment": "adaptive", "augment_kimg": 50.0})
    return Preset("tiny-stylegan2 with adaptive augmentation, for few pictures", config)


def _digits() -> Preset:
    """Grey digits at 28x28, from 7x7."""
    config = _tiny_stylegan1().config.replace(
        {
            "resolution": "28",
            "base_size": "7",
            "channels": 1,
            "start_resolution": 7,
            "stage_kimg": table("7:2,14:5"),
            "fade_kimg": table("14:1,28:2"),
        }
    )
    return Preset("28x28 grey digits such as MNIST's, growing from 7x7", config)


PRESETS: dict[str, Preset] = {
    "tiny-stylegan2": _tiny_stylegan2(),
    "tiny-stylegan2-ada": _tiny_stylegan2_ada(),
    "tiny-stylegan1": _tiny_stylegan1(),
    "digits": _digits(),
    "progan": _progan(),
    "stylegan1": _stylegan1(),
    "stylegan1-256": _stylegan1_256(),
    **{f"stylegan2-{name}": _stylegan2(name) for name in "abcdef"},
    "stylegan2-ada": _stylegan2_ada(),
    "r3gan-32": _r3gan(32, gamma=0.05, batch=512, half_life_kimg=5000, augment_p=0.55),
    "r3gan-64": _r3gan(64, gamma=2.0, batch=256, half_life_kimg=500, augment_p=0.3),
}


DEFAULT_PRESET = "tiny-stylegan1"

# Commands that were written with them still find a preset.
FORMER_NAMES = {"tiny": "tiny-stylegan2", "tiny-ada": "tiny-stylegan2-ada"}


def preset(name: str) -> TrainConfig:
    """The configuration of this name, or of this former name. Raises ValueError for an unknown one."""
    name = FORMER_NAMES.get(name, name)
    if name not in PRESETS:
        meant = did_you_mean(name, PRESETS)
        raise UserError(f"preset must be one of {', '.join(PRESETS)}. Received: preset={name}.{meant}")
    return PRESETS[name].config
