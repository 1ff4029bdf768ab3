"""Addresses of repositories on a hub: hf://user/name, or hf://user/name@revision."""

from __future__ import annotations

import dataclasses
import os
import re

from stylegan_tf.errors import UserError, require
from stylegan_tf.runs.averages import EMA

SCHEME = "hf://"
_PART = r"[A-Za-z0-9][\w.-]{0,95}"
_ADDRESS = re.compile(rf"({_PART})/({_PART})(?:@({_PART}(?:/{_PART})*))?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class HubAddress:
    """A repository of a user or an organisation, at one of its revisions.

    Attributes:
        user, name: Of the repository.
        revision: A branch, a tag or a commit; empty for the main branch.
    """

    user: str
    name: str
    revision: str = ""

    @property
    def repository(self) -> str:
        """Such as "user/name"."""
        return f"{self.user}/{self.name}"

    def __str__(self) -> str:
        return f"{SCHEME}{self.repository}{self.revision and f'@{self.revision}'}"


def is_hub_address(text: str | os.PathLike[str]) -> bool:
    """Whether something is meant as an address, be it a sound one or not."""
    return isinstance(text, str) and text.startswith(SCHEME)


def whole_hub_address(text: str, checkpoint: str, average: str = EMA) -> HubAddress:
    """Reads an address beside which a checkpoint or an average might be asked for. Raises UserError where one is."""
    require(
        checkpoint == "newest", f"checkpoint belongs to runs; of a hub choose {SCHEME}USER/NAME@REVISION", checkpoint
    )
    require(average == EMA, "average belongs to runs; a hub holds one generator", f"average={average}")
    return parse_hub_address(text)


def parse_hub_address(text: str) -> HubAddress:
    """Reads an address. Raises UserError for any other text."""
    match = _ADDRESS.fullmatch(text.removeprefix(SCHEME)) if is_hub_address(text) else None
    if match is None or ".." in text or "--" in f"{match[1]}{match[2]}":
        raise UserError(
            f"a network on a hub must be {SCHEME}USER/NAME, or {SCHEME}USER/NAME@REVISION. Received: {text!r}."
        )
    return HubAddress(match[1], match[2], match[3] or "")
