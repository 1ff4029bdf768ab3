"""A folder of image files, with its subfolders."""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator

from absl import logging
from PIL import Image

from stylegan_tf.data.image_file import open_image
from stylegan_tf.data.sources.base import Item, Source, digest
from stylegan_tf.data.sources.class_folders import find_labels
from stylegan_tf.data.sources.labels_file import is_labels_file, require_readable_size
from stylegan_tf.data.sources.listing import (
    is_container,
    is_hidden_image,
    is_image_name,
    is_left_out,
    kind_of_other,
    no_images_error,
    state_text,
)
from stylegan_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class FileItem(Item):
    """An image file.

    Attributes:
        folder: The source's folder, below which `name` lies.
    """

    folder: str

    def open(self) -> Image.Image:
        """Opens the file."""
        return open_image(os.path.join(self.folder, self.name))


class FolderSource(Source):
    """All image files of a folder and its subfolders, in the order of their relative paths.

    Links are followed, but not those back to a folder on the way, nor a second way to the same folder. Names that
    start with a dot are left out. A dataset.json gives labels; otherwise the subfolders are the classes where labels
    are asked for.

    Args:
        data: The user's word for the folder.
        folder: Its path.
        use_labels: Whether subfolders become classes.

    Raises:
        ValueError: A folder without images, or labels that cannot be had.
    """

    kind = "folder"

    def __init__(self, data: str, folder: str, *, use_labels: bool = False) -> None:
        self.name = data
        self._folder = folder
        self._names: list[str] = []
        self.ignored = ignored = collections.Counter[str]()
        container = ""
        folders: set[str] = set()
        label_files: dict[str, Callable[[], bytes]] = {}
        for name, is_file in _walk(folder):
            if name.endswith("/"):
                folders.add(name[:-1])
            elif is_file and is_image_name(name) and not is_left_out(posixpath.basename(name)):
                self._names.append(name)
            elif is_file and is_labels_file(name):
                label_files[name] = functools.partial(_read_labels, os.path.join(folder, name))
            else:
                ignored[kind_of_other(name, is_file=is_file)] += 1
                container = container or (name if is_container(name) else "")
        if not self._names:
            hint = f"It holds {container!r}: give the path of that file itself. " if container else ""
            raise no_images_error("folder", ignored, hint, data)
        self._names.sort()
        self._labels = find_labels(self._names, label_files, folders, use_labels=use_labels, data=data)
        self.label_names, self.label_notes = self._labels.names, self._labels.notes

    def __len__(self) -> int:
        return len(self._names)

    def items(self, start: int = 0) -> Iterator[Item]:
        """Gives the files from number `start` on."""
        for number in range(start, len(self._names)):
            yield FileItem(self._names[number], self._labels[number], self._folder)

    def signature(self) -> str:
        """Of relative names, sizes, times of change, and labels."""

        def parts() -> Iterable[str | bytes]:
            yield from self._labels.parts()
            for name in self._names:
                yield name
                yield state_text(os.path.join(self._folder, name))

        return digest(parts())


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _read_labels(path: str) -> bytes:
    require_readable_size(os.path.getsize(path))
    return _read(path)


def _walk(folder: str) -> Iterator[tuple[str, bool]]:
    """Relative names with "/" between their parts, and whether each is a file (or a link that leads nowhere).

    Those of folders end with "/". Of hidden files, only what would be pictures; of hidden folders, nothing.
    """
    visited: set[str] = set()
    pending = [""]
    while pending:
        prefix = pending.pop()
        path = os.path.join(folder, prefix)
        real = os.path.realpath(path)
        if real in visited:  # a link back, or a second way to the same folder
            continue
        visited.add(real)
        try:
            with os.scandir(path) as scanned:
                entries = [entry for entry in scanned if not is_left_out(entry.name) or is_hidden_image(entry.name)]
        except OSError as error:
            if not prefix:
                raise UserError(f"The folder cannot be read ({error}). Received: data={folder!r}.") from error
            logging.warning("%r is left out, as it cannot be read: %s", path, error)
            continue
        subfolders = [
            f"{prefix}{entry.name}/" for entry in entries if _is(entry.is_dir) and not is_left_out(entry.name)
        ]
        pending += sorted(subfolders, reverse=True)
        yield from ((name, False) for name in subfolders)
        for entry in entries:
            if not _is(entry.is_dir):
                # Opening a pipe would wait forever; a broken link is a picture that is missing, and must be told.
                yield f"{prefix}{entry.name}", _is(entry.is_file) or not os.path.exists(entry.path)


def _is(test: Callable[[], bool]) -> bool:
    """Asks a folder's entry what it is; a link around in a circle is nothing."""
    try:
        return test()
    except OSError:
        return False
