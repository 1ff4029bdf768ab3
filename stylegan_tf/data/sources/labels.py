"""Which class each picture of a source belongs to, from numbers, one-hot vectors, folder names or a dataset.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from stylegan_tf.errors import UserError
from stylegan_tf.names import as_written
from stylegan_tf.progress import counted

MAX_CLASSES = 100_000

_NAMED = 5  # classes that a note names


class UnusableLabelsError(UserError):
    """Labels that cannot be classes; an error only where labels are asked for."""


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """The classes of a source's pictures.

    Attributes:
        indices: int32, `[N]`, indices into `names`, or -1 for a picture that belongs to none; None without labels.
        names: What the indices mean; empty without labels.
        notes: What a user should know of how they were found, or of why there are none.
    """

    indices: np.ndarray | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, number: int) -> int:
        return -1 if self.indices is None else int(self.indices[number])

    def parts(self) -> tuple[str | bytes, ...]:
        """What a source's signature depends on."""
        return *self.names, b"" if self.indices is None else self.indices.astype("<i4").tobytes()


NO_LABELS = Labels()


def labels_if_usable(find: Callable[[], Labels], *, use_labels: bool) -> Labels:
    """What `find` gives. Labels that cannot be classes are left out, with a note, where nobody asked for them.

    Args:
        find: Finds the labels of a source.
        use_labels: Whether labels are asked for.

    Raises:
        UnusableLabelsError: Labels were asked for and cannot be classes.
    """
    try:
        labels = find()
        return dataclasses.replace(labels, names=tuple(map(as_written, labels.names)))
    except UnusableLabelsError as error:
        if use_labels:
            raise
        return Labels(notes=(f"the labels are left out. {error}",))


def numbered_labels(values: np.ndarray, count: int, where: str, names: tuple[str, ...] | None = None) -> Labels:
    """Labels from an array.

    Args:
        values: Integers `[count]` or `[count, 1]`, or exact one-hot vectors `[count, classes]` of any type.
        count: Number of pictures.
        where: What holds the labels, for messages.
        names: What the numbers mean; None names them "0", "1" and so on, up to the largest.

    Raises:
        UnusableLabelsError: An array of another shape or type, vectors that are not one-hot, numbers without a name.
    """
    values = np.asarray(values)
    classes = 0
    if values.ndim == 2 and len(values) == count:
        if values.shape[1] == 0:  # how the original tool writes "no labels"
            return NO_LABELS
        if values.shape[1] == 1 and values.dtype.kind in "iu":
            values = values[:, 0]
        else:
            classes = values.shape[1]
            values = _from_one_hot(values, where)
    if values.shape != (count,) or values.dtype.kind not in "iu":
        raise UnusableLabelsError(
            f"labels must be {count} integers, one for each image, or as many one-hot vectors. "
            f"Received: {values.dtype} of shape {values.shape} in {where}."
        )
    limit = MAX_CLASSES if names is None else len(names)
    if values.min() < 0 or values.max() >= limit:
        why = "" if names is None else f", as there are {limit} label_names"
        raise UnusableLabelsError(
            f"labels must lie from 0 to {limit - 1}{why}. Received: {values.min()} to {values.max()} in {where}."
        )
    if names is None:
        names = tuple(str(number) for number in range(classes or int(values.max()) + 1))
    return Labels(values.astype(np.int32), names)


def require_labels(labels: Labels, use_labels: bool, advice: str, data: str) -> None:
    """Raises ValueError where labels were asked for and there are none; `advice` says where they were looked for."""
    if use_labels and labels.indices is None:
        raise UserError(f"With labels, {advice}; or train without labels (--nouse_labels). Received: data={data!r}.")


def classes_notes(counts: Mapping[str, int] | Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """What a user should know of classes that are not what labels are for: those without pictures, and a single one.

    Args:
        counts: Names of the classes, with their numbers of pictures.
    """
    pairs = list(counts.items()) if isinstance(counts, Mapping) else list(counts)
    empty = [name for name, count in pairs if not count]
    notes = []
    if len(pairs) == 1:
        notes.append(f"there is only one class, {pairs[0][0]!r}, so labels say nothing")
    if empty:
        of_all = f"{len(empty):,} of {counted(len(pairs), 'class', 'classes')}"
        notes.append(f"{of_all} {'has' if len(empty) == 1 else 'have'} no pictures: {listed(empty)}")
    return tuple(notes)


def listed(names: Collection[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(repr(name) for name in list(names)[:_NAMED]) + more


def _from_one_hot(values: np.ndarray, where: str) -> np.ndarray:
    if values.dtype.kind not in "iufb" or not ((values != 0).sum(axis=1) == 1).all() or (values.max(axis=1) != 1).any():
        raise UnusableLabelsError(
            "label vectors must be one-hot, a single 1 among zeros: each image belongs to one class. Write class "
            f"numbers instead, or leave the labels out. Received: {values.dtype} of shape {values.shape} in {where}."
        )
    return values.argmax(axis=1)
