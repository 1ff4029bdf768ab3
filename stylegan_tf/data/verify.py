"""Checks a prepared set: files against the manifest, records against their checksums, and every image."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import google_crc32c
import numpy as np

from stylegan_tf.data import workers
from stylegan_tf.data.image_set import image_digest, images_fingerprint, labels_fingerprint
from stylegan_tf.data.prepared import MANIFEST, Manifest, decode_stored_png, read_index
from stylegan_tf.data.pyramid import image_pyramid
from stylegan_tf.data.records import DamagedRecordError, parse_example, read_records

_BLOCK_BYTES = 2**22


@dataclasses.dataclass(frozen=True)
class _Task:
    directory: str
    manifest: Manifest
    shard: int


@dataclasses.dataclass(frozen=True)
class _Checked:
    shard: int
    damages: list[str]
    digests: bytes
    labels: list[int]


def verify_set(
    directory: str | os.PathLike[str],
    *,
    max_workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Reads a whole prepared set and compares it with its manifest.

    Sizes and CRC-32C of the files, the checksums of the records, the shape of every image, every smaller image with the
    mean of the large one's pixels, and the fingerprints of images and labels.

    Args:
        directory: The set.
        max_workers: Number of processes; None for one for each core.
        progress: Called now and then with the numbers of images that are checked and of all.

    Returns:
        What is damaged, a line each; empty when the set is whole.

    Raises:
        ValueError: No complete prepared set is there.
    """
    manifest = Manifest.read(directory)
    tasks = [_Task(str(directory), manifest, shard) for shard in range(len(manifest.shard_counts))]
    with workers.pool(min(max_workers or workers.core_count(), len(tasks))) as pool:

        def report(done: int) -> None:
            if progress is not None:
                progress(done, manifest.count)

        checked = sorted(pool.run(_check_shard, tasks, report), key=lambda shard: shard.shard)
    damages = [f"{name}: the manifest lists it, but no shard has this file" for name in manifest.unknown_files()]
    damages += [damage for shard in checked for damage in shard.damages]
    if not damages:
        shape = (*manifest.sizes[0], manifest.channels)
        if images_fingerprint(shape, (shard.digests for shard in checked)) != manifest.fingerprint:
            damages.append("the images are not those of the manifest")
        labels = [np.array(shard.labels, np.int32) for shard in checked]
        if labels_fingerprint(manifest.label_names, labels) != manifest.labels_fingerprint:
            damages.append("the labels are not those of the manifest")
        elif manifest.label_names and (
            np.bincount(np.concatenate(labels), minlength=len(manifest.label_names)).tolist()
            != list(manifest.label_counts)
        ):
            damages.append("the numbers of images of each class are not those of the manifest")
    if not damages and not manifest.is_as_written:
        damages.append(f"{MANIFEST} was changed after it was written")
    return damages


def _check_shard(task: _Task) -> _Checked:
    """Checks the files of a shard; in a worker process."""
    directory, manifest = Path(task.directory), task.manifest
    names = manifest.file_names(task.shard)
    damages = [damage for name in names if (damage := _check_file(directory, name, manifest))]
    if damages:
        workers.advance(manifest.shard_counts[task.shard])
        return _Checked(task.shard, damages, b"", [])
    digests: list[bytes] = []
    labels: list[int] = []
    files = [(directory / name).open("rb") for name in names[: len(manifest.sizes)]]
    try:
        records = zip(*(read_records(file) for file in files), strict=True)
        for number, row in enumerate(records):
            workers.check_stop()
            examples = list(map(parse_example, row))
            images = [
                _image(example, (*size, manifest.channels), manifest.encoding)
                for example, size in zip(examples, manifest.sizes, strict=True)
            ]
            pyramid = image_pyramid(images[0][None], len(images))
            for name, example, image, expected in zip(names, examples, images, pyramid, strict=False):
                if not np.array_equal(image, expected[0]):
                    damages.append(f"{name}: image {number} is not the large one at this size")
                if example.get("label") != examples[0].get("label"):
                    damages.append(f"{name}: image {number} has not the large one's label")
            digests.append(image_digest(images[0]))
            if manifest.label_names:
                labels.append(_label(examples[0], len(manifest.label_names)))
            workers.advance()
        for name, size in zip(names[len(files) :], names, strict=False):
            read_index(directory / name, len(digests), manifest.files[size].bytes)
    except (DamagedRecordError, ValueError, KeyError, IndexError, TypeError, OSError) as error:
        damages.append(f"shard {task.shard}, image {len(digests)}: {type(error).__name__}: {error}")
    finally:
        for file in files:
            file.close()
    if not damages and len(digests) != manifest.shard_counts[task.shard]:
        damages.append(f"shard {task.shard} holds {len(digests)} images, not {manifest.shard_counts[task.shard]}")
    return _Checked(task.shard, damages, b"".join(digests), labels)


def _check_file(directory: Path, name: str, manifest: Manifest) -> str | None:
    """What is wrong with a file as a whole, or None."""
    expected = manifest.files.get(name)
    if expected is None:
        return f"{name}: the manifest does not know it"
    try:
        size = (directory / name).stat().st_size
        if size != expected.bytes:
            return f"{name}: {size:,} bytes, not {expected.bytes:,}"
        crc = 0
        with (directory / name).open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                crc = google_crc32c.extend(crc, block)
    except OSError as error:
        return f"{name}: {error.strerror}"
    return None if crc == expected.crc32c else f"{name}: wrong checksum"


def _label(example: Mapping[str, list[int] | list[bytes]], num_classes: int) -> int:
    label = example["label"][0]
    if not isinstance(label, int) or not 0 <= label < num_classes:
        raise DamagedRecordError("its feature 'label' must be the number of a class")
    return label


def _image(example: Mapping[str, list[int] | list[bytes]], shape: tuple[int, ...], encoding: str) -> np.ndarray:
    data = example["image"][0]
    if not isinstance(data, bytes):
        raise DamagedRecordError("its feature 'image' is not bytes")
    return decode_stored_png(data, shape) if encoding == "png" else np.frombuffer(data, np.uint8).reshape(shape)
