"""Explorations in the store: kept by name, for one checkpoint, beside the conversations."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from chatcli.chat import schema
from chatcli.chat.store import Store, store_path
from chatcli.chat.walks import Walks
from chatcli.errors import StoreError
from chatcli.ui.explorer.shelf import StoreShelf
from tests.chat.stored import session_of
from tests.fakes import ScriptedModel

WALK = {"at": 0, "nodes": [{"text": "山\ud800\x1b", "ids": [1, 2**31]}]}


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(StoreError) as caught:
        action()
    (line,) = str(caught.value).splitlines()
    return line


def test_a_walk_comes_back_as_it_was() -> None:
    with Walks.open() as walks:
        walks.save("山", "小山", "ab", WALK)
    with Walks.open(create=False) as walks:
        assert walks.load("山", "ab") == WALK
        assert [(one.name, one.model, one.digest) for one in walks.all()] == [("山", "小山", "ab")]


def test_the_same_name_is_the_same_walk() -> None:
    with Walks.open() as walks:
        walks.save("a", "m", "ab", WALK)
        walks.save("b", "m", "ab", WALK)
        walks.save("a", "m", "cd", {"at": 1})
        assert {one.name: one.digest for one in walks.all()} == {"a": "cd", "b": "ab"}
        assert walks.load("a", "cd") == {"at": 1}
        walks.delete("a")
        walks.delete("a")
        assert [one.name for one in walks.all()] == ["b"]


def test_a_walk_of_another_checkpoint_is_refused() -> None:
    with Walks.open() as walks:
        walks.save("山", "小山", "ab", WALK)
        line = refusal(lambda: walks.load("山", "cd"))
        assert "'山' was made with 小山" in line and "load that one" in line
        assert "did you mean '山'" in refusal(lambda: walks.load("山 ", "cd"))
        assert "there is none" in refusal(lambda: walks.load("river", "cd"))


def test_a_damaged_walk_says_so() -> None:
    with Walks.open() as walks:
        walks.save("a", "m", "ab", WALK)
    with closing(sqlite3.connect(store_path())) as db, db:
        db.execute("UPDATE walks SET walk = '[1'")
    with Walks.open() as walks:
        assert "exploration 'a' is damaged" in refusal(lambda: walks.load("a", "ab"))


def test_a_store_from_before_has_room_for_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        before.setattr("chatcli.chat.database.MIGRATIONS", schema.MIGRATIONS[:1])
        with Store.open() as store:
            store.put(session := session_of("main"))
    with Walks.open() as walks:
        walks.save("a", "m", "ab", WALK)
    with Store.open() as store:
        assert store.session(session.id) == session


def test_a_shelf_makes_nothing_before_it_is_needed() -> None:
    shelf = StoreShelf(ScriptedModel("").checkpoint)
    assert shelf.names() == () and not shelf.holds("山") and not store_path().exists()
    shelf.save("山", WALK)
    with Walks.open() as walks:
        walks.save("other", "m", "cd", WALK)
    assert shelf.names() == ("山",)
    assert shelf.holds("山") and shelf.holds("other") and not shelf.holds("河")
    assert shelf.load("山") == WALK
    shelf.delete("山")
    assert shelf.names() == ()


def test_a_folder_that_cant_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refusal(lambda: Walks.open(tmp_path / "file" / "kept.db"))
