"""Explorations that are kept, by name, in the same file as the conversations.

An exploration is a tree of ids as plain JSON; what is in it is up to `probe.walk`. Its ids mean
something to the checkpoint that it was made with and to no other, so that is kept with it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chatcli.chat.database import Database
from chatcli.chat.plain import encoded, from_json, real, textual, to_json
from chatcli.chat.store import store_path
from chatcli.errors import StoreError

__all__ = ["SavedWalk", "Walks"]


@dataclass(frozen=True, slots=True)
class SavedWalk:
    """What is known of an exploration without reading it; `saved` in seconds since 1970."""

    name: str
    model: str
    digest: str
    saved: float


class Walks:
    """All of them. Every method raises StoreError for what is wrong with the file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, path: Path | None = None, *, create: bool = True) -> Self:
        """Those in the store at `path`, by default the user's own."""
        return cls(Database(path or store_path(), create=create))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._database.close()

    def all(self) -> tuple[SavedWalk, ...]:
        """The newest first."""
        query = "SELECT name, model, digest, saved FROM walks ORDER BY saved DESC, key DESC"
        with self._database.transaction() as db:
            return tuple(
                SavedWalk(textual(name), textual(model), textual(digest), real(saved))
                for name, model, digest, saved in db.execute(query)
            )

    def save(self, name: str, model: str, digest: str, walk: Mapping[str, Any]) -> None:
        """Keep it, in place of what had that name."""
        row = [*map(encoded, (name, model, digest)), to_json(dict(walk)), time.time()]
        with self._database.transaction(write=True) as db:
            db.execute(
                "INSERT INTO walks (name, model, digest, walk, saved) VALUES "
                "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?) "
                "ON CONFLICT (name) DO UPDATE SET model = excluded.model, "
                "digest = excluded.digest, walk = excluded.walk, saved = excluded.saved",
                row,
            )

    def load(self, name: str, digest: str) -> Mapping[str, Any]:
        """The one of that name, made with the checkpoint of that digest."""
        known = {one.name: one for one in self.all()}
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "there is none of that name"
            raise StoreError(f"no exploration {name!r} is kept; {hint}")
        if known[name].digest != digest:
            raise StoreError(
                f"{name!r} was made with {known[name].model}, and its ids mean something else to "
                "this checkpoint; load that one"
            )
        query = "SELECT walk FROM walks WHERE name = CAST(? AS TEXT)"
        with self._database.transaction() as db:
            (text,) = db.execute(query, (encoded(name),)).fetchone()
        try:
            walk: Mapping[str, Any] = from_json(text, dict)
        except (ValueError, TypeError) as error:
            raise StoreError(f"exploration {name!r} is damaged in the store ({error})") from error
        return walk

    def delete(self, name: str) -> None:
        """Remove it, from the disk too; one that isn't there already is."""
        with self._database.transaction(write=True) as db:
            db.execute("DELETE FROM walks WHERE name = CAST(? AS TEXT)", (encoded(name),))
        self._database.forget_deleted()
