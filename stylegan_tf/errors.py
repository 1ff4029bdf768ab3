"""Mistakes of users, apart from bugs: what was expected, what came, and what to do."""

from __future__ import annotations

from typing import Any


class UserError(ValueError):
    """Something that a user can mend. Commands show it as one line with exit code 2; everything else is a bug."""


def require(condition: bool, expected: str, received: Any) -> None:
    """Raises UserError saying what was expected and what came, unless the condition holds."""
    if not condition:
        raise UserError(f"{expected}. Received: {received}.")
