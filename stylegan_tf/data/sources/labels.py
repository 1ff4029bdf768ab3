"""Which class each picture of a source belongs to, from numbers, one-hot vectors, folder names or a dataset.json."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import numpy as np

METADATA_NAME = "dataset.json"  # the convention of StyleGAN2-ADA and later
MAX_CLASSES = 100_000


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """The classes of a source's pictures.

    Attributes:
        indices: int32, `[N]`, indices into `names`, or -1 for a picture that belongs to none; None without labels.
        names: What the indices mean; empty without labels.
    """

    indices: np.ndarray | None = None
    names: tuple[str, ...] = ()

    def __getitem__(self, number: int) -> int:
        return -1 if self.indices is None else int(self.indices[number])

    def parts(self) -> tuple[str | bytes, ...]:
        """What a source's signature depends on."""
        return *self.names, b"" if self.indices is None else self.indices.astype("<i4").tobytes()


NO_LABELS = Labels()


def numbered_labels(values: np.ndarray, count: int, where: str, names: tuple[str, ...] | None = None) -> Labels:
    """Labels from an array.

    Args:
        values: Integers `[count]`, or exact one-hot vectors `[count, classes]` of any type.
        count: Number of pictures.
        where: What holds the labels, for messages.
        names: What the numbers mean; None names them "0", "1" and so on, up to the largest.

    Raises:
        ValueError: an array of another shape or type, vectors that are not one-hot, numbers without a name.
    """
    values = np.asarray(values)
    classes = 0
    if values.ndim == 2 and len(values) == count:
        if values.shape[1] == 0:  # how the original tool writes "no labels"
            return NO_LABELS
        classes = values.shape[1]
        values = _from_one_hot(values, where)
    if values.shape != (count,) or values.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be {count} integers, one for each image, or as many one-hot vectors. "
            f"Received: {values.dtype} of shape {values.shape} in {where}."
        )
    limit = MAX_CLASSES if names is None else len(names)
    if values.min() < 0 or values.max() >= limit:
        why = "" if names is None else f", as there are {limit} label_names"
        raise ValueError(
            f"labels must lie from 0 to {limit - 1}{why}. Received: {values.min()} to {values.max()} in {where}."
        )
    if names is None:
        names = tuple(str(number) for number in range(classes or int(values.max()) + 1))
    return Labels(values.astype(np.int32), names)


def find_labels(names: Sequence[str | None], metadata: bytes | None, *, use_labels: bool, data: str) -> Labels:
    """Labels of the pictures in a folder or an archive.

    Args:
        names: Relative paths with "/" between their parts; None for one that cannot be trusted, which gets no label.
        metadata: Contents of the dataset.json beside the pictures; None without one. Its labels are always taken.
        use_labels: Whether the first-level folders are the classes where there is no dataset.json.
        data: The user's word for the source, for messages.

    Raises:
        ValueError: a dataset.json that cannot be understood or misses a picture, or labels asked for where there
            are none.
    """
    if metadata is not None:
        entries = _read_metadata(metadata, data)
        if entries is not None:
            return _metadata_labels(names, entries, data)
        if use_labels:
            raise ValueError(
                f"use_labels needs labels, but {METADATA_NAME} says that the images have none. Train without labels, "
                f"or delete {METADATA_NAME} if the subfolders are classes. Received: data={data!r}."
            )
    return _folder_labels(names, data) if use_labels else NO_LABELS


def require_labels(labels: Labels, use_labels: bool, advice: str, data: str) -> None:
    """Raises ValueError where labels were asked for and there are none; `advice` says where they were looked for."""
    if use_labels and labels.indices is None:
        raise ValueError(f"With labels, {advice}; or train without labels (--nouse_labels). Received: data={data!r}.")


def _from_one_hot(values: np.ndarray, where: str) -> np.ndarray:
    if values.dtype.kind not in "iufb" or not ((values != 0).sum(axis=1) == 1).all() or (values.max(axis=1) != 1).any():
        raise ValueError(
            "label vectors must be one-hot, a single 1 among zeros: each image belongs to one class. Write class "
            f"numbers instead, or leave the labels out. Received: {values.dtype} of shape {values.shape} in {where}."
        )
    return values.argmax(axis=1)


def _folder_labels(names: Sequence[str | None], data: str) -> Labels:
    outside = next((name for name in names if name is not None and "/" not in name), None)
    if outside is not None:
        raise ValueError(
            "With labels, each image must lie in a subfolder named after its class, as in cats/1.png; "
            f"{outside!r} lies in none. Sort the images into subfolders or train without labels (--nouse_labels). "
            f"Received: data={data!r}."
        )
    classes = [None if name is None else name.split("/", 1)[0] for name in names]
    label_names = sorted({name for name in classes if name is not None})
    index: dict[str | None, int] = {name: label for label, name in enumerate(label_names)}
    indices = np.fromiter((index.get(name, -1) for name in classes), np.int32, len(classes))
    return Labels(indices, tuple(label_names))


def _read_metadata(content: bytes, data: str) -> dict[str, object] | None:
    """Label by name, or None where the file says that there are none."""
    try:
        fields = json.loads(content)
        labels = fields.get("labels")
        return None if labels is None else {str(name): label for name, label in labels}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(
            f'{METADATA_NAME} must hold {{"labels": [["folder/name.png", 0], ...]}} or {{"labels": null}}. Correct '
            f"or delete it. Received: {type(error).__name__}: {error} in the {METADATA_NAME} of data={data!r}."
        ) from error


def _metadata_labels(names: Sequence[str | None], entries: dict[str, object], data: str) -> Labels:
    where = f"the {METADATA_NAME} of data={data!r}"
    wanted = [name for name in names if name is not None]
    missing = [name for name in wanted if name not in entries]
    if missing:
        raise ValueError(
            f"{METADATA_NAME} must give a label to every image, under its path from the folder that "
            f"{METADATA_NAME} lies in. Complete or delete it. Received: {len(missing)} of {len(wanted)} images are "
            f"missing, such as {missing[0]!r}, in {where}."
        )
    values = [entries[name] for name in wanted]
    vectors = bool(values) and isinstance(values[0], list)
    for name, value in zip(wanted, values, strict=True):
        if not (_is_vector(value, len(values[0])) if vectors else _is_class(value)):  # type: ignore[arg-type]
            raise ValueError(
                f"labels must be whole numbers from 0 to {MAX_CLASSES - 1}, or one-hot vectors of one length. "
                f"Received: {name!r} has the label {value!r} in {where}."
            )
    if not values:
        return NO_LABELS
    labels = numbered_labels(np.array(values, None if vectors else np.int64), len(values), where)
    if labels.indices is None or len(wanted) == len(names):
        return labels
    indices = np.full(len(names), -1, np.int32)
    indices[[name is not None for name in names]] = labels.indices
    return Labels(indices, labels.names)


def _is_class(value: object) -> bool:
    return type(value) is int and 0 <= value < MAX_CLASSES


def _is_vector(value: object, length: int) -> bool:
    return isinstance(value, list) and len(value) == length and all(type(x) in (int, float) for x in value)
