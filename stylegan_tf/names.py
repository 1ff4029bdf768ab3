"""Names of files and classes: which look the same, and which can be written at all.

Unicode writes é as one character (NFC) or as e and an accent (NFD). Systems and archives differ in what they make of
a name, nobody can see it, and names on disk may be bytes of another encoding, which Python gives as lone surrogates.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable


def nfc(name: str) -> str:
    """The form of a name by which those that look the same are equal."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def same_names(first: Iterable[str], second: Iterable[str]) -> bool:
    """Whether two rows of names look the same."""
    return [nfc(name) for name in first] == [nfc(name) for name in second]


def can_be_written(name: str) -> bool:
    """Whether a name can be written as UTF-8, as files, TensorFlow and TensorBoard need it."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def as_written(name: str) -> str:
    """The name with what cannot be written as a literal: `caf\\udce9`."""
    return name.encode("utf-8", "backslashreplace").decode()


def spelt_on_disk(path: str) -> str:
    """The path with each part written as on disk, where something of this name is there in another form of Unicode."""
    if path.isascii() or os.path.lexists(path):
        return path
    parent, name = os.path.split(path)
    if not parent or parent == path:
        return _spelt_in(parent or os.curdir, path)
    parent = spelt_on_disk(parent)
    return os.path.join(parent, _spelt_in(parent, name))


def _spelt_in(folder: str, name: str) -> str:
    if name.isascii() or os.path.lexists(os.path.join(folder, name)):
        return name
    forms = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    return next((form for form in forms if os.path.lexists(os.path.join(folder, form))), name)
