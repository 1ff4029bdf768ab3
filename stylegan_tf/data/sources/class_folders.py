"""Labels of the pictures in a folder or an archive: those of a dataset.json, or the folders they lie in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from stylegan_tf.data.sources.labels import NO_LABELS, Labels, UnusableLabelsError, labels_if_usable, listed
from stylegan_tf.data.sources.labels_file import find_labels_file, labels_from_file, read_labels_file
from stylegan_tf.errors import UserError
from stylegan_tf.names import nfc


def find_labels(
    names: Sequence[str | None],
    files: Mapping[str, Callable[[], bytes]],
    folders: Collection[str],
    *,
    use_labels: bool,
    data: str,
) -> Labels:
    """Labels of the pictures in a folder or an archive.

    Args:
        names: Relative paths with "/" between their parts; None for one that cannot be trusted, which gets no label.
        files: What could be the dataset.json, by relative path, with a function that reads it. Its labels are always
            taken.
        folders: Relative paths of folders, those without pictures among them.
        use_labels: Whether the folders are the classes where there is no dataset.json.
        data: The user's word for the source, for messages.

    Raises:
        ValueError: With `use_labels`, a dataset.json that cannot be understood or misses a picture, or no labels.
    """

    def find() -> Labels:
        path = find_labels_file(files, data)
        if path is not None:
            entries = read_labels_file(files[path], path, data)
            labels = NO_LABELS if entries is None else labels_from_file(names, entries, path, data)
            if labels.indices is not None:
                return labels
            if use_labels:
                raise UnusableLabelsError(
                    f"use_labels needs labels, but {path} says that the images have none. Train without labels, "
                    f"or delete {path} if the subfolders are classes. Received: data={data!r}."
                )
        return _folder_labels(names, folders, data) if use_labels else NO_LABELS

    return labels_if_usable(find, use_labels=use_labels)


def _folder_labels(names: Sequence[str | None], folders: Collection[str], data: str) -> Labels:
    trusted = [name for name in names if name is not None]
    outside = next((name for name in trusted if "/" not in name), None)
    if outside is not None:
        raise UserError(
            "With labels, each image must lie in a subfolder named after its class, as in cats/1.png; "
            f"{outside!r} lies in none. Sort the images into subfolders or train without labels (--nouse_labels). "
            f"Received: data={data!r}."
        )
    above = _folder_above_classes(trusted, folders)
    classes = [None if name is None else name[len(above) :].split("/", 1)[0] for name in names]
    found = sorted({name for name in classes if name is not None})
    shown: dict[str, str] = {}  # of folders that look the same, the first
    for name in found:
        shown.setdefault(nfc(name), name)
    numbers = {form: number for number, form in enumerate(shown)}
    indices = np.fromiter((-1 if name is None else numbers[nfc(name)] for name in classes), np.int32, len(classes))
    return Labels(indices, tuple(shown.values()), _notes(above, found, shown, folders))


def _folder_above_classes(names: Sequence[str], folders: Iterable[str]) -> str:
    """The folder, with its "/" at the end, whose subfolders are the classes; empty for the first level.

    A single folder, with nothing beside it, whose pictures all lie in folders again is no class.
    """
    known = set(folders)
    above = ""
    while True:
        inside = {_part_below(name, above) for name in names}
        beside = {_part_below(folder, above) for folder in known if folder.startswith(above)} - {""}
        only = next(iter(inside), "")
        if len(inside) != 1 or len(beside | inside) != 1:
            return above
        if any("/" not in name[len(above) + len(only) + 1 :] for name in names):
            return above
        above += f"{only}/"


def _part_below(path: str, above: str) -> str:
    return path[len(above) :].split("/", 1)[0]


def _notes(above: str, found: Sequence[str], shown: Mapping[str, str], folders: Iterable[str]) -> tuple[str, ...]:
    notes = []
    if above:
        notes.append(f"the classes are the folders in {above!r}")
    if len(shown) < len(found):
        twins = [name for name in found if shown[nfc(name)] != name]
        notes.append(f"folders with names that look the same are one class: {listed(twins)}")
    beside = {_part_below(folder, above) for folder in folders if folder.startswith(above)} - {"", *found}
    if beside:
        notes.append(f"folders without pictures are not classes: {listed(sorted(beside))}")
    return tuple(notes)
