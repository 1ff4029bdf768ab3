"""Whether batches can be shared out: over devices, what these hold at once, and groups of images."""

from __future__ import annotations

import math

from stylegan_tf.configuration.resolve import ResolvedConfig
from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.errors import UserError, require


def images_at_once(config: ResolvedConfig, batch: int, replicas: int) -> int:
    """How many images of a batch a device takes at once at most; larger shares are added up from pieces.

    That is `max_batch_per_device` where it is given. A batch that was chosen for more devices comes in pieces as large
    as one of them had, or smaller ones where these do not divide it. Otherwise a share is taken whole.

    Args:
        config: Settings.
        batch: Images a step, over all devices.
        replicas: Number of devices.
    """
    share = max(batch // replicas, 1)
    if config.run.max_batch_per_device:
        return min(config.run.max_batch_per_device, share)
    if replicas >= config.batch_devices:
        return share
    for limit in range(max(batch // config.batch_devices, 1), 0, -1):
        try:
            _check_batch(config, batch, replicas, limit)
        except UserError:
            continue
        return limit
    return share


def check_batches(config: ResolvedConfig, schedule: Schedule, replicas: int, images_seen: int) -> None:
    """Makes sure that every batch that is still to come can be shared out.

    Args:
        config: Settings.
        schedule: Its periods.
        replicas: Number of devices.
        images_seen: Where the run is.

    Raises:
        UserError: For a batch that does not divide over the devices, their pieces of it, and the groups of the
            minibatch statistic.
    """
    for batch in sorted({period.batch_size for period in schedule.reached(images_seen)}):
        chosen = ""
        if config.batch_devices != replicas:
            chosen = f" (it was chosen for {config.batch_devices} when the run began) or --num_devices"
        require(
            batch % replicas == 0,
            f"batch_size must be a multiple of the number of devices, {replicas}; choose another --batch_size{chosen}",
            batch,
        )
        _check_batch(config, batch, replicas, images_at_once(config, batch, replicas))


def _check_batch(config: ResolvedConfig, batch: int, replicas: int, limit: int) -> None:
    group = config.network.minibatch_stddev_group
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
        "max_batch_per_device; change it, --batch_size or --path_length_batch_shrink",
        limit,
    )
    require(
        group is None or group <= 1 or piece <= group or piece % group == 0,
        f"the images that a device takes at once must be a multiple of minibatch_stddev_group, {group}, or fewer; "
        "change --batch_size, --max_batch_per_device or --minibatch_stddev_group",
        piece,
    )
