"""The keeper: what is kept when, what a store in trouble costs, and that nothing is lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.chat import database, keeper
from chatcli.chat.keeper import Keeper
from chatcli.chat.store import Store
from chatcli.chat.types import Session, Turn
from chatcli.errors import StoreError
from tests.chat.stored import chain_of, session_of, turn_of


class Shelf(Store):
    """A store that counts what is put, and fails when told to."""

    failing: str | None = None

    def __init__(self, base: database.Database) -> None:
        super().__init__(base)
        self.puts: list[tuple[str, tuple[int, ...]]] = []

    def put(self, session: Session, turns: Iterable[Turn] = ()) -> int | None:
        turns = tuple(turns)
        if self.failing is not None:
            raise StoreError(self.failing)
        theirs = super().put(session, turns)
        self.puts.append((session.id, tuple(turn.id for turn in turns)))
        return theirs


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf.open() as opened:
        yield opened


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def kept(shelf: Shelf, said: list[str]) -> Iterator[Keeper]:
    made = Keeper(shelf, said.append)
    yield made
    made.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write almost at once what grows, and try again as soon."""
    monkeypatch.setattr(keeper, "_PERIOD", 0.01)
    monkeypatch.setattr(keeper, "_RETRY", 0.01)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never write what grows by itself."""
    monkeypatch.setattr(keeper, "_PERIOD", 600.0)
    monkeypatch.setattr(keeper, "_RETRY", 600.0)


def until(true: Callable[[], object]) -> None:
    """Wait for another thread."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)


def test_what_is_kept_is_in_the_store_at_once(kept: Keeper, shelf: Shelf) -> None:
    kept.keep(session_of(head=2), *chain_of(2))
    with Store.open() as other:
        assert other.turns("5e5510") == tuple(chain_of(2))
    assert kept.problem is None


def test_what_grows_is_written_by_itself_as_it_is_then(
    kept: Keeper, shelf: Shelf, quick: None
) -> None:
    ids: list[int] = []
    for token in range(200):
        ids.append(token)
        kept.grow(session_of(head=1), lambda: turn_of(1, tail=tuple(ids)))
    until(lambda: shelf.puts and len(shelf.turns("5e5510")[0].tail) == 200)
    assert len(shelf.puts) < 100


def test_a_reply_that_ended_is_not_overwritten_by_what_was_growing(
    kept: Keeper, shelf: Shelf, slow: None
) -> None:
    kept.grow(session_of(head=1), lambda: turn_of(1, reply="half"))
    kept.keep(session_of(head=1), turn_of(1, reply="whole"))
    kept.close()
    assert shelf.puts == [("5e5510", (1,))]
    assert shelf.turns("5e5510")[0].reply == "whole"


def test_a_whole_reply_waits_for_a_snapshot_that_is_being_written(
    kept: Keeper, shelf: Shelf, quick: None
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def snapshot() -> Turn:
        begun.set()
        assert go_on.wait(20)
        return turn_of(1, reply="half")

    kept.grow(session_of(head=1), snapshot)
    assert begun.wait(20)
    threading.Timer(0.05, go_on.set).start()
    kept.keep(session_of(head=1), turn_of(1, reply="whole"))
    assert [puts for puts in shelf.puts if puts[1]] == [("5e5510", (1,))] * 2
    assert shelf.turns("5e5510")[0].reply == "whole"


def test_keeping_another_turn_keeps_what_was_growing_too(
    kept: Keeper, shelf: Shelf, slow: None
) -> None:
    kept.grow(session_of("a", head=1), lambda: turn_of(1, reply="half"))
    kept.keep(session_of("b", head=2), turn_of(2))
    assert shelf.turns("a")[0].reply == "half"
    kept.grow(session_of("a", head=1), lambda: turn_of(1, reply="more"))
    kept.keep(session_of("a", head=1))
    assert shelf.turns("a")[0].reply == "more"


def test_closing_writes_what_was_growing(kept: Keeper, shelf: Shelf, slow: None) -> None:
    kept.grow(session_of(head=1), lambda: turn_of(1, reply="half"))
    kept.close()
    kept.close()
    assert shelf.turns("5e5510")[0].reply == "half"


def test_it_goes_on_after_it_was_closed(kept: Keeper, shelf: Shelf, quick: None) -> None:
    for reply in ("one", "two"):
        kept.grow(session_of(head=1), lambda reply=reply: turn_of(1, reply=reply))  # type: ignore[misc]
        until(lambda: shelf.puts)
        kept.close()
        assert shelf.turns("5e5510")[0].reply == reply
        shelf.puts.clear()


def test_trouble_is_said_once_and_again_when_it_changes(
    kept: Keeper, shelf: Shelf, said: list[str], slow: None
) -> None:
    shelf.failing = "kept.db is locked"
    kept.keep(session_of(head=1), turn_of(1))
    kept.keep(session_of(head=1), turn_of(1, reply="a"))
    assert kept.problem == "kept.db is locked"
    assert said == ["not kept for now: kept.db is locked"]
    shelf.failing = "the disk is full"
    kept.keep(session_of(head=2), turn_of(2, 1))
    shelf.failing = None
    assert kept.problem == "the disk is full"
    kept.keep(session_of(head=3), turn_of(3, 2))
    assert said[1:] == ["not kept for now: the disk is full", "all of it is kept again"]
    assert kept.problem is None
    assert [turn.reply for turn in shelf.turns("5e5510")] == ["a", "", ""]
    assert shelf.session("5e5510").head == 3


def test_what_could_not_be_written_is_tried_again_without_being_asked(
    kept: Keeper, shelf: Shelf, said: list[str], quick: None
) -> None:
    shelf.failing = "kept.db is locked"
    kept.keep(session_of(head=1), turn_of(1))
    time.sleep(0.05)
    shelf.failing = None
    until(lambda: kept.problem is None)
    assert shelf.turns("5e5510") == (turn_of(1),)
    assert said == ["not kept for now: kept.db is locked"]
    kept.keep(session_of(head=1))
    assert said[1:] == ["all of it is kept again"]


def test_nothing_is_said_while_a_reply_grows(
    kept: Keeper, shelf: Shelf, said: list[str], quick: None
) -> None:
    kept.keep(session_of(head=1), turn_of(1))
    shelf.failing = "the disk is full"
    kept.grow(session_of(head=1), lambda: turn_of(1, reply="half"))
    until(lambda: kept.problem)
    assert said == []
    kept.keep(session_of(head=1), turn_of(1, reply="whole"))
    assert said == ["not kept for now: the disk is full"]


def test_leaving_in_trouble_says_what_that_costs(shelf: Shelf, said: list[str], slow: None) -> None:
    kept = Keeper(shelf, said.append)
    shelf.failing = "the disk is full"
    kept.grow(session_of(head=1), lambda: turn_of(1))
    kept.close()
    kept.close()
    assert said == ["left without keeping the last of it: the disk is full"]


def test_one_conversation_in_trouble_does_not_keep_another_from_being_kept(
    kept: Keeper, shelf: Shelf, said: list[str], slow: None
) -> None:
    kept.keep(session_of("a", head=2), *chain_of(2))
    with Store.open() as other:
        other.delete("a")
    kept.keep(session_of("a", head=3), turn_of(3, 2))
    kept.keep(session_of("b", head=1), turn_of(1))
    assert [one.id for one in shelf.sessions()] == ["b"]
    assert len(said) == 1 and "was deleted" in said[0]


def test_a_lock_is_waited_out(
    kept: Keeper, shelf: Shelf, said: list[str], slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(shelf.path, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.1, other.rollback).start()
        kept.keep(session_of(head=1), turn_of(1))
        assert said == []
        assert len(shelf.turns("5e5510")) == 1


def test_a_bug_in_a_snapshot_is_raised_after_the_rest_was_kept(
    kept: Keeper, shelf: Shelf, quick: None
) -> None:
    def snapshot() -> Turn:
        raise ZeroDivisionError("a bug")

    kept.grow(session_of(head=1), snapshot)
    until(lambda: kept._bug)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        kept.keep(session_of(head=1), turn_of(1, reply="whole"))
    assert shelf.turns("5e5510")[0].reply == "whole"
    kept.keep(session_of(head=1), turn_of(1, reply="more"))


def test_a_bug_in_the_writing_is_raised_to_the_caller_and_the_next_reply_is_kept(
    kept: Keeper, shelf: Shelf, quick: None
) -> None:
    kept.grow(session_of(head=1), lambda: turn_of(1, tail=(-1,)))
    until(lambda: kept._bug)
    until(lambda: kept._thread and not kept._thread.is_alive())
    with pytest.raises(OverflowError):
        kept.keep(session_of(head=1), turn_of(1, reply="whole"))
    kept.grow(session_of(head=1), lambda: turn_of(1, reply="more"))
    until(lambda: shelf.turns("5e5510")[0].reply == "more")


def test_a_program_that_ends_without_closing_keeps_what_was_growing(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from chatcli.chat.keeper import Keeper\n"
        "from chatcli.chat.store import Store\n"
        "from tests.chat.stored import session_of, turn_of\n"
        "kept = Keeper(Store.open(Path(sys.argv[1])), print)\n"
        "kept.grow(session_of(head=1), lambda: turn_of(1, user=str(os.getpid())))\n"
        "child = os.fork()\n"
        "if child: os.waitpid(child, 0)\n"
        "sys.exit(0 if not child else print(os.getpid()))\n"
    )
    path = tmp_path / "kept.db"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    with Store.open(path) as store:
        assert [turn.user for turn in store.turns("5e5510")] == done.stdout.split()
    assert not done.stderr


def test_the_store_that_was_replaced_gets_what_follows(
    kept: Keeper, shelf: Shelf, said: list[str], slow: None
) -> None:
    kept.keep(session_of(head=1), turn_of(1))
    aside = shelf.path.rename(shelf.path.with_name("aside"))
    kept.keep(session_of(head=2), turn_of(2, 1))
    assert len(said) == 1 and "was removed while it was in use" in said[0]
    aside.rename(shelf.path)
    kept.keep(session_of(head=2), replace(turn_of(2, 1), reply="whole"))
    assert said[1:] == ["all of it is kept again"]
    assert [turn.reply for turn in shelf.turns("5e5510")] == ["", "whole"]


def test_another_chat_that_went_on_meanwhile_is_told_of_once_each_time() -> None:
    notes: list[str] = []
    with Store.open() as mine, Store.open() as other, closing(Keeper(mine, notes.append)) as keeper:
        here = session_of(head=1)
        keeper.keep(here, turn_of(1))
        there = other.session(here.id)
        other.put(there)
        assert other.put(replace(there, branches={"main": 2}), (turn_of(2, 1),)) is None
        keeper.keep(here, turn_of(3, 1))
        keeper.keep(replace(here, branches={"main": 3}), turn_of(3, 1))
        assert len(notes) == 1 and "the end @00000, and branch main" in notes[0]
        assert mine.session(here.id).head == 3
        other.put(replace(there, branches={"main": 4}), (turn_of(4, 2),))
        keeper.keep(replace(here, branches={"main": 5}), turn_of(5, 3))
        assert len(notes) == 2
