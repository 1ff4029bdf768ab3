"""How batches are shared out: over devices, what these hold at once, and groups of images."""

from __future__ import annotations

import dataclasses
import math

from stylegan_tf.configuration.resolve import ResolvedConfig
from stylegan_tf.configuration.schedule import Schedule
from stylegan_tf.errors import UserError, require
from stylegan_tf.training.cores import parts_at_once


def require_multiple(batch: int, replicas: int, chosen: str = "") -> None:
    """Raises UserError unless a batch divides over devices; `chosen` says where it comes from."""
    require(
        batch % replicas == 0,
        f"batch_size must be a multiple of the number of devices, {replicas}; choose another --batch_size{chosen}",
        batch,
    )


@dataclasses.dataclass(frozen=True)
class Shares:
    """The rule by which a run shares out its batches.

    Attributes:
        replicas: Number of devices.
        batch_devices: For how many the batches were chosen, when the run began.
        most: Images that a device takes at once at most, as asked; 0 where that was not asked.
        group: Images of a group of the minibatch statistic; None for all that are taken at once.
        path_length_shrink: A share's images for one whose path length is taken; 0 where none is.
        cores: Those that a device computes with, where it is a CPU.
    """

    replicas: int
    batch_devices: int
    most: int
    group: int | None
    path_length_shrink: int
    cores: int = 1

    @classmethod
    def of(cls, config: ResolvedConfig, replicas: int, cores: int = 1) -> Shares:
        """Those of a configuration on so many devices, of so many cores each."""
        loss = config.loss
        shrink = loss.path_length_batch_shrink if loss.path_length_weight else 0
        group = config.network.minibatch_stddev_group
        return cls(replicas, config.batch_devices, config.run.max_batch_per_device, group, shrink, cores)

    def images_at_once(self, batch: int) -> int:
        """How many images of a batch a device takes at once at most; larger shares are added up from pieces.

        That is `max_batch_per_device` where it is given. A batch that was chosen for more devices comes in pieces as
        large as one of them had, or smaller ones where these do not divide it. Otherwise a share is taken whole.
        """
        share = max(batch // self.replicas, 1)
        if self.most:
            return min(self.most, share)
        if self.replicas >= self.batch_devices:
            return share
        for limit in range(max(batch // self.batch_devices, 1), 0, -1):
            try:
                self._check_batch(batch, limit)
            except UserError:
                continue
            return limit
        return share

    def parts_at_once(self, images: int) -> int:
        """Into how many parts the cores of a device divide images that it takes at once."""
        return parts_at_once(images, self.group, self.cores)

    def check(self, schedule: Schedule, images_seen: int) -> None:
        """Makes sure that every batch that is still to come can be shared out.

        Args:
            schedule: The run's periods.
            images_seen: Where the run is.

        Raises:
            UserError: For a batch that does not divide over the devices, their pieces of it, and the groups of the
                minibatch statistic.
        """
        for batch in sorted({period.batch_size for period in schedule.reached(images_seen)}):
            chosen = ""
            if self.batch_devices != self.replicas:
                chosen = f" (it was chosen for {self.batch_devices} when the run began) or --num_devices"
            require_multiple(batch, self.replicas, chosen)
            self._check_batch(batch, self.images_at_once(batch))

    def _check_batch(self, batch: int, limit: int) -> None:
        share = batch // self.replicas
        pieces = math.ceil(batch / self.replicas / limit)
        piece = share // pieces
        require(
            batch == piece * self.replicas * pieces,
            f"a device's batch ({share}) must divide into equal pieces of at most max_batch_per_device",
            limit,
        )
        lengths = max(share // self.path_length_shrink, 1) if self.path_length_shrink else 0
        require(
            lengths == 0 or lengths % math.ceil(lengths / limit) == 0,
            f"the images of a device whose path lengths are taken ({lengths}) must divide into equal pieces of at most "
            "max_batch_per_device; change it, --batch_size or --path_length_batch_shrink",
            limit,
        )
        group = self.group
        require(
            group is None or group <= 1 or piece <= group or piece % group == 0,
            f"the images that a device takes at once must be a multiple of minibatch_stddev_group, {group}, or fewer; "
            "change --batch_size, --max_batch_per_device or --minibatch_stddev_group",
            piece,
        )
