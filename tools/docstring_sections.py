"""An extension of mkdocstrings for mkdocs.yml: the sections of Keras' docstrings that Google's style does not have."""

import re
from typing import Any

import griffe

CALL_ARGUMENTS = re.compile(r"^Call arguments:\n((?:(?: +.*)?\n?)*)", re.MULTILINE)
ARGUMENT = re.compile(r"^ {4}([\w, *]+): ", re.MULTILINE)
ONE_LINE = re.compile(r"^(Input shape|Output shape|Reference): ", re.MULTILINE)


class DocstringSections(griffe.Extension):
    """Makes a list of `Call arguments:`, code of `Example:`, and sets the names of sections of one line in bold."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrites a docstring before it is parsed."""
        if obj.docstring:
            text = CALL_ARGUMENTS.sub(as_list, obj.docstring.value)
            text = ONE_LINE.sub(r"**\1:** ", text)
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)


def as_list(section: re.Match[str]) -> str:
    """Turns the lines `name: meaning` of the section into items of a list."""
    return "**Call arguments:**\n\n" + ARGUMENT.sub(lambda match: f"- `{match[1]}`: ", section[1])
