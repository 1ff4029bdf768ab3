"""How the cores of a CPU share a step: parts of a batch at the same time, and as many threads in each operation.

The operations of small networks are too short to be shared out one by one. Parts of a batch have nothing to do with one
another until their gradients are added up, so each core computes one.
"""

from __future__ import annotations

import os
from pathlib import Path

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.data.workers import core_count


def parts_at_once(images: int, group: int | None, cores: int) -> int:
    """Into how many equal parts images are divided, each of which a core computes while others compute theirs.

    Args:
        images: That one device takes at once.
        group: Images of a group of the minibatch statistic, which is not divided; None for all, 0 for none.
        cores: To be used.
    """
    groups = images // max(images if group is None else min(group, images), 1)
    return max(parts for parts in range(1, max(cores, 1) + 1) if groups % parts == 0 and images % parts == 0)


def use_cores(config: TrainConfig, system: Path = Path("/")) -> None:
    """Tells TensorFlow, before it is imported, how to compute a training's steps where there is no GPU.

    oneDNN's convolutions, which TensorFlow takes by itself on some processors only, are faster on others, too. What
    the environment says already stays.

    Args:
        config: Of the training. Where it leaves the batch open, threads are left to TensorFlow.
        system: The root of the file system.
    """
    if (system / "dev" / "nvidiactl").exists():
        return
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    batch, cores = config.schedule.batch_size, core_count()
    if batch is not None and config.run.num_devices <= 1:
        group = config.network.minibatch_stddev_group
        parts = max(parts_at_once(int(images), group, cores) for images in batch.values())
        if parts > 1:
            os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(cores // parts))
