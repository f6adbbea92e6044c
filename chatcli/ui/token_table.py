"""The table that `--table` leaves after a reply: one row for every token.

Columns that don't fit in the terminal are left out from the right; those left line up at
any width of character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len

from chatcli.engine.types import Step
from chatcli.ui.panel import bits, clip, percent

__all__ = ["token_table"]

_LABEL_CELLS = 16
_GAP = "  "


class _Column(NamedTuple):
    heading: str
    cells: Sequence[str]
    right: bool = True

    @property
    def width(self) -> int:
        return max(map(cell_len, (self.heading, *self.cells)))

    def lines(self) -> Iterator[str]:
        for cell in (self.heading, *self.cells):
            padding = " " * (self.width - cell_len(cell))
            yield padding + cell if self.right else cell + padding


def token_table(steps: Sequence[Step], label: Callable[[int], str], columns: int) -> list[str]:
    """The heading and a row for each step, each at most `columns` cells wide."""
    fitting: list[_Column] = []
    width = -len(_GAP)
    for column in _columns(steps, label):
        width += len(_GAP) + column.width
        if width > columns and fitting:
            break
        fitting.append(column)
    rows = zip(*(column.lines() for column in fitting), strict=True)
    return [_GAP.join(row).rstrip() for row in rows]


def _columns(steps: Sequence[Step], label: Callable[[int], str]) -> Iterator[_Column]:
    def spelt(token: int) -> str:
        return clip(label(token), _LABEL_CELLS)

    yield _Column("#", [f"{step.index + 1:,}" for step in steps])
    yield _Column("token", [spelt(step.token) for step in steps], right=False)
    yield _Column("model", [percent(step.raw_prob) for step in steps])
    yield _Column("drawn from", [percent(step.prob) for step in steps])
    yield _Column("rank", [f"{step.rank:,}" for step in steps])
    yield _Column("surprisal", [bits(step.raw_prob) for step in steps])
    yield _Column("entropy", [f"{step.entropy_bits:.2f} bits" for step in steps])
    yield _Column("u", ["" if step.draw.u is None else f"{step.draw.u:.4f}" for step in steps])
    yield _Column("instead", [_rival(step, spelt) for step in steps], right=False)


def _rival(step: Step, spelt: Callable[[int], str]) -> str:
    """The likeliest other token: what nearly came instead."""
    others = [one for one in step.draw.candidates if one.token != step.token]
    if not others:
        return ""
    rival = max(others, key=lambda one: (one.prob, one.raw_prob))
    return f"{spelt(rival.token)} {percent(rival.prob or rival.raw_prob)}"
