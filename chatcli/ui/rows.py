"""How many rows a text takes on a terminal, where every terminal agrees about that.

Terminals differ over the width of emoji, of combining marks and of what Unicode calls
ambiguous (“, …, —, which are wide in some Chinese setups). The wider a character, the further
on ends a text, so if the narrowest and the widest reading end in the same row, all do.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from rich.cells import get_character_cell_size

__all__ = ["TAB", "sure_rows"]

TAB = 8  # cells between two stops


def sure_rows(text: str, columns: int) -> int | None:
    """The rows of `text`, written from column 0 on and its last row ended; None for unsure."""
    if columns < 2:
        return None
    lines = text.removesuffix("\n").split("\n") if text else []
    least = sum(_rows(line, columns, 0) for line in lines)
    return least if least == sum(_rows(line, columns, 1) for line in lines) else None


def _rows(line: str, columns: int, reading: int) -> int:
    rows, column = 1, 0
    for character in line:
        if character == "\t":
            column = min(columns - 1, (column // TAB + 1) * TAB)
            continue
        cells = _cells(character)[reading]
        if column + cells > columns:
            rows, column = rows + 1, 0
        column += cells
    return rows


@cache
def _cells(character: str) -> tuple[int, int]:
    """The least and the most cells that a terminal may give to an inert character."""
    cells = get_character_cell_size(character)
    width, kind = unicodedata.east_asian_width(character), unicodedata.category(character)
    if width == "A" and kind[0] not in "LM":
        return 1, 2
    sure = kind[0] in "LNPZ" or kind in ("Sm", "Sc") or " " <= character <= "~"
    return (cells, cells) if sure and cells == (2 if width in "WF" else 1) else (0, 2)
