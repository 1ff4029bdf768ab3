"""What somebody sees on a terminal that got a text."""

from __future__ import annotations

import pyte


def on_screen(written: str, columns: int = 80, rows: int = 24) -> list[str]:
    """The rows of a terminal's screen, without spaces at their ends and empty rows below."""
    screen = pyte.Screen(columns, rows)
    pyte.Stream(screen).feed(written.replace("\n", "\r\n"))
    return "\n".join(row.rstrip() for row in screen.display).rstrip("\n").splitlines()
