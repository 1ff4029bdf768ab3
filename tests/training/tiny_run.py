"""A run small enough to be taken whole in a test."""

import dataclasses

import numpy as np

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.resolutions import ResolutionTable, level_size
from stylegan_tf.configuration.resolve import ResolvedSchedule, resolve
from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.configuration.sections import ScheduleConfig

table = ResolutionTable.parse


def tiny_config(**values):
    """StyleGAN: 8x8 images, two levels, eight feature maps; 96 images: train 4x4, fade 8x8 in, train 8x8."""
    return TrainConfig().replace(
        {
            "resolution": "8",
            "start_resolution": 4,
            "z_size": 8,
            "w_size": 8,
            "mapping_layers": 2,
            "feature_maps_base": 32,
            "feature_maps_max": 8,
            "fused_from": 8,
            "stage_kimg": table("0.032"),
            "fade_kimg": table("0.032"),
            "total_kimg": 0.096,
            "batch_size": table("8"),
            "ema_half_life_kimg": 0.05,
            "tensorboard_interval_kimg": 0.016,
            "grid_interval_kimg": 0.048,
            "checkpoint_interval_kimg": 0.032,
            "dtype_policy": "float32",
            "jit_compile": "off",
            **values,
        }
    )


def tiny_stylegan2(**values):
    """The same sizes for StyleGAN2, all twelve steps at 8x8; regularisers every other and every third step."""
    return tiny_config(
        **{
            "family": "stylegan2",
            "loss": "logistic",
            "r1_gamma": 1.0,
            "critic_mapping_layers": 1,
            "critic_regularization_interval": 3,
            "path_length_weight": 2.0,
            "generator_regularization_interval": 2,
            **values,
        }
    )


def resolved(config, num_levels=2, num_devices=1):
    """With nothing left open."""
    return resolve(config, level_size(config.base_size, num_levels - 1), num_devices)


def schedule_of(config, num_levels=2, num_devices=1):
    """Its schedule."""
    return Schedule.from_config(resolved(config, num_levels, num_devices), num_levels)


def resolved_schedule(**values):
    """Settings of a schedule with both learning rates."""
    defaults = ScheduleConfig()
    rate = values.get("learning_rate", defaults.learning_rate)
    tables = {name: getattr(defaults, name) for name in ("stage_kimg", "fade_kimg")}
    return ResolvedSchedule(
        **{**dataclasses.asdict(defaults), **tables, "learning_rate": rate, "critic_learning_rate": rate, **values}
    )


def report(**terms):
    """What a step reports: scalars on a device."""
    import tensorflow as tf

    return {name: tf.constant(value) for name, value in {"critic_loss": 1.0, "generator_loss": 2.0, **terms}.items()}


def write_images(folder, count=20, size=(8, 8), mode="RGB", seed=0):
    """A folder of random PNGs."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    random = np.random.default_rng(seed)
    for index in range(count):
        pixels = random.integers(0, 256, (*size, channels), dtype=np.uint8)
        Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels, mode).save(folder / f"{index:03}.png")
    return folder
