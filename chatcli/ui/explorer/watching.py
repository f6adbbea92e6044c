"""The watch list: how probable each string is here, and at the places before."""

from __future__ import annotations

import math

from chatcli.probe.watch import Sighting, Watched
from chatcli.text.visible import token_label, visible
from chatcli.ui.explorer.cells import Row, fit, note_rows
from chatcli.ui.explorer.figures import share
from chatcli.ui.explorer.state import State
from chatcli.ui.theme import prob_style

__all__ = ["watch_rows"]

_STEPS = "▁▂▃▄▅▆▇█"
_FAINTEST = -5.0  # log10 of a probability that has no height any more
_HINT = "w watches a text: how probable it is as what comes next, also outside the top"


def watch_rows(state: State, columns: int, rows: int) -> list[Row]:
    """Two rows a string: its figures with the course of them, and its tokens."""
    if not state.watching:
        return note_rows(_HINT, columns)
    label = max(8, min(24, columns // 4))
    course = columns - 1 - 2 - label - 9 - 9 - 12 - 2
    titles = f"{'here':>9}{'rank':>9}{'surprisal':>12}"
    heading = fit("  text", label + 2) + titles + (fit("  places before", course + 2))
    body = [
        row for one in state.watching for row in _rows(state, one, label, max(0, course), columns)
    ]
    return [[("class:heading", heading)], *body][:rows]


def _rows(state: State, one: Watched, label: int, course: int, columns: int) -> list[Row]:
    seen = state.sightings.get(one.text)
    name = fit(visible(one.text, keep_newlines=False), label)
    if seen is None:
        return [[("", f"  {name}"), ("class:behind", f"{'…':>9}")], []]
    style = "class:behind" if state.behind else f"class:{prob_style(seen.prob)}"
    figures = f"{share(seen.prob):>9}{seen.rank:>9,}{_bits(seen):>12}"
    return [
        [(style, f"  {name}{figures}"), ("class:progress", f"  {_course(state, one, course)}")],
        [("class:figures", fit(f"    {_tokens(state, seen)}", columns - 1))],
    ]


def _tokens(state: State, seen: Sighting) -> str:
    """How the product came about."""
    labels = (token_label(state.tokenizer, token) for token in seen.watched.ids)
    pairs = zip(labels, seen.probs, strict=True)
    return " × ".join(f"{label} {share(prob)}" for label, prob in pairs)


def _bits(seen: Sighting) -> str:
    return f"{seen.bits:.2f} bits" if math.isfinite(seen.bits) else "∞ bits"


def _course(state: State, one: Watched, cells: int) -> str:
    """A mark a place, the last one here; · where it wasn't read."""
    if state.place is None:
        return ""
    ids = state.place.ids
    lengths = range(max(1, len(ids) - cells + 1), len(ids) + 1)
    found = (state.seen.get(ids[:length], {}).get(one.text) for length in lengths)
    return "".join("·" if seen is None else _height(seen.prob) for seen in found)


def _height(prob: float) -> str:
    """By the logarithm, from 1e-5 to 1."""
    if prob <= 0:
        return _STEPS[0]
    share = 1 - max(_FAINTEST, math.log10(prob)) / _FAINTEST
    return _STEPS[min(len(_STEPS) - 1, int(share * len(_STEPS)))]
