"""Whether batches can be shared out: over devices, what these hold at once, and groups of images."""

from __future__ import annotations

import math

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.errors import require


def check_batches(config: TrainConfig, schedule: Schedule, replicas: int, images_seen: int) -> None:
    """Makes sure that every batch that is still to come can be shared out.

    Args:
      config: the configuration.
      schedule: its periods.
      replicas: number of devices.
      images_seen: where the run is.

    Raises:
      ValueError: for a batch that does not divide over the devices, their pieces of it, and the groups of the minibatch
        statistic.
    """
    group = config.network.minibatch_stddev_group
    for batch in sorted({period.batch_size for period in schedule.reached(images_seen)}):
        require(
            batch % replicas == 0,
            f"batch_size must be a multiple of the number of devices, {replicas}; choose another --batch_size", batch,
        )
        limit = config.run.max_batch_per_device or batch
        pieces = math.ceil(batch / replicas / limit)
        piece = batch // replicas // pieces
        require(
            batch == piece * replicas * pieces,
            f"a device's batch ({batch // replicas}) must divide into equal pieces of at most max_batch_per_device",
            limit,
        )
        lengths = max(batch // replicas // config.loss.path_length_batch_shrink, 1)
        require(
            config.loss.path_length_weight == 0 or lengths % math.ceil(lengths / limit) == 0,
            f"the images of a device whose path lengths are taken ({lengths}) must divide into equal pieces of at most "
            "max_batch_per_device; change it, --batch_size or --path_length_batch_shrink", limit,
        )
        require(
            group is None or group <= 1 or piece <= group or piece % group == 0,
            f"the images that a device takes at once must be a multiple of minibatch_stddev_group, {group}, or fewer; "
            "change --batch_size or --minibatch_stddev_group", piece,
        )
