"""Named configurations. Each says what it is for, what it costs, and what to expect."""

from __future__ import annotations

import dataclasses

from stylegan_tf.config import ResolutionTable, TrainConfig

table = ResolutionTable.parse


@dataclasses.dataclass(frozen=True)
class Preset:
    """A configuration with a line on what it is for."""

    summary: str
    config: TrainConfig


def _tiny() -> Preset:
    """Portraits at 32x32 on two CPU cores.

    Unlike the published settings: narrow networks, a small z and a short mapping network that learns ten times
    faster; resampling and convolution are one operation at every resolution; eight images a step, since the number
    of steps counts in so short a run; the highest learning rate that WGAN-GP gets; brief stages, so that most of the
    time goes to 32x32; no style mixing; a short average. No noise: in so short a run the generator draws hair and eyes
    with it, which then lie anywhere. R1, for --loss=logistic, is weaker, as small images want it.
    """
    config = TrainConfig().replace({
        "z_size": 128, "w_size": 128, "mapping_layers": 4, "mapping_learning_rate_multiplier": 0.1,
        "feature_maps_base": 512, "feature_maps_max": 64, "fused_from": 8,
        "start_resolution": 4, "total_kimg": 76.0,
        "stage_kimg": table("4:0.5,8:2,16:5"), "fade_kimg": table("8:0.5,16:1,32:2"),
        "batch_size": table("8"), "learning_rate": table("0.002"),
        "ema_half_life_kimg": 2.0, "style_mixing_probability": 0.0, "noise": False, "r1_gamma": 1.0,
        "tensorboard_interval_kimg": 0.5, "grid_interval_kimg": 4.0, "checkpoint_interval_kimg": 8.0,
    })
    return Preset("emoji portraits at 32x32 on two CPU cores in a quarter of an hour", config)


def _stylegan1() -> Preset:
    """Karras et al. 2019 (StyleGAN) at 1024x1024: 25,000 kimg, a week on eight V100 as published."""
    return Preset("the published StyleGAN at 1024x1024", TrainConfig().replace({"resolution": "1024"}))


def _stylegan1_256() -> Preset:
    """The same settings at 256x256."""
    return Preset("the published StyleGAN's settings at 256x256", TrainConfig().replace({"resolution": "256"}))


def _digits() -> Preset:
    """Grey digits at 28x28, from 7x7."""
    config = _tiny().config.replace({
        "resolution": "28", "base_size": "7", "channels": 1, "start_resolution": 7,
        "stage_kimg": table("7:2,14:5"), "fade_kimg": table("14:1,28:2"),
    })
    return Preset("28x28 grey digits such as MNIST's, growing from 7x7", config)


PRESETS: dict[str, Preset] = {
    "tiny": _tiny(),
    "stylegan1": _stylegan1(),
    "stylegan1-256": _stylegan1_256(),
    "digits": _digits(),
}


DEFAULT_PRESET = "tiny"


def preset(name: str) -> TrainConfig:
    """The configuration of this name. Raises ValueError for an unknown one."""
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}. Received: preset={name}.")
    return PRESETS[name].config
