"""Mistakes of users, apart from bugs: what was expected, what came, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

# The exit code of commands for what a user can mend.
USER_ERROR = 2


class UserError(ValueError):
    """Something that a user can mend. Commands show it as one line with exit code 2; everything else is a bug."""


def require(condition: bool, expected: str, received: Any) -> None:
    """Raises UserError saying what was expected and what came, unless the condition holds."""
    if not condition:
        raise UserError(f"{expected}. Received: {received}.")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The known word that is most like another, as a question behind a space; empty where none is like it."""
    close = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f" Did you mean {close[0]}?" if close else ""
