"""What many turns of a session share, kept once: preambles, sampling settings, origins.

Each is a row of `parts`, found by its digest, and goes with its session.
"""

from __future__ import annotations

import sqlite3
from dataclasses import astuple
from functools import cache
from hashlib import blake2b

from chatcli.chat.plain import from_json, plain_preamble, preamble_from, to_json
from chatcli.chat.types import Origin
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message

__all__ = ["PartsReader", "PartsWriter"]


class PartsWriter:
    """Finds or makes the parts of one session, and gives their keys; each is looked for once."""

    def __init__(self, db: sqlite3.Connection, session: int) -> None:
        self._db = db
        self._session = session
        self.preamble = cache(self._preamble)
        self.sampling = cache(self._sampling)
        self.origin = cache(self._origin)

    def _preamble(self, preamble: tuple[Message, ...]) -> int:
        return self._key(plain_preamble(preamble))

    def _sampling(self, sampling: SamplingConfig) -> int:
        plain = sampling.to_dict()
        del plain["seed"]  # each run's own
        return self._key(plain)

    def _origin(self, origin: Origin) -> int:
        return self._key(astuple(origin))

    def _key(self, plain: object) -> int:
        text = to_json(plain)
        named = (self._session, blake2b(text, digest_size=16).digest())
        query = "SELECT key FROM parts WHERE session = ? AND digest = ?"
        row = self._db.execute(query, named).fetchone()
        if row is None:
            put = "INSERT INTO parts (session, digest, json) VALUES (?, ?, CAST(? AS TEXT))"
            return self._db.execute(put, (*named, text)).lastrowid or 0
        return int(row[0])


class PartsReader:
    """The parts of one session as records, each made once; raises as `plain` does, and KeyError."""

    def __init__(self, db: sqlite3.Connection, session: int) -> None:
        query = "SELECT key, json FROM parts WHERE session = ?"
        self._texts: dict[int, str] = dict(db.execute(query, (session,)))
        self.preamble = cache(self._preamble)
        self.sampling = cache(self._sampling)
        self.origin = cache(self._origin)

    def _preamble(self, key: int) -> tuple[Message, ...]:
        return preamble_from(from_json(self._texts[key], list))

    def _sampling(self, key: int, seed: int | None) -> SamplingConfig:
        return SamplingConfig.from_dict({**from_json(self._texts[key], dict), "seed": seed})

    def _origin(self, key: int) -> Origin:
        return Origin(*from_json(self._texts[key], list))
