"""The layout of the store's file, while another process makes it at the same moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from chatcli.chat.schema import MIGRATIONS, migrate, stored_version


class Hurried(sqlite3.Connection):
    """A connection before whose statement number `at` another one makes the tables."""

    path: Path
    at = 0

    def execute(self, *arguments: object) -> sqlite3.Cursor:
        self.at -= 1
        if self.at == 0:
            other = sqlite3.connect(self.path, timeout=0, isolation_level=None)
            with closing(other), suppress(sqlite3.OperationalError):  # or it is kept from it
                migrate(other, self.path)
        return super().execute(*arguments)  # type: ignore[arg-type]


@pytest.fixture
def hurried(tmp_path: Path) -> Iterator[Hurried]:
    path = tmp_path / "kept.db"
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None, factory=Hurried)) as db:
        db.path = path
        yield db


@pytest.mark.parametrize("at", range(1, 7))
def test_a_file_is_never_seen_half_made(hurried: Hurried, at: int) -> None:
    hurried.at = at
    assert stored_version(hurried, hurried.path) in (0, len(MIGRATIONS))
    assert not hurried.in_transaction
    migrate(hurried, hurried.path)
    assert stored_version(hurried, hurried.path) == len(MIGRATIONS)
