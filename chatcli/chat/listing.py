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
        CAST(branch AS TEXT), branches, CAST(created AS REAL), CAST(updated AS REAL)
    FROM sessions ORDER BY updated DESC, key DESC
"""
# A union of sets ends, even where damaged turns lead round in a ring.
_LENGTH = """
    WITH RECURSIVE path (id, parent) AS (
        SELECT id, parent FROM turns WHERE session = ?2 AND id = ?1
        UNION
        SELECT turns.id, turns.parent FROM path JOIN turns
            ON turns.session = ?2 AND turns.id = path.parent
    )
    SELECT count(*) FROM path
"""
_TEXTS = """
    SELECT id, parent, CAST(user AS TEXT), CAST(reply AS TEXT)
    FROM turns WHERE session = ? ORDER BY key
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """One conversation in a list; `title` is the beginning of its first message, in one line.

    `turns` counts those on the branch in hand, `all_turns` those of every branch, messages
    without a reply among them. Times are seconds since 1970.
    """

    id: str
    name: str | None
    title: str
    model: str
    turns: int
    all_turns: int
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
    return [(key, _summary(db, key, *row)) for key, *row in db.execute(_SUMMARIES).fetchall()]


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
    db: sqlite3.Connection,
    key: int,
    session: str,
    name: str | None,
    first: str | None,
    model: str,
    every: int,
    branch: str,
    branches: str,
    created: float,
    updated: float,
) -> Summary:
    title = " ".join((first or "").split())[:_TITLE]
    try:
        heads = from_json(branches, dict)
    except (ValueError, TypeError):  # damaged; taking it up will say so
        heads = {}
    turns = _length(db, key, heads.get(branch)) if every else 0
    return Summary(session, name, title, model, turns, every, len(heads), created, updated)


def _length(db: sqlite3.Connection, session: int, head: object) -> int:
    """How many turns lead to `head`."""
    if not isinstance(head, int) or abs(head) >= 1 << 63:
        return 0
    (length,) = db.execute(_LENGTH, (head, session)).fetchone()
    return int(length)


def _where(words: tuple[str, ...], user: str, reply: str) -> Where | None:
    """Where to look: the text with all words, else the one with the first, if all are there."""
    if all(word in user for word in words):
        return "user"
    if all(word in reply for word in words):
        return "reply"
    if all(word in user or word in reply for word in words):
        return "user" if words[0] in user else "reply"
    return None
