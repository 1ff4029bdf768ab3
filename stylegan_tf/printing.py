"""What may be printed of words that are not ours: names of files and classes, texts of files, answers of servers."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text with what would change a terminal, or cannot be encoded, written as a literal: `\\x1b`, `\\udce9`."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
