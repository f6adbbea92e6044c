"""The list of `chatcli sessions`, and what a search found in them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from chatcli.chat.listing import Hit, Summary
from chatcli.chat.records import moment
from chatcli.chat.search import Excerpt
from chatcli.text.visible import visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.figures import count
from chatcli.ui.folding import SEPARATOR
from chatcli.ui.panel import clip
from chatcli.ui.theme import Paint

__all__ = ["described", "show_hits", "show_sessions"]

_INDENT = "  "
_GAP = 2
_SHORTEST_TITLE = 24


def show_sessions(env: Environment, sessions: Sequence[Summary]) -> None:
    """A row for each conversation; where the screen is narrow, titles are kept longest."""
    width = env.columns() if env.stdout_is_terminal else None
    ids = Column("id", [_inert(each.id) for each in sessions])
    facts = [
        Column("turns", [_turns(each) for each in sessions]),
        Column("last used", [moment(each.updated) for each in sessions]),
        Column("model", [_model(each) for each in sessions]),
    ]
    names = [_title(each) for each in sessions]
    if width is not None:
        while facts and _room(width, ids, *facts) < _SHORTEST_TITLE:
            facts.pop()
        names = [clip(name, max(1, _room(width, ids, *facts))) for name in names]
    titles, *rows = table_lines([ids, Column("conversation", names, gives=True), *facts], width)
    env.write("\n".join([Paint(env)("heading", titles), *rows]) + "\n")


def _room(width: int, *columns: Column) -> int:
    """The cells that these columns leave to one more, gaps between them taken off."""
    return width - sum(column.width + _GAP for column in columns)


def show_hits(env: Environment, hits: Sequence[Hit]) -> None:
    """Under each conversation the turns that were found, with what surrounds the match."""
    width = env.columns() - 1 if env.stdout_is_terminal else None
    paint = Paint(env)
    lines: list[str] = []
    for index, hit in enumerate(hits):
        if index == 0 or hit.summary.id != hits[index - 1].summary.id:
            heading = _clipped(described(hit.summary), width)
            lines += [""] if lines else []
            lines.append(paint("heading", heading))
        lead = f"{_INDENT}{hit.number} {'user' if hit.where == 'user' else 'reply'}{_INDENT}"
        room = None if width is None else width - cell_len(lead)
        lines.append(lead + _marked(hit.excerpt, room, paint))
    env.write("".join(f"{line}\n" for line in lines))


def described(session: Summary) -> str:
    """One conversation in a line, inert: id, title, turns, time."""
    facts = [_inert(session.id), _title(session), _turns(session, count(session.turns, "turn"))]
    return SEPARATOR.join([*facts, moment(session.updated)])


def _turns(session: Summary, shown: str = "") -> str:
    """As the chat counts them, on the branch in hand; with all there are, where that differs."""
    shown = shown or f"{session.turns:,}"
    more = f" ({session.all_turns:,} in all)" if session.all_turns != session.turns else ""
    return shown + more


def _marked(excerpt: Excerpt, room: int | None, paint: Paint) -> str:
    """The excerpt in `room` cells, its match in bold, or in «» where there is no bold."""
    text, begin, end = excerpt.text, excerpt.begin, excerpt.end
    before, match, after = map(_inert, (text[:begin], text[begin:end], text[end:]))
    bold = paint("chosen", match)
    if bold == match:
        before, after = before + "«", "»" + after
    if room is not None:
        before = _tail(before, max(1, (room - cell_len(match)) // 3))
        match = clip(match, max(1, room - cell_len(before)))
        after = clip(after, max(0, room - cell_len(before + match)))
    return before + paint("chosen", match) + after


def _tail(text: str, width: int) -> str:
    """The end of a text in at most `width` cells."""
    while cell_len(text) > width:
        text = "…" + text.lstrip("…")[1:]
    return text


def _title(session: Summary) -> str:
    return _inert(session.name or session.title) or "(no message yet)"


def _model(session: Summary) -> str:
    """The name alone of a model that is loaded by its path."""
    return _inert(session.model.rstrip("/\\").replace("\\", "/").rpartition("/")[2])


def _clipped(text: str, width: int | None) -> str:
    return text if width is None else clip(text, width)


def _inert(text: str) -> str:
    return visible(text, keep_newlines=False)
