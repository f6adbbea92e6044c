"""Rows of styled text, measured in cells as prompt-toolkit draws them.

A row is a list of (style, text); the texts are inert. Nothing here knows what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prompt_toolkit.utils import get_cwidth

from chatcli.ui.folding import wrap

__all__ = [
    "Fragment",
    "Row",
    "clip_row",
    "fit",
    "note_rows",
    "row_width",
    "rule",
    "width",
    "wrapped",
]

Fragment = tuple[str, str]
Row = list[Fragment]

_MORE = "…"


def width(text: str) -> int:
    """Cells."""
    return get_cwidth(text)


def row_width(row: Iterable[Fragment]) -> int:
    """Cells."""
    return sum(width(text) for _, text in row)


def fit(text: str, cells: int, *, right: bool = False, fill: bool = True) -> str:
    """`text` in exactly `cells` cells (at most, without `fill`); "…" where it was cut."""
    if cells <= 0:
        return ""
    if width(text) > cells:
        text = _cut(text, cells - 1) + _MORE
    space = " " * (cells - width(text)) if fill else ""
    return space + text if right else text + space


def clip_row(row: Sequence[Fragment], cells: int) -> Row:
    """As much of a row as goes into `cells`."""
    kept: Row = []
    for style, text in row:
        room = cells - row_width(kept)
        if width(text) > room:
            return [*kept, (style, fit(text, room))] if room > 0 else kept
        kept.append((style, text))
    return kept


def rule(facts: Sequence[Fragment], cells: int) -> Row:
    """A line across the screen, with facts in it, clipped where they don't fit."""
    head = clip_row([("class:border", "── "), *facts, ("", " ")], cells)
    return [*head, ("class:border", "─" * (cells - row_width(head)))]


def wrapped(text: str, cells: int) -> list[str]:
    """`text` as lines of at most `cells` cells: at spaces, else, as in Chinese, anywhere."""
    lines: list[str] = []
    for line in wrap(text, cells + 1):
        while width(line) > cells and (head := _cut(line, cells)):
            lines.append(head)
            line = line[len(head) :]
        lines.append(line)
    return lines


def note_rows(text: str, columns: int, style: str = "class:note") -> list[Row]:
    """Sentences in the middle of a view."""
    return [[], *([(style, f"  {line}")] for line in wrapped(text, max(1, columns - 4)))]


def _cut(text: str, cells: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += width(char)
        if used > cells:
            return text[:index]
    return text
