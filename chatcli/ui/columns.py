"""Plain tables: columns of cells that line up, and that give way where the screen is narrow.

Widths are counted in terminal cells, so Chinese and emoji align. What the cells say is the
business of the views that call this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from chatcli.ui.panel import clip

__all__ = ["Column", "table_lines"]

_GAP = "  "
_NARROWEST = 4


@dataclass(frozen=True, slots=True)
class Column:
    """One column, its title included.

    Columns of higher `rank` are left out first where the width is short; those of rank 0
    stay, and the one that `gives` is clipped instead.
    """

    title: str
    cells: Sequence[str]
    rank: int = 0
    right: bool = False
    gives: bool = False

    @property
    def width(self) -> int:
        return max(map(cell_len, (self.title, *self.cells)))

    def padded(self, text: str, width: int) -> str:
        text = clip(text, width)
        space = " " * (width - cell_len(text))
        return space + text if self.right else text + space


def table_lines(columns: Sequence[Column], width: int | None) -> list[str]:
    """The table as lines, titles first, in at most `width` cells (None: as wide as it gets)."""
    kept = _that_fit(columns, width)
    widths = _widths(kept, width)
    rows = zip(*((column.title, *column.cells) for column in kept), strict=True)
    return [_line(kept, row, widths) for row in rows]


def _line(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        column.padded(text, width) for column, text, width in zip(columns, row, widths, strict=True)
    )
    return _GAP.join(cells).rstrip()


def _that_fit(columns: Sequence[Column], width: int | None) -> list[Column]:
    kept = list(columns)
    while width is not None and _total([column.width for column in kept]) > width:
        least = max(kept, key=lambda column: column.rank)
        if least.rank == 0:
            break
        kept = [column for column in kept if column.rank != least.rank]
    return kept


def _widths(columns: Sequence[Column], width: int | None) -> list[int]:
    widths = [column.width for column in columns]
    excess = 0 if width is None else _total(widths) - width
    for index, column in enumerate(columns):
        if column.gives and excess > 0:
            widths[index] = max(_NARROWEST, widths[index] - excess)
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * max(0, len(widths) - 1)
