"""The tables of the store, and the steps that bring an older file up to date.

A file says in its header that it is ours (`application_id`) and how many of the steps it has
had (`user_version`). What the columns hold is up to `rows`.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from chatcli.errors import StoreError

__all__ = ["APPLICATION_ID", "MIGRATIONS", "migrate", "stored_version"]

APPLICATION_ID = int.from_bytes(b"CCLI", "big")

# `walks` are explorations, by name: trees of ids that are no conversations.
# Step n makes layout n + 1 out of layout n; a step that was released is never changed.
# The keys of turns rise in the order in which turns were made. `parts` are values that many
# turns of a session share: preambles, sampling settings, origins. A seed may need 64 bits, one
# more than SQLite's integers have.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE sessions (
            key INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            name TEXT,
            model TEXT NOT NULL,
            branch TEXT NOT NULL,
            branches TEXT NOT NULL,
            settings TEXT NOT NULL,
            cached INTEGER,
            seed TEXT NOT NULL,
            created REAL NOT NULL,
            updated REAL NOT NULL
        )""",
        """CREATE TABLE parts (
            key INTEGER PRIMARY KEY,
            session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
            digest BLOB NOT NULL,
            json TEXT NOT NULL,
            UNIQUE (session, digest)
        )""",
        """CREATE TABLE turns (
            key INTEGER PRIMARY KEY,
            session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
            id INTEGER NOT NULL,
            parent INTEGER,
            created REAL NOT NULL,
            user TEXT NOT NULL,
            reply TEXT NOT NULL,
            prefill TEXT NOT NULL,
            preamble INTEGER NOT NULL,
            shared INTEGER NOT NULL,
            tail BLOB NOT NULL,
            prompt_length INTEGER NOT NULL,
            forgotten INTEGER NOT NULL,
            shared_feeds INTEGER NOT NULL,
            feeds TEXT NOT NULL,
            runs TEXT NOT NULL,
            UNIQUE (session, id)
        )""",
        "CREATE INDEX turns_in_order ON turns (session)",
    ),
    (
        """CREATE TABLE walks (
            key INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            model TEXT NOT NULL,
            digest TEXT NOT NULL,
            walk TEXT NOT NULL,
            saved REAL NOT NULL
        )""",
    ),
)


def stored_version(db: sqlite3.Connection, path: Path) -> int:
    """How many steps the file has had; 0 for an empty one.

    Raises StoreError for one of a newer chatcli and for a database of another program.
    """
    application, version, tables = _marks(db)
    if application == APPLICATION_ID:
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{path} was written by a newer chatcli (layout {version}, this one knows up to "
                f"{len(MIGRATIONS)}); update chatcli, or name another folder in CHATCLI_DATA"
            )
        return int(version)
    if application or version or tables:
        raise StoreError(
            f"{path} is a database of another program; move it away, "
            "or name another folder in CHATCLI_DATA"
        )
    return 0


def _marks(db: sqlite3.Connection) -> tuple[int, int, int]:
    """The program's id, the layout and the number of tables, all of the same moment.

    Read one by one, half of them could be from before another process made the tables.
    """
    alone = not db.in_transaction
    if alone:
        db.execute("BEGIN")
    try:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        if alone and db.in_transaction:
            db.execute("ROLLBACK")
    return application, version, tables


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Take the steps that the file lacks, all or none."""
    if stored_version(db, path) == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have taken them while this one waited.
        for step in MIGRATIONS[stored_version(db, path) :]:
            for statement in step:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
