"""What may be printed of words that are not ours: names of files and classes, texts of files, answers of servers."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from stylegan_tf import live


def printable(text: str) -> str:
    """Text with what would change a terminal, or cannot be encoded, written as a literal: `\\x1b`, `\\udce9`."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def printable_lines(text: str) -> str:
    """As `printable`, of a text of several lines, which may have tabs."""
    return (
        text
        if text.isprintable()
        else "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
    )


def note_line(command: str, text: str) -> str:
    """What a user should know, and need not mend, as every command says it: "dataset: note: there are no labels."."""
    return f"{command}: note: {printable(text).removesuffix('.')}."


def tell_note(command: str, text: str) -> None:
    """Prints a note on stderr; nothing for an empty text."""
    if text:
        print(note_line(command, text), file=sys.stderr, flush=True)


class PrintableStream:
    """A stream of text that lets through what is printable, ends of lines and tabs.

    All that a command prints goes through one, so that no name of a file or a class reaches a terminal as it is. What a
    terminal draws anew (`live`) makes room for it.

    Args:
        stream: Where it is written; asked for everything else.

    Attributes:
        unfiltered: The same stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unfiltered = stream

    def write(self, text: str) -> int:
        """Writes text; returns the length of the text that was given."""
        live.erase()
        self.unfiltered.write(printable_lines(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Writes each of several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unfiltered, name)
