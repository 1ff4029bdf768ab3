"""Features of real images, worked out once for each set and network."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import tensorflow as tf

from stylegan_tf.data.image_set import ImageSet
from stylegan_tf.data.sources.base import digest
from stylegan_tf.evaluation.extraction import FeatureSet, FeatureWriter, read_feature_set
from stylegan_tf.evaluation.generated import set_batches
from stylegan_tf.features.base import FeatureNetwork
from stylegan_tf.files import written_folder

# Counted up when the meaning of what lies in the cache changes.
_CACHE_VERSION = "1"


def real_features(
    image_set: ImageSet,
    network: FeatureNetwork,
    count: int,
    keep: Iterable[str],
    cache: Path,
    *,
    strategy: tf.distribute.Strategy | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureSet:
    """Features of `count` real images, read from the cache where they are.

    They lie there by content: the pixels of the images and their order, and the weights of the network.

    Args:
        image_set: The real images.
        network: Made in the scope of `strategy`.
        count: Number of images, drawn in an order of its own when it is not all of them.
        keep: Which of "features" and "logits" are needed, besides the statistics.
        cache: A directory; made when it is missing.
        strategy: Its devices share the work; None for one device.
        progress: Called with the numbers of images that are done and of all.

    Raises:
        ValueError: When the set has fewer images.
        OSError: When the cache cannot be written, DiskError when the disk took no more.
    """
    key = digest([_CACHE_VERSION, image_set.fingerprint, network.name, network.checksum, str(count)])
    kept = sorted(set(keep))
    for richer in ([], ["features"], ["logits"], ["features", "logits"]):
        directory = cache / "-".join([key, *richer])
        if set(kept) <= set(richer) and directory.is_dir():
            try:
                return read_feature_set(directory)
            except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # damaged; it can be made again
                shutil.rmtree(directory)
    directory = cache / "-".join([key, *kept])
    try:
        with written_folder(directory) as beside:
            writer = FeatureWriter(network, count, beside, kept, strategy)
            for images in set_batches(image_set, count):
                writer.add(images, progress)
            writer.close()
    except OSError:
        if not directory.is_dir():  # else another process was faster
            raise
    return read_feature_set(directory)
