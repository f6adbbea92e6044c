"""The table that `--table` leaves after a reply: one row for every token."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatcli.engine.types import Step
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.panel import bits, clip, percent

__all__ = ["token_table"]

_LABEL_CELLS = 16


def token_table(
    steps: Sequence[Step], label: Callable[[int], str], columns: int | None
) -> list[str]:
    """The heading and a row for each step, in at most `columns` cells (None: all columns).

    Columns are left out from the right where the terminal is narrow.
    """

    def spelt(token: int) -> str:
        return clip(label(token), _LABEL_CELLS)

    table = [
        _figures("#", 0, [f"{step.index + 1:,}" for step in steps]),
        Column("token", [spelt(step.token) for step in steps], gives=True),
        _figures("model", 1, [percent(step.raw_prob) for step in steps]),
        _figures("drawn from", 2, [percent(step.prob) for step in steps]),
        _figures("rank", 3, [f"{step.rank:,}" for step in steps]),
        _figures("surprisal", 4, [bits(step.raw_prob) for step in steps]),
        _figures("entropy", 5, [f"{step.entropy_bits:.2f} bits" for step in steps]),
        _figures("u", 6, ["" if step.draw.u is None else f"{step.draw.u:.4f}" for step in steps]),
        Column("rival (model)", [_rival(step, spelt) for step in steps], rank=7),
    ]
    return table_lines(table, columns)


def _figures(title: str, rank: int, cells: Sequence[str]) -> Column:
    return Column(title, cells, rank=rank, right=True)


def _rival(step: Step, spelt: Callable[[int], str]) -> str:
    """The model's own likeliest other token, whether or not it survived the chain."""
    others = [one for one in step.draw.candidates if one.token != step.token]
    if not others:
        return ""
    rival = max(others, key=lambda one: one.raw_prob)
    return f"{spelt(rival.token)} {percent(rival.raw_prob)}"
