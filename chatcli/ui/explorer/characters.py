"""The next character: a row each, with the tokens that lead there, and what else may come."""

from __future__ import annotations

from chatcli.probe.next_character import CharacterShare, NextCharacter
from chatcli.text.visible import text_label, token_label
from chatcli.ui.explorer.cells import Row, fit
from chatcli.ui.explorer.figures import share
from chatcli.ui.explorer.state import State
from chatcli.ui.figures import count
from chatcli.ui.folding import SEPARATOR, fold
from chatcli.ui.panel import bar, percent
from chatcli.ui.theme import prob_style

__all__ = ["character_rows"]

_NAMES = {
    "end": "end of text",
    "special": "control tokens",
    "invalid": "invalid bytes",
    "unresolved": "unresolved",
}
_NAME, _SHARE = 16, 9


def character_rows(state: State, columns: int, rows: int) -> list[Row]:
    """Whose distribution it is and how much of it is resolved, then as many as fit."""
    found = state.characters
    if found is None or state.place is None or found.prompt_ids != state.place.ids:
        return [[], [("class:behind", "  …")]]
    shown = [one for one in found.shares if one.kind == "character" or one.prob > 0]
    room = max(1, rows - 2)
    first = max(0, min(state.character_at - room // 2, len(shown) - room))
    ways = max(0, (columns - 8 - _NAME - _SHARE) // 2)
    heading = "   " + fit("character", _NAME) + f"{'share':>{_SHARE}}" + "  " + fit("", ways)
    return [
        [("class:figures", f" {fold(_facts(found), columns - 2)[0]}")],
        [("class:heading", heading + "by way of")],
        *(
            _row(state, found, one, index, ways, columns)
            for index, one in enumerate(shown[first : first + room], first)
        ),
    ]


def _facts(found: NextCharacter) -> list[str]:
    whose = "the model's own" if found.chain is None else "after the chain"
    facts = [f"{whose} (c changes)", f"{percent(1 - found.prob('unresolved'))} resolved"]
    if found.pending:
        facts.append(f"⟨{found.pending.hex(' ').upper()}⟩ open")
    return [*facts, f"{found.passes} more pass{'' if found.passes == 1 else 'es'}"]


def _row(
    state: State, found: NextCharacter, one: CharacterShare, index: int, ways: int, columns: int
) -> Row:
    hand = index == state.character_at
    tint = "class:behind" if state.behind else f"class:{prob_style(one.prob)}"
    base = "class:selected" if hand and not state.behind else ""
    if one.kind != "character":
        tint = "class:figures"
    name = _NAMES.get(one.kind) or count(found.others, "other")
    label = text_label(one.text) if one.kind == "character" else name
    shown = bar(one.prob, max(1, ways - 2)) if one.prob >= 0.0005 else ""
    room = columns - 1 - 3 - _NAME - _SHARE - 2 - ways
    return [
        (base or tint, f" {'▶' if hand else ' '} {fit(label, _NAME)}"),
        (base, f"{share(one.prob):>{_SHARE}}  "),
        (tint, fit(shown, ways)),
        ("class:figures", fit(_ways(state, one), room, fill=False)),
    ]


def _ways(state: State, one: CharacterShare) -> str:
    """Of the tokens of one path only the last can be whole."""
    return SEPARATOR.join(
        "".join(token_label(state.tokenizer, token) for token in path.tokens)
        + f" {share(path.prob)}"
        for path in one.paths
    )
