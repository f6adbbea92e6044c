"""The store of conversations: one SQLite file in the user's data folder.

Every write is one transaction that is on the disk when the call returns, and repeating it
changes nothing, so a write that failed can simply be tried again. When to write is up to
`keeper`; the file itself is `database`'s, what is in a row is `rows`'.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Self

from chatcli.chat.database import Database
from chatcli.chat.held import held_in
from chatcli.chat.listing import Hit, Summary, hits, summaries
from chatcli.chat.plain import encoded
from chatcli.chat.rows import (
    Standing,
    read_session,
    read_standing,
    read_turns,
    write_session,
    write_turns,
)
from chatcli.chat.search import Excerpt, folded, words_of
from chatcli.chat.types import Session, Turn
from chatcli.errors import StoreError
from chatcli.folders import data_folder

__all__ = ["Excerpt", "Hit", "Store", "Summary", "store_path"]


def store_path() -> Path:
    """Where the user's own store is, or would be."""
    return data_folder() / "conversations.db"


class Store:
    """Conversations in one file. Every method raises StoreError for what is wrong with it.

    Several may be open on one file, in several processes, and be used by several threads. One
    that can only be read opens all the same; `put`, `rename` and `delete` then say why.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # What this process last wrote of each session, to tell what it changed since.
        self._written: dict[str, Session] = {}

    @classmethod
    def open(cls, path: Path | None = None, *, create: bool = True) -> Self:
        """The store at `path`, by default the user's own; made where it is missing, if `create`."""
        return cls(Database(path or store_path(), create=create))

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def put(self, session: Session, turns: Iterable[Turn] = ()) -> int | None:
        """Write the session as it is now, and these turns of it; committed on return.

        Returns the newest turn of the branch in hand where another process has moved it since
        the last `put`, and to another turn than this one does; else None.

        What another process did to the session meanwhile stays: its turns, and the name and
        each branch that didn't change here since the last `put`. The first `put` of a session
        writes the branch in hand, branches that are new, and a name that isn't None.
        """
        turns = tuple(turns)
        with self._database.transaction(write=True) as db:
            stored = read_standing(db, session.id)
            merged = _merged(session, self._written.get(session.id), stored)
            key = write_session(db, merged)
            write_turns(db, key, turns)
            self._require(db, key, session, turns)
            theirs = _moved_elsewhere(session, self._written.get(session.id), stored)
        self._written[session.id] = session
        return theirs

    def session(self, reference: str) -> Session:
        """The one with this id, this name, or the only one whose id begins like this."""
        with self._database.transaction() as db:
            known = dict(db.execute("SELECT id, name FROM sessions ORDER BY updated DESC"))
            found = read_session(db, self._resolved(reference, known))
            if found is None:
                raise self._missing(reference, known)
            return found

    def latest(self) -> Session | None:
        """The one most recently updated; None where there is none."""
        with self._database.transaction() as db:
            query = "SELECT id FROM sessions ORDER BY updated DESC, key DESC LIMIT 1"
            row = db.execute(query).fetchone()
            return None if row is None else read_session(db, row[0])

    def turns(self, session_id: str) -> tuple[Turn, ...]:
        """All turns of the session in the order in which they were made, parents first."""
        with self._database.transaction() as db:
            return tuple(read_turns(db, self._key(db, session_id)))

    def sessions(self) -> tuple[Summary, ...]:
        """All of them, the most recently updated first."""
        with self._database.transaction() as db:
            return tuple(summary for _, summary in summaries(db))

    def search(self, query: str) -> tuple[Hit, ...]:
        """The turns in which all words of the query occur, newest conversation first.

        A word counts in the message and in the reply, and as a part of another word; nothing in
        it is a wildcard. Raises UsageError where there is no word.
        """
        words = words_of(query)
        with self._database.transaction() as db:
            return tuple(
                hit for key, summary in summaries(db) for hit in hits(db, key, summary, words)
            )

    def holding(self, conversations: Iterable[Sequence[Turn]]) -> list[str | None]:
        """For each conversation the id of a session that holds all that is said in it."""
        with self._database.transaction() as db:
            return held_in(db, conversations)

    def rename(self, session_id: str, name: str | None) -> None:
        """Give the session a name that no other has, or take its name away."""
        with self._database.transaction(write=True) as db:
            key = self._key(db, session_id)
            if name is not None:
                self._require_free(db, key, name)
            text = None if name is None else encoded(name)
            db.execute("UPDATE sessions SET name = CAST(? AS TEXT) WHERE key = ?", (text, key))

    def delete(self, session_id: str) -> None:
        """Remove the session and all that is kept of it, from the disk too."""
        with self._database.transaction(write=True) as db:
            key = self._key(db, session_id)
            db.execute("DELETE FROM sessions WHERE key = ?", (key,))
        self._database.forget_deleted()
        self._written.pop(session_id, None)

    def _key(self, db: sqlite3.Connection, session_id: str) -> int:
        row = db.execute("SELECT key FROM sessions WHERE id = ?", (session_id,)).fetchone()
        if row is None:
            raise self._missing(session_id, {})
        return int(row[0])

    def _require(
        self, db: sqlite3.Connection, key: int, session: Session, turns: tuple[Turn, ...]
    ) -> None:
        """Refuse turns and branches that hang in the air."""
        needed = {turn.parent for turn in turns} | {*session.branches.values(), session.cached}
        needed -= {turn.id for turn in turns} | {None}
        query = "SELECT 1 FROM turns WHERE session = ? AND id = ?"
        for turn in needed:
            if db.execute(query, (key, turn)).fetchone() is None:
                raise StoreError(
                    f"the beginning of conversation {session.id} is no longer in {self.path}: it "
                    "was deleted there; export what is on the screen, or start a new conversation"
                )

    def _require_free(self, db: sqlite3.Connection, key: int, name: str) -> None:
        if not name.strip():
            raise StoreError(f"a conversation can't be named {name!r}; give it some letters")
        if len(name.splitlines()) > 1:
            raise StoreError(f"a name is one line; {name!r} has several")
        others = db.execute("SELECT id, name FROM sessions WHERE key != ?", (key,))
        for other, taken in others:
            if taken is not None and folded(taken) == folded(name):
                raise StoreError(f"conversation {other} is named {taken!r} already; choose another")

    def _resolved(self, reference: str, known: dict[str, str | None]) -> str:
        """The id that a reference means; itself where it means none."""
        if reference in known:
            return reference
        wanted = folded(reference)
        means = [one for one, name in known.items() if name is not None and folded(name) == wanted]
        means = means or [one for one in known if reference and one.startswith(reference)]
        if len(means) > 1:
            raise StoreError(
                f"{reference!r} may be any of {len(means)} conversations "
                f"({', '.join(means[:4])}{', …' if means[4:] else ''}); give more of the id"
            )
        return means[0] if means else reference

    def _missing(self, reference: str, known: dict[str, str | None]) -> StoreError:
        names = [*known, *filter(None, known.values())]
        near = get_close_matches(reference, names, cutoff=0.5)
        hint = f"; near it: {', '.join(near)}" if near else ""
        return StoreError(
            f"no conversation {reference!r} in {self.path}{hint}; `chatcli sessions` lists them"
        )


def _merged(session: Session, last: Session | None, stored: Standing | None) -> Session:
    """The session with what others changed in it since this process wrote it `last`."""
    if stored is None:
        return session
    heads = session.branches
    if last is None:
        moved = {session.branch}
        renamed = session.name is not None
    else:
        moved = {branch for branch, head in heads.items() if last.branches.get(branch) != head}
        renamed = session.name != last.name
    moved |= heads.keys() - stored.branches.keys()
    return replace(
        session,
        name=session.name if renamed else stored.name,
        branches={**stored.branches, **{branch: heads[branch] for branch in moved}},
        updated=max(stored.updated, session.updated),
    )


def _moved_elsewhere(session: Session, last: Session | None, stored: Standing | None) -> int | None:
    """Where others moved the branch in hand since this process wrote it `last`; None: nowhere."""
    if last is None or stored is None:
        return None
    theirs = stored.branches.get(session.branch)
    return None if theirs in (last.branches.get(session.branch), session.head) else theirs
