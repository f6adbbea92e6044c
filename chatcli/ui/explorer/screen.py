"""The whole screen as rows of styled text: a pure function of a State and a size.

From the top: the end of the text, a line of figures, the view, the settings, and what is asked,
said or hinted.
"""

from __future__ import annotations

from chatcli.text.visible import visible
from chatcli.ui.explorer.cells import Row, clip_row, note_rows
from chatcli.ui.explorer.characters import character_rows
from chatcli.ui.explorer.falls import waterfall_rows
from chatcli.ui.explorer.manual import manual
from chatcli.ui.explorer.passage import passage
from chatcli.ui.explorer.state import State
from chatcli.ui.explorer.status import bottom_rows, heading, settings_rows
from chatcli.ui.explorer.table import candidates
from chatcli.ui.explorer.tree import tree_rows
from chatcli.ui.explorer.watching import watch_rows

__all__ = ["page_rows", "screen"]

_WELCOME = (
    "Type or paste a text: what the model says next follows as you type. "
    "Esc and ? show what the keys do."
)


def screen(state: State, columns: int, rows: int) -> list[Row]:
    """Exactly `rows` rows, none wider than `columns`."""
    text = passage(
        state.tokenizer,
        state.walk.path(),
        state.line,
        columns,
        max(1, min(rows // 4, 8)),
        typing=state.typing,
        asked=state.ask is not None,
    )
    settings = settings_rows(state, columns) if rows >= 10 else []
    bottom = bottom_rows(state, columns, 3 if rows >= 10 else 1)
    room = rows - len(text) - 1 - len(settings) - len(bottom)
    body = [clip_row(row, columns - 1) for row in _body(state, columns, room)][: max(0, room)]
    body += [[] for _ in range(room - len(body))]
    return [*text, heading(state, columns), *body, *settings, *bottom][-rows:]


def page_rows(rows: int) -> int:
    """How far a page goes, about."""
    return max(1, rows - rows // 4 - 5)


def _body(state: State, columns: int, rows: int) -> list[Row]:
    if rows < 1:
        return []
    if state.hindrance:
        return note_rows(visible(state.hindrance, keep_newlines=False), columns, "class:warning")
    if state.view == "help":
        return manual(columns, rows, state.scroll)
    if state.view == "tree":
        return tree_rows(state, columns, rows)
    if state.view == "characters":
        return character_rows(state, columns, rows)
    if state.view == "watch":
        return watch_rows(state, columns, rows)
    waterfall = state.waterfall
    if waterfall is None:
        return note_rows(_WELCOME, columns)
    show = waterfall_rows if state.view == "waterfall" else candidates
    return show(state, waterfall, columns, rows)
