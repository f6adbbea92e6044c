"""The waterfall: a column a stage, in order, and what each stage left of every candidate.

Above the candidates, of each stage: how many survive it, how much of the probability goes with
those that don't, and the entropy it leaves. A candidate's last figure is followed by ✕ under
the stage that removed it. "[ ]" in the heading: there are stages to the left or right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatcli.probe.waterfall import Fall, Waterfall
from chatcli.text.visible import token_label
from chatcli.ui.explorer.cells import Row, fit
from chatcli.ui.explorer.figures import share
from chatcli.ui.explorer.state import State
from chatcli.ui.explorer.table import candidate_style, head_cells, label_cells, marks, window
from chatcli.ui.theme import prob_style

__all__ = ["stages_shown", "waterfall_rows"]

_NARROWEST, _WIDEST = 9, 14
_SHORT = {
    "repetition_penalty": "repeat",
    "frequency_penalty": "freq",
    "presence_penalty": "presence",
    "no_repeat_ngram": "ngram",
    "sequence_bias": "sequence",
    "bad_words": "bad",
    "logit_bias": "bias",
    "temperature": "temp",
    "min_length": "length",
    "min_new_tokens": "new",
    "top_n_sigma": "top_nσ",
    "typical_p": "typical",
    "adaptive_p": "adaptive",
}


def waterfall_rows(state: State, waterfall: Waterfall, columns: int, rows: int) -> list[Row]:
    """The stages from `first_stage` on, as many as fit, under the model's own distribution."""
    names = _names(waterfall)
    shown, cells = stages_shown(state, len(names), columns)
    table = _Columns(
        state, waterfall, [names[index] for index in shown], list(shown), cells, columns
    )
    summary = [
        table.summary("survive", lambda index: f"{_kept(state, waterfall, index):,}"),
        table.summary("mass gone", lambda index: _gone(waterfall, index)),
        table.summary("bits", lambda index: f"{_bits(waterfall, index):.2f}"),
    ]
    if rows < 8:
        summary = []
    room = rows - 1 - len(summary)
    first = window(state, room)
    body = [table.row(fall) for fall in waterfall.best(first, room)]
    return [table.heading(), *summary, *body]


def stages_shown(state: State, count: int, columns: int) -> tuple[range, int]:
    """Which of so many columns are on the screen, and how wide each is."""
    space = columns - 1 - head_cells(state) - 2 - label_cells(columns) - _NARROWEST
    fitting = max(1, space // _NARROWEST)
    start = max(0, min(state.first_stage, count - fitting))
    shown = range(start, min(count, start + fitting))
    return shown, max(_NARROWEST, min(_WIDEST, space // max(1, len(shown))))


class _Columns:
    """One layout for all rows."""

    def __init__(
        self,
        state: State,
        waterfall: Waterfall,
        names: Sequence[str],
        shown: Sequence[int],
        cells: int,
        columns: int,
    ) -> None:
        self._state, self._waterfall = state, waterfall
        self._names, self._shown, self._cells = names, shown, cells
        self._label = label_cells(columns)
        self._more = len(shown) < len(_names(waterfall))

    def heading(self) -> Row:
        token = "  token [ ]" if self._more else "  token"
        head = fit("rank", head_cells(self._state), right=True) + fit(token, self._label + 2)
        room = self._cells - 1
        names = [name if len(name) <= room else _SHORT.get(name, name) for name in self._names]
        titles = [fit(name, room, right=True) for name in names]
        line = head + fit("model", _NARROWEST, right=True) + "".join(f" {t}" for t in titles)
        return [("class:heading", line)]

    def summary(self, title: str, value: Callable[[int], str]) -> Row:
        """A figure of the model's own distribution (index -1) and of each stage."""
        head = " " * head_cells(self._state) + "  " + fit(title, self._label)
        figures = fit(value(-1), _NARROWEST, right=True)
        figures += "".join(fit(value(index), self._cells, right=True) for index in self._shown)
        return [("class:figures", head + figures)]

    def row(self, fall: Fall) -> Row:
        one, base = fall.candidate, candidate_style(self._state, fall)
        tint = base or f"class:{prob_style(one.raw_prob)}"
        label = fit(token_label(self._state.tokenizer, one.token), self._label)
        shares = _shares(fall, self._waterfall)
        return [
            (base, marks(self._state, self._waterfall, fall) + "  "),
            (tint, label),
            (base, fit(share(one.raw_prob), _NARROWEST, right=True)),
            *(
                (self._tint(base, shares[index]), self._share(shares[index]))
                for index in self._shown
            ),
        ]

    def _share(self, left: str) -> str:
        return fit(left, self._cells, right=True)

    def _tint(self, base: str, left: str) -> str:
        return base or ("class:warning" if left == "✕" else "")


def _names(waterfall: Waterfall) -> list[str]:
    names = [stage.name for stage in waterfall.stages]
    return [*names, "greedy"] if waterfall.draw.u is None else names


def _shares(fall: Fall, waterfall: Waterfall) -> list[str]:
    """What is left after each stage: a figure, ✕ where it goes, then nothing."""
    probs = list(fall.probs)
    if waterfall.draw.u is None:
        probs.append(fall.candidate.prob)
    shares, there = [], fall.candidate.raw_prob > 0
    for prob in probs:
        shares.append(share(prob) if prob > 0 else "✕" if there else "")
        there = there and prob > 0
    return shares


def _kept(state: State, waterfall: Waterfall, index: int) -> int:
    if index < 0:
        return state.size
    return waterfall.stages[index].kept if index < len(waterfall.stages) else 1


def _gone(waterfall: Waterfall, index: int) -> str:
    """The part of the distribution before a stage that it removed."""
    if index < 0:
        return ""
    stages = waterfall.stages
    mass = stages[index].mass if index < len(stages) else _best(waterfall)
    return share(max(0.0, 1 - mass))


def _best(waterfall: Waterfall) -> float:
    """What greedy's token had after the stages."""
    (fall,) = waterfall.falls([waterfall.draw.token])
    return fall.probs[-1] if fall.probs else fall.candidate.raw_prob


def _bits(waterfall: Waterfall, index: int) -> float:
    if index < 0:
        return waterfall.view.entropy_bits
    return waterfall.stages[index].entropy_bits if index < len(waterfall.stages) else 0.0
