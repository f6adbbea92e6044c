"""Lists kept conversations, and finds words in them, reading no more of a row than is shown.

So a list is quick, and survives what is damaged elsewhere in a row. Transactions are up to
`store`, what counts as a match is up to `search`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from chatcli.chat.plain import from_json
from chatcli.chat.search import Excerpt, excerpt, folded

__all__ = ["Hit", "Summary", "hits", "summaries"]

Where = Literal["user", "reply"]

_TITLE = 80

# A damaged row may hold any type in any column, hence the casts.
_SUMMARIES = f"""
    SELECT key, id, CAST(name AS TEXT),
        (SELECT CAST(substr(user, 1, {4 * _TITLE}) AS TEXT) FROM turns
            WHERE session = sessions.key ORDER BY key LIMIT 1),
        CAST(model AS TEXT),
        (SELECT count(*) FROM turns WHERE session = sessions.key),
        branches, CAST(created AS REAL), CAST(updated AS REAL)
    FROM sessions ORDER BY updated DESC, key DESC
"""
_TEXTS = """
    SELECT id, parent, CAST(user AS TEXT), CAST(reply AS TEXT)
    FROM turns WHERE session = ? ORDER BY key
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """One conversation in a list; `title` is the beginning of its first message, in one line.

    `turns` and `branches` are counts, times are seconds since 1970.
    """

    id: str
    name: str | None
    title: str
    model: str
    turns: int
    branches: int
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a search found its words: in the message or the reply of one turn.

    `turn` is its id and `number` its place on its path, 1 for a first turn. `excerpt` is what
    surrounds the first word there, and where in it the word stands.
    """

    summary: Summary
    turn: int
    number: int
    where: Where
    excerpt: Excerpt


def summaries(db: sqlite3.Connection) -> list[tuple[int, Summary]]:
    """Every session, its key before it; the most recently updated first."""
    return [(key, _summary(*row)) for key, *row in db.execute(_SUMMARIES)]


def hits(
    db: sqlite3.Connection, key: int, summary: Summary, words: tuple[str, ...]
) -> Iterator[Hit]:
    """The turns of one session in which all of these folded words occur, oldest first."""
    numbers: dict[int | None, int] = {}
    for turn, parent, user, reply in db.execute(_TEXTS, (key,)):
        numbers[turn] = number = numbers.get(parent, 0) + 1
        if where := _where(words, folded(user), folded(reply)):
            text = user if where == "user" else reply
            yield Hit(summary, turn, number, where, excerpt(text, words[0]))


def _summary(
    session: str,
    name: str | None,
    first: str | None,
    model: str,
    turns: int,
    branches: str,
    created: float,
    updated: float,
) -> Summary:
    title = " ".join((first or "").split())[:_TITLE]
    try:
        count = len(from_json(branches, dict))
    except (ValueError, TypeError):  # damaged; taking it up will say so
        count = 0
    return Summary(session, name, title, model, turns, count, created, updated)


def _where(words: tuple[str, ...], user: str, reply: str) -> Where | None:
    """Where to look: the text with all words, else the one with the first, if all are there."""
    if all(word in user for word in words):
        return "user"
    if all(word in reply for word in words):
        return "reply"
    if all(word in user or word in reply for word in words):
        return "user" if words[0] in user else "reply"
    return None
