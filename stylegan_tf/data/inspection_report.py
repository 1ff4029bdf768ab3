"""What a look at a source found, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from stylegan_tf.data.inspection import Inspection, Spread
from stylegan_tf.data.sources.listing import counts_text
from stylegan_tf.printing import printable

_WIDTH = 110  # characters of a line
_INDENT = 14  # characters of a heading
_SHOWN = 3  # names of each finding
_BROKEN_SHOWN = 20
_SHOWN_COUNTS = 8


def format_inspection(inspection: Inspection) -> str:
    """Writes an inspection as text of at most about 40 lines."""
    found = inspection
    lines = [f"{printable(found.name)} ({found.source_kind})", ""]

    def add(heading: str, text: str) -> None:
        first = f"{heading:<{_INDENT}}"
        lines.extend(textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=" " * _INDENT))

    can_be_read = f", of which {found.readable:,} can be read" if found.broken else ""
    others = sum(found.ignored.values())
    ignored = f"; other files: {others:,} ({counts_text(found.ignored)})" if others else ""
    add("Pictures", f"{found.count:,}{can_be_read}{ignored}")
    if found.heights is not None and found.widths is not None:
        add("Height", _spread_text(found.heights))
        add("Width", _spread_text(found.widths))
        sizes = [(f"{height}x{width}", count) for (height, width), count in found.sizes]
        add("HeightxWidth", _counts_text(sizes, len(sizes), found.num_sizes))
    if found.formats:
        add("Formats", _counts_text(found.formats.items(), _SHOWN_COUNTS))
        add("Stored as", _counts_text(found.kinds.items(), _SHOWN_COUNTS))
        add("Transparent", f"{found.transparent:,}, in at least one pixel")
    if found.labels:
        add("Classes", f"{len(found.labels):,}: {_counts_text(found.labels.items(), _SHOWN_COUNTS)}")
        if found.unlabelled:
            add("", f"in none of them: {found.unlabelled:,}")
    _add_list(lines, "Broken", [f"{_short(name)}: {why}" for name, why in found.broken], shown=_BROKEN_SHOWN)
    _add_list(lines, "Near-empty", [f"{_short(name)}: {why}" for name, why in found.empty])
    _add_list(lines, "Repeats", [_group_text(group) for group in found.repeats], _repeats_text(found.repeats))
    if found.recommended is not None:
        lines += ["", "Resolution    pictures at least as large"]
        for resolution, count in found.fitting.items():
            note = "  <- recommended" if resolution == found.recommended else ""
            lines.append(f"{resolution:>10}    {count:>8,}  {100 * count // found.readable:>3}%{note}")
    return "\n".join(lines)


def _spread_text(spread: Spread) -> str:
    if spread.smallest == spread.largest:
        return f"{spread.smallest:,}"
    return f"{spread.smallest:,} to {spread.largest:,}, median {spread.median:,}"


def _counts_text(pairs: Iterable[tuple[str, int]], shown: int, total: int | None = None) -> str:
    every = list(pairs)
    text = ", ".join(f"{_short(name, 40)} {count:,}" for name, count in every[:shown])
    more = (len(every) if total is None else total) - min(shown, len(every))
    return f"{text}, and {more:,} more" if more else text


def _add_list(lines: list[str], heading: str, entries: Sequence[str], summary: str = "", shown: int = _SHOWN) -> None:
    lines.append(f"{heading:<{_INDENT}}{summary or f'{len(entries):,}'}" if entries else f"{heading:<{_INDENT}}none")
    lines += [f"  {_cut(entry)}" for entry in entries[:shown]]
    if len(entries) > shown:
        lines.append(f"  and {len(entries) - shown:,} more")


def _repeats_text(groups: Sequence[Sequence[str]]) -> str:
    return f"{sum(len(group) - 1 for group in groups):,}; groups with equal pixels: {len(groups):,}"


def _group_text(group: Sequence[str]) -> str:
    text = " = ".join(_short(name, 40) for name in group[:_SHOWN])
    return f"{text}, and {len(group) - _SHOWN:,} more" if len(group) > _SHOWN else text


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _short(name: str, longest: int = 60) -> str:
    """The end of a name that is too long, which tells more than its beginning."""
    name = printable(name)
    return name if len(name) <= longest else "…" + name[1 - longest :]
