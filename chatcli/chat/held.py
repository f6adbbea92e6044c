"""Whether conversations are kept already: the same messages and replies, from the first on.

Ids and settings don't count, for what is read from a file has none of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress

from chatcli.chat.rows import read_turns
from chatcli.chat.types import Turn
from chatcli.errors import StoreError

__all__ = ["held_in"]

_BEGINNINGS = """
    SELECT sessions.key, sessions.id, CAST(user AS TEXT)
    FROM turns JOIN sessions ON sessions.key = turns.session
    WHERE parent IS NULL ORDER BY sessions.key DESC
"""


def held_in(db: sqlite3.Connection, conversations: Iterable[Sequence[Turn]]) -> list[str | None]:
    """For each conversation the id of a session with a path that begins like all of it."""
    begun: dict[str, dict[int, str]] = {}
    for key, session, user in db.execute(_BEGINNINGS):
        begun.setdefault(user, {})[key] = session
    return [
        next(
            (id for key, id in begun.get(turns[0].user, {}).items() if _holds(db, key, turns)), None
        )
        for turns in conversations
    ]


def _holds(db: sqlite3.Connection, session: int, turns: Sequence[Turn]) -> bool:
    """Whether `turns` follow one another in the session; one that is damaged holds nothing."""
    children: dict[int | None, list[Turn]] = {}
    with suppress(StoreError):
        for turn in read_turns(db, session):
            children.setdefault(turn.parent, []).append(turn)
    ends: list[int | None] = [None]
    for wanted in turns:
        after = (turn for end in ends for turn in children.get(end, ()))
        ends = [turn.id for turn in after if _said(turn) == _said(wanted)]
    return bool(ends)


def _said(turn: Turn) -> tuple[object, ...]:
    return turn.preamble, turn.user, turn.reply
