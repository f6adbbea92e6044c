"""The candidates, a row each: how probable each is before and after the chain, as a bar.

▶ is the candidate in hand, ● the token that the seed would draw. Columns of figures give way
where the screen is narrow.
"""

from __future__ import annotations

from chatcli.probe.waterfall import Fall, Waterfall
from chatcli.text.visible import token_label
from chatcli.ui.explorer.cells import Row, fit
from chatcli.ui.explorer.figures import share
from chatcli.ui.explorer.state import State
from chatcli.ui.panel import bar as blocks
from chatcli.ui.panel import bits
from chatcli.ui.theme import prob_style

__all__ = ["candidate_style", "candidates", "head_cells", "label_cells", "window"]

_SHADE = "░"  # as long as the bar would have been
_PERCENT = 9
_SHORTEST_BAR = 6
# What stands at the right, first what stays longest: title, cells, screen from which on.
_FIGURES = (
    ("drawn", _PERCENT, 0),
    ("model", _PERCENT, 40),
    ("bits", 8, 66),
    ("id", 8, 84),
    ("logit", 9, 96),
)


def candidates(state: State, waterfall: Waterfall, columns: int, rows: int) -> list[Row]:
    """A heading, and as many candidates as fit, the one in hand among them."""
    figures = [(title, cells) for title, cells, least in _FIGURES if columns >= least]
    label = label_cells(columns)
    bar = columns - 1 - head_cells(state) - label - 2 - sum(cells for _, cells in figures)
    titles = "".join(fit(title, cells, right=True) for title, cells in figures)
    heading = fit("rank", head_cells(state), right=True) + fit("  token", label + 2)
    first = window(state, rows - 1)
    body = [
        _row(state, waterfall, fall, label, bar, figures)
        for fall in waterfall.best(first, rows - 1)
    ]
    return [[("class:heading", heading + " " * max(0, bar) + titles)], *body]


def window(state: State, rows: int) -> int:
    """The first candidate on a screen of so many rows: the one in hand stays in its middle."""
    return max(0, min(state.selected - rows // 2, state.size - rows))


def head_cells(state: State) -> int:
    """The marks, and a rank of the largest there is."""
    return 3 + max(5, len(f"{state.size:,}"))


def label_cells(columns: int) -> int:
    """For a token's label."""
    return max(8, min(20, columns // 5))


def candidate_style(state: State, fall: Fall) -> str:
    """How a row looks, whatever its columns are."""
    if state.behind:
        return "class:behind"
    if fall.candidate.rank - 1 == state.selected:
        return "class:selected"
    if state.found and fall.candidate.token in state.found:
        return "class:match"
    return ""


def marks(state: State, waterfall: Waterfall, fall: Fall) -> str:
    """Which one is in hand, and which one the seed draws."""
    one = fall.candidate
    hand = "▶" if one.rank - 1 == state.selected else " "
    drawn = "●" if one.token == waterfall.draw.token else " "
    return hand + drawn + fit(f"{one.rank:,}", head_cells(state) - 2, right=True)


def _row(
    state: State,
    waterfall: Waterfall,
    fall: Fall,
    label: int,
    bar: int,
    figures: list[tuple[str, int]],
) -> Row:
    one, base = fall.candidate, candidate_style(state, fall)
    tint = f"class:{prob_style(one.raw_prob)}"
    cells = {
        "drawn": share(one.prob),
        "model": share(one.raw_prob),
        "bits": bits(one.raw_prob).removesuffix(" bits"),
        "id": str(one.token),
        "logit": f"{one.logit:.2f}",
    }
    return [
        (base, marks(state, waterfall, fall) + "  "),
        (base or tint, fit(token_label(state.tokenizer, one.token), label)),
        *_bar(fall, waterfall, base if state.behind else tint, bar),
        (base, "".join(fit(cells[title], cells_, right=True) for title, cells_ in figures)),
    ]


def _bar(fall: Fall, waterfall: Waterfall, tint: str, cells: int) -> Row:
    """How much of the draw is its own, or which stage removed it."""
    one = fall.candidate
    if cells < _SHORTEST_BAR:
        return [("", " " * max(0, cells))]
    if one.prob > 0:
        return [(tint, fit(" " + blocks(one.prob, cells - 2), cells))]
    greedy = "greedy" if waterfall.draw.u is None and one.raw_prob > 0 else None
    why = one.removed_by or greedy
    shade = _SHADE * round(one.raw_prob * (cells - 2))
    return [
        ("class:removed", fit(f" {shade}{' ' * bool(shade)}{f'· {why}' if why else ''}", cells))
    ]
