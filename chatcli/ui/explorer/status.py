"""The lines that frame the view: what the place is like, what the settings are, which keys help."""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.probe.breakpoints import spell_breakpoints
from chatcli.sampling.catalog import describe
from chatcli.text.visible import visible
from chatcli.ui.explorer.asking import PROMPTS
from chatcli.ui.explorer.cells import Fragment, Row, clip_row, row_width, rule, width, wrapped
from chatcli.ui.explorer.passage import CURSOR
from chatcli.ui.explorer.state import VIEWS, State
from chatcli.ui.figures import context_use, nearly_full
from chatcli.ui.folding import SEPARATOR, fold

__all__ = ["bottom_rows", "heading", "settings_rows"]

_TYPING = "↑↓ Enter take · Tab model takes · Esc commands · Ctrl-C leave · F1–F5 views"
_COMMANDS = "? help · i type · q leave · g run · b break · / find · w watch · : set · 1–5 views"
_RUNNING = "running · any key stops"
_TREE = "Enter go · f fold · x mark · a name · W save · R open · 1 table · q leave"


def heading(state: State, columns: int) -> Row:
    """The line under the text: tokens, entropy, survivors, and … while the model is behind."""
    busy: list[Fragment] = [("class:warning", "… ")] if state.behind and not state.fault else []
    facts = [("class:heading", _view_name(state)), *_facts(state)]
    while len(facts) > 1 and row_width(_between(facts)) > columns - 8:
        facts.pop()
    return rule([*busy, *_between(facts)], columns - 1)


def settings_rows(state: State, columns: int) -> list[Row]:
    """The chain and the seed, in one row or two; breakpoints where there are any."""
    facts = [describe(state.config)]
    if isinstance(state.config.order, str) and state.config.order != "hf":
        facts.append(f"order {state.config.order}")
    if not state.config.greedy:
        waterfall = state.waterfall
        u = waterfall.draw.u if waterfall is not None else None
        facts.append(f"seed {state.config.seed}" + (f", u {u:.4f}" if u is not None else ""))
    if state.breakpoints:
        facts.append(f"stops at {spell_breakpoints(state.breakpoints)}")
    lines = fold(facts, columns - 2)[:2]
    return [clip_row([("class:figures", f" {line}")], columns - 1) for line in lines]


def bottom_rows(state: State, columns: int, most: int) -> list[Row]:
    """What is asked, else what is to be said, else which keys help; at most `most` rows."""
    fault = "" if state.hindrance else state.fault
    if state.ask is not None:
        return _asked(state, columns, most)
    if message := fault or state.note:
        return _said(message, "class:warning" if fault else "class:note", columns, most)
    hint = fold(_hint(state).split(SEPARATOR), columns - 2)[0]
    return [clip_row([("class:figures", f" {hint}")], columns - 1)]


def _said(message: str, style: str, columns: int, most: int) -> list[Row]:
    lines = wrapped(visible(message, keep_newlines=False), max(1, columns - 2))
    last = " ".join(lines[most - 1 :])
    return [
        clip_row([(style, f" {line}")], columns - 1)
        for line in [*lines[: most - 1], *([last] if last else [])]
    ]


def _asked(state: State, columns: int, most: int) -> list[Row]:
    """What is said stands behind what is typed where it fits, else above."""
    assert state.ask is not None
    line = state.ask.line
    prompt: Row = [("class:key", f" {PROMPTS[state.ask.kind]}: ")]
    room = columns - 2 - row_width(prompt)
    before = visible(line.before, keep_newlines=False)
    while before and width(before) > room - 8:
        before = before[1:]
    typed: Row = [("", before), CURSOR, ("", visible(line.after, keep_newlines=False))]
    asked = [*prompt, *typed]
    note = visible(state.note, keep_newlines=False)
    if note and most > 1 and row_width(asked) + 3 + width(note) > columns - 1:
        return [*_said(note, "class:note", columns, most - 1), clip_row(asked, columns - 1)]
    return [clip_row([*asked, ("class:note", f"   {note}" if note else "")], columns - 1)]


def _hint(state: State) -> str:
    if state.run:
        return _RUNNING
    if state.typing:
        return _TYPING
    return _TREE if state.view == "tree" else _COMMANDS


def _view_name(state: State) -> str:
    return state.view if state.view in VIEWS else "help"


def _facts(state: State) -> list[Fragment]:
    place, waterfall = state.place, state.waterfall
    if place is None or state.refusal:
        return [("class:figures", state.name)]
    used = len(place.ids)
    style = "class:warning" if nearly_full(used, state.context) else "class:figures"
    facts: list[Fragment] = [(style, f"context {context_use(used, state.context)}")]
    if waterfall is None:
        return facts
    stages, before = waterfall.stages, waterfall.view.entropy_bits
    greedy = waterfall.draw.u is None
    after = 0.0 if greedy else stages[-1].entropy_bits if stages else before
    kept = 1 if greedy else stages[-1].kept if stages else state.size
    here = [
        ("class:figures", f"entropy {before:.2f} → {after:.2f} bits"),
        ("class:figures", f"{kept:,} of {state.size:,} survive"),
    ]
    # Beside a tree, which counts tokens, what stays where there is little room is their sum.
    return [*facts, *here] if state.view == "tree" else [*here, *facts]


def _between(facts: Sequence[Fragment]) -> list[Fragment]:
    joined: list[Fragment] = []
    for fact in facts:
        joined += [("class:border", SEPARATOR), fact] if joined else [fact]
    return joined
