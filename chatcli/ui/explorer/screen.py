"""The whole screen as rows of styled text: a pure function of a State and a size.

From the top: the end of the text, a line of figures, the view, the settings, and one line for
what is asked, said or hinted.
"""

from __future__ import annotations

from chatcli.ui.explorer.cells import Row, clip_row
from chatcli.ui.explorer.characters import character_rows
from chatcli.ui.explorer.falls import waterfall_rows
from chatcli.ui.explorer.manual import manual
from chatcli.ui.explorer.passage import passage
from chatcli.ui.explorer.state import State
from chatcli.ui.explorer.status import bottom, heading, settings_rows
from chatcli.ui.explorer.table import candidates
from chatcli.ui.explorer.tree import tree_rows
from chatcli.ui.explorer.watching import watch_rows

__all__ = ["page_rows", "screen"]

_WELCOME = (
    "Type or paste a text: what the model says next follows as you type.",
    "Esc and ? show what the keys do.",
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
    room = rows - len(text) - len(settings) - 2
    body = [clip_row(row, columns - 1) for row in _body(state, columns, room)][: max(0, room)]
    body += [[] for _ in range(room - len(body))]
    return [*text, heading(state, columns), *body, *settings, bottom(state, columns)][-rows:]


def page_rows(rows: int) -> int:
    """How far a page goes, about."""
    return max(1, rows - rows // 4 - 5)


def _body(state: State, columns: int, rows: int) -> list[Row]:
    if rows < 1:
        return []
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
        return [[], *([("class:note", f"  {line}")] for line in _WELCOME)]
    show = waterfall_rows if state.view == "waterfall" else candidates
    return show(state, waterfall, columns, rows)
