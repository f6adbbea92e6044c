"""Short facts in a row, and sentences, folded onto more lines where the screen is narrow."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.cells import cell_len

__all__ = ["SEPARATOR", "fold", "rows", "wrap"]

SEPARATOR = " · "
_BREAK = re.compile("(?<=[→,]) ")


def fold(facts: Iterable[str], columns: int | None) -> list[str]:
    """The facts as lines shorter than `columns` cells (None: one line).

    A line ends between two facts or, in a fact longer than a line, after an arrow or a comma. What
    can't be broken there stays whole, and is left to the terminal.
    """
    pieces = [line for fact in facts for line in _filled(_BREAK.split(fact), " ", columns)]
    return _filled(pieces, SEPARATOR, columns)


def wrap(text: str, columns: int) -> list[str]:
    """A sentence as lines shorter than `columns` cells, broken at spaces; a longer word, as in
    Chinese, is left to the terminal. Spaces at the beginning of the text stay."""
    words = text.lstrip(" ").split(" ")
    return _filled([" " * (len(text) - len(text.lstrip(" "))) + words[0], *words[1:]], " ", columns)


def rows(text: str, columns: int) -> str:
    """`text` with those of its lines wrapped that are wider than `columns` cells."""
    lines = (
        wrap(line, columns) if cell_len(line) > columns else [line] for line in text.split("\n")
    )
    return "\n".join(row for line in lines for row in line)


def _filled(parts: Iterable[str], joint: str, columns: int | None) -> list[str]:
    """`parts` with `joint` between those on the same line; each line takes what it can."""
    lines: list[str] = []
    for part in parts:
        longer = lines[-1] + joint + part if lines else part
        if lines and (columns is None or cell_len(longer) < columns):
            lines[-1] = longer
        else:
            lines.append(part)
    return lines
