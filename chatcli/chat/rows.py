"""Sessions and turns as rows of the store's tables, and back.

What many turns of a session share is up to `shared`; transactions, and what may overwrite
what, are up to `store`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from typing import Any, get_args

from chatcli.chat.plain import (
    encoded,
    feeds_from,
    from_json,
    ids_from,
    plain_feeds,
    plain_ids,
    plain_settings,
    real,
    settings_from,
    textual,
    to_json,
    whole,
)
from chatcli.chat.shared import PartsReader, PartsWriter
from chatcli.chat.types import Run, Session, Turn
from chatcli.engine.types import Finish, Usage
from chatcli.errors import SamplingError, StoreError

__all__ = [
    "Standing",
    "read_session",
    "read_standing",
    "read_turns",
    "write_session",
    "write_turns",
]

Row = tuple[Any, ...]

_FINISHES = get_args(Finish)


@dataclass(frozen=True, slots=True)
class Standing:
    """The part of a session's row that isn't only one process's to write."""

    name: str | None
    branches: dict[str, int | None]
    updated: float


# A text is bound as bytes and cast, for the driver refuses what isn't valid UTF-8.
_PUT_SESSION = """
    INSERT INTO sessions (id, name, model, branch, branches, settings, cached, seed, created,
        updated)
    VALUES (:id, CAST(:name AS TEXT), CAST(:model AS TEXT), CAST(:branch AS TEXT),
        CAST(:branches AS TEXT), CAST(:settings AS TEXT), :cached, :seed, :created, :updated)
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name, model = excluded.model, branch = excluded.branch,
        branches = excluded.branches, settings = excluded.settings, cached = excluded.cached,
        seed = excluded.seed, updated = excluded.updated
"""
_PUT_TURN = """
    INSERT INTO turns (session, id, parent, created, user, reply, prefill, preamble, shared,
        tail, prompt_length, forgotten, shared_feeds, feeds, runs)
    VALUES (:session, :id, :parent, :created, CAST(:user AS TEXT), CAST(:reply AS TEXT),
        CAST(:prefill AS TEXT), :preamble, :shared, :tail, :prompt_length, :forgotten,
        :shared_feeds, CAST(:feeds AS TEXT), CAST(:runs AS TEXT))
    ON CONFLICT (session, id) DO UPDATE SET
        parent = excluded.parent, created = excluded.created, user = excluded.user,
        reply = excluded.reply, prefill = excluded.prefill, preamble = excluded.preamble,
        shared = excluded.shared, tail = excluded.tail,
        prompt_length = excluded.prompt_length, forgotten = excluded.forgotten,
        shared_feeds = excluded.shared_feeds, feeds = excluded.feeds, runs = excluded.runs
"""
_GET_SESSION = """
    SELECT id, created, updated, model, name, branch, branches, settings, cached, seed
    FROM sessions WHERE id = ?
"""
_GET_TURNS = """
    SELECT id, parent, user, created, reply, prefill, preamble, shared, tail, prompt_length,
        forgotten, shared_feeds, feeds, runs
    FROM turns WHERE session = ? ORDER BY key
"""


def write_session(db: sqlite3.Connection, session: Session) -> int:
    """The session's row as it is now; its key."""
    values = {
        "id": session.id,
        "name": None if session.name is None else encoded(session.name),
        "model": encoded(session.model),
        "branch": encoded(session.branch),
        "branches": to_json(dict(session.branches)),
        "settings": to_json(plain_settings(session.settings)),
        "cached": session.cached,
        "seed": str(session.seed),
        "created": session.created,
        "updated": session.updated,
    }
    db.execute(_PUT_SESSION, values)
    (key,) = db.execute("SELECT key FROM sessions WHERE id = ?", (session.id,)).fetchone()
    return int(key)


def write_turns(db: sqlite3.Connection, session: int, turns: Iterable[Turn]) -> None:
    """The turns' rows as they are now, in the session of that key."""
    parts = PartsWriter(db, session)
    db.executemany(_PUT_TURN, (_turn_values(session, turn, parts) for turn in turns))


def read_session(db: sqlite3.Connection, session_id: str) -> Session | None:
    """The session of that id, None where there is none; StoreError where it can't be read."""
    row: Row | None = db.execute(_GET_SESSION, (session_id,)).fetchone()
    if row is None:
        return None
    with _legible(f"conversation {session_id}"):
        return _session_from(row)


def read_standing(db: sqlite3.Connection, session_id: str) -> Standing | None:
    """What several processes may change; None where there is no such session."""
    query = "SELECT name, branches, updated FROM sessions WHERE id = ?"
    row: Row | None = db.execute(query, (session_id,)).fetchone()
    if row is None:
        return None
    with _legible(f"conversation {session_id}"):
        name, branches, updated = row
        return Standing(
            None if name is None else textual(name), _branches_from(branches), real(updated)
        )


def read_turns(db: sqlite3.Connection, session: int) -> Iterator[Turn]:
    """The turns of the session of that key, in the order in which they came."""
    parts = PartsReader(db, session)
    for row in db.execute(_GET_TURNS, (session,)):
        with _legible(f"turn {row[0]}"):
            yield _turn_from(row, parts)


@contextmanager
def _legible(what: str) -> Iterator[None]:
    """Say which record holds something that can't be read."""
    try:
        yield
    except SamplingError as error:
        raise StoreError(
            f"{what} was kept with something that this chatcli doesn't know ({error}); "
            "update chatcli"
        ) from error
    except (ValueError, TypeError, LookupError) as error:
        raise StoreError(
            f"{what} is damaged in the store ({error}); bring the store back from a backup, or "
            "delete the conversation"
        ) from error


def _session_from(row: Row) -> Session:
    session, created, updated, model, name, branch, branches, settings, cached, seed = row
    heads = _branches_from(branches)
    if branch not in heads:
        raise ValueError(f"no branch {branch!r:.40}")
    return Session(
        id=textual(session),
        created=real(created),
        updated=real(updated),
        model=textual(model),
        name=None if name is None else textual(name),
        branch=branch,
        branches=heads,
        settings=settings_from(from_json(settings, dict)),
        cached=None if cached is None else whole(cached),
        seed=int(seed),
    )


def _branches_from(text: str) -> dict[str, int | None]:
    branches = from_json(text, dict)
    return {name: None if head is None else whole(head) for name, head in branches.items()}


def _turn_values(session: int, turn: Turn, parts: PartsWriter) -> dict[str, Any]:
    return {
        "session": session,
        "id": turn.id,
        "parent": turn.parent,
        "created": turn.created,
        "user": encoded(turn.user),
        "reply": encoded(turn.reply),
        "prefill": encoded(turn.prefill),
        "preamble": parts.preamble(turn.preamble),
        "shared": turn.shared,
        "tail": plain_ids(turn.tail),
        "prompt_length": turn.prompt_length,
        "forgotten": turn.forgotten,
        "shared_feeds": turn.shared_feeds,
        "feeds": to_json(plain_feeds(turn.feeds)),
        "runs": to_json([_plain_run(run, parts) for run in turn.runs]),
    }


def _turn_from(row: Row, parts: PartsReader) -> Turn:
    turn, parent, user, created, reply, prefill, preamble, shared, tail, *figures, feeds, runs = row
    prompt_length, forgotten, shared_feeds = map(whole, figures)
    return Turn(
        id=whole(turn),
        parent=None if parent is None else whole(parent),
        user=textual(user),
        created=real(created),
        reply=textual(reply),
        prefill=textual(prefill),
        preamble=parts.preamble(preamble),
        shared=whole(shared),
        tail=ids_from(tail),
        prompt_length=prompt_length,
        forgotten=forgotten,
        shared_feeds=shared_feeds,
        feeds=feeds_from(from_json(feeds, list)),
        runs=tuple(_run_from(plain, parts) for plain in from_json(runs, list)),
    )


def _plain_run(run: Run, parts: PartsWriter) -> list[Any]:
    """[tokens, finish, origin, sampling, seed, *usage], the middle two by their keys; then the
    sampler's memory, where it has one."""
    origin, sampling = parts.origin(run.origin), parts.sampling(run.sampling)
    plain = [run.tokens, run.finish, origin, sampling, run.sampling.seed, *astuple(run.usage)]
    return plain if run.memory is None else [*plain, dict(run.memory)]


def _run_from(plain: Iterable[Any], parts: PartsReader) -> Run:
    tokens, finish, origin, sampling, seed, *rest = plain
    usage, memory = rest[: len(fields(Usage))], rest[len(fields(Usage)) :]
    if finish is not None and finish not in _FINISHES:
        raise ValueError(f"a reply ended with {finish!r:.40}")
    return Run(
        tokens=whole(tokens),
        sampling=parts.sampling(sampling, seed),
        origin=parts.origin(origin),
        finish=finish,
        usage=Usage(*map(whole, usage[:3]), *map(real, usage[3:])),
        memory=_memory_from(*memory),
    )


def _memory_from(memory: object = None) -> dict[str, Any] | None:
    """Rows from before there was one have none."""
    if not isinstance(memory, dict | None):
        raise TypeError(f"{memory!r:.40} is no memory of a sampler")
    return memory
