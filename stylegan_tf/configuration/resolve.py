"""Settings that the configuration leaves open: they follow from the final resolution and the number of devices."""

from __future__ import annotations

from typing import Any

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.resolutions import ResolutionTable

# Images a step by number of devices and resolution, as published with StyleGAN.
PUBLISHED_BATCH_SIZES = {
    1: "4:128,32:64,64:32,128:16,256:8,512:4",
    2: "4:256,32:128,64:64,128:32,256:16,512:8",
    4: "4:512,32:256,64:128,128:64,256:32,512:16",
    8: "4:512,8:256,16:128,32:64,64:32",
}
DEFAULT_AUGMENT_KIMG = 500.0  # Karras et al. 2020 (ADA), section 3.1
TRANSFER_AUGMENT_KIMG = 100.0  # published with its code, for runs that start from other networks


def fill_in(config: TrainConfig, size: tuple[int, int], num_devices: int) -> TrainConfig:
    """The configuration with nothing left open.

    StyleGAN2's rules are the automatic settings that were published with StyleGAN2-ADA's code (Karras et al. 2020).

    Args:
      config: the configuration; `batch_size`, `critic_learning_rate`, `r1_gamma`, `ema_half_life_kimg` and
        `augment_kimg` may be None.
      size: height and width of the images at the last resolution.
      num_devices: number of replicas.
    """
    batch_sizes = config.schedule.batch_size
    if batch_sizes is None and config.network.family == "stylegan1":
        batch_sizes = published_batch_sizes(num_devices)
    elif batch_sizes is None:
        batch_sizes = ResolutionTable(((0, float(automatic_batch_size(size, num_devices))),))
    batch = batch_sizes.at(size)
    values: dict[str, Any] = {"batch_size": batch_sizes}
    if config.schedule.critic_learning_rate is None:
        values["critic_learning_rate"] = config.schedule.learning_rate
    if config.loss.r1_gamma is None:
        values["r1_gamma"] = 0.0002 * size[0] * size[1] / batch
    if config.optimizer.ema_half_life_kimg is None:
        values["ema_half_life_kimg"] = batch * 10.0 / 32.0
    if config.augment.augment_kimg is None:
        values["augment_kimg"] = TRANSFER_AUGMENT_KIMG if config.run.initialize_from else DEFAULT_AUGMENT_KIMG
    return config.replace(values)


def automatic_batch_size(size: tuple[int, int], num_devices: int) -> int:
    """Images a step: at most 32 a device, fewer above 128x128, at most 64 in all, and at least one a device."""
    side = (size[0] * size[1]) ** 0.5
    return max(min(num_devices * min(int(4096 // side), 32), 64), num_devices)


def published_batch_sizes(num_devices: int) -> ResolutionTable:
    """StyleGAN's batch sizes for the largest published number of devices that is not above `num_devices`."""
    known = max(number for number in PUBLISHED_BATCH_SIZES if number <= max(num_devices, 1))
    return ResolutionTable.parse(PUBLISHED_BATCH_SIZES[known])
