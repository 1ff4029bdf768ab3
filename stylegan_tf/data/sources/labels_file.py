"""The dataset.json of a folder or an archive, by the convention of StyleGAN2-ADA and later."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from stylegan_tf.data.sources.labels import MAX_CLASSES, Labels, UnusableLabelsError, listed, numbered_labels
from stylegan_tf.errors import UserError
from stylegan_tf.names import nfc

METADATA_NAME = "dataset.json"

LARGEST_LABELS_BYTES = 2**28


def is_labels_file(name: str) -> bool:
    """Whether a file of this path may hold labels: wherever it lies, and however its name is capitalised."""
    return posixpath.basename(name).lower() == METADATA_NAME


def find_labels_file(paths: Iterable[str], data: str) -> str | None:
    """The one of such files that counts: the first level's, or that which is least deep; None where there is none.

    Raises:
        UnusableLabelsError: Several that might count.
    """
    every = list(paths)
    if METADATA_NAME in every:
        return METADATA_NAME
    depth = min((path.count("/") for path in every), default=0)
    found = sorted(path for path in every if path.count("/") == depth)
    if len(found) > 1:
        raise UnusableLabelsError(
            f"One {METADATA_NAME} must give all labels, and lie above all images; join them, or delete or rename those "
            f"that do not count. Received: {listed(found)} in data={data!r}."
        )
    return next(iter(found), None)


def require_readable_size(size: int) -> None:
    """Raises ValueError for more bytes than a file of labels may have, so that none fills the memory."""
    if size > LARGEST_LABELS_BYTES:
        raise UserError(f"it has {size:,} bytes, and at most {LARGEST_LABELS_BYTES:,} are read")


def read_labels_file(read: Callable[[], bytes], path: str, data: str) -> dict[str, object] | None:
    """Label by name, or None where the file says that there are none.

    Args:
        read: Reads the file; what it raises, a damaged archive's errors too, is said to be the file's fault.
        path: The file's, in the source.
        data: The user's word for the source, for messages.

    Raises:
        UnusableLabelsError: A file that cannot be read or understood, or two labels of one picture.
    """
    try:
        content = read()
    except Exception as error:  # an archive's member raises as many types as a damaged image
        raise UnusableLabelsError(
            f"{path} must be readable. Repair or delete it. Received: {type(error).__name__}: {error} in data={data!r}."
        ) from error
    try:
        # Bytes of another encoding become what Python makes of such bytes in names of files.
        fields = json.loads(content.decode(json.detect_encoding(content), "surrogateescape"))
        labels = fields.get("labels")
        pairs = None if labels is None else [(str(name), label) for name, label in labels]
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise UnusableLabelsError(
            f'{METADATA_NAME} must hold {{"labels": [["folder/name.png", 0], ...]}} or {{"labels": null}}. Correct '
            f"or delete it. Received: {type(error).__name__}: {error} in {_where(path, data)}."
        ) from error
    return None if pairs is None else _by_name(pairs, path, data)


def labels_from_file(names: Sequence[str | None], entries: Mapping[str, object], path: str, data: str) -> Labels:
    """The labels of pictures, in their order.

    Args:
        names: Relative paths in the source; None for one that gets no label.
        entries: As `read_labels_file` gives them.
        path: The file's, in the source; the names in it are relative to its folder.
        data: The user's word for the source, for messages.

    Raises:
        UnusableLabelsError: Pictures without a label, or labels that are neither numbers nor one-hot.
    """
    where = _where(path, data)
    folder = path[: -len(METADATA_NAME)]
    wanted = [name for name in names if name is not None]
    found = _find_entries(wanted, entries, folder, path, data)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UnusableLabelsError(
            f"{METADATA_NAME} must give a label to every image, under its path from the folder that "
            f"{METADATA_NAME} lies in. Complete or delete it. Received: {len(missing)} of {len(wanted)} images are "
            f"missing, such as {missing[0]!r}, in {where}."
        )
    values = [found[name] for name in wanted]
    if not values:
        return Labels()
    vectors = isinstance(values[0], list)
    for name, value in zip(wanted, values, strict=True):
        if not (_is_vector(value, len(values[0])) if vectors else _is_class(value)):  # type: ignore[arg-type]
            raise UnusableLabelsError(
                f"labels must be whole numbers from 0 to {MAX_CLASSES - 1}, or one-hot vectors of one length. "
                f"Received: {name!r} has the label {_cut(value)} in {where}."
            )
    labels = numbered_labels(np.array(values, None if vectors else np.int64), len(values), where)
    notes = () if path == METADATA_NAME else (f"the labels are those of {path!r}",)
    if labels.indices is None:
        return labels
    indices = np.full(len(names), -1, np.int32)
    indices[[name is not None for name in names]] = labels.indices
    return Labels(indices, labels.names, notes)


def _where(path: str, data: str) -> str:
    return f"the {path} of data={data!r}"


def _by_name(pairs: Iterable[tuple[str, object]], path: str, data: str) -> dict[str, object]:
    entries: dict[str, object] = {}
    for name, label in pairs:
        if entries.setdefault(name, label) != label:
            raise _contradiction(name, entries[name], label, path, data)
    return entries


def _contradiction(name: str, first: object, second: object, path: str, data: str) -> UnusableLabelsError:
    return UnusableLabelsError(
        f"{METADATA_NAME} must give one label to each image. Received: {name!r} has the labels {_cut(first)} and "
        f"{_cut(second)} in {_where(path, data)}."
    )


def _find_entries(
    names: Sequence[str], entries: Mapping[str, object], folder: str, path: str, data: str
) -> dict[str, object]:
    """Label by name, of the pictures that have one; a name that looks the same counts if the exact one is missing."""
    found: dict[str, object] = {}
    rest: dict[str, str] = {}
    for name in names:
        inside = name.removeprefix(folder)
        if not name.startswith(folder):
            continue
        if inside in entries:
            found[name] = entries[inside]
        elif not name.isascii():
            rest[nfc(inside)] = name
    if rest:
        alike: dict[str, object] = {}
        for entry, label in entries.items():
            name = nfc(entry)
            if name in rest and alike.setdefault(name, label) != label:
                raise _contradiction(name, alike[name], label, path, data)
        found |= {rest[name]: label for name, label in alike.items()}
    return found


def _is_class(value: object) -> bool:
    return type(value) is int and 0 <= value < MAX_CLASSES


def _is_vector(value: object, length: int) -> bool:
    return isinstance(value, list) and len(value) == length and all(type(x) in (int, float) for x in value)


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"
