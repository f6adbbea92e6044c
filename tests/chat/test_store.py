"""The store: what goes in comes out, and what another process did to a session stays."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from chatcli.chat.store import Store
from chatcli.chat.types import Feed, Session, Settings, Turn
from chatcli.errors import StoreError
from chatcli.folders import data_folder
from tests.chat.stored import (
    FULL_SESSION,
    FULL_TURN,
    SAMPLING,
    chain_of,
    session_of,
    turn_of,
)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open() as opened:
        yield opened


def held(store: Store) -> sqlite3.Connection:
    """A look at the file from beside the store."""
    return sqlite3.connect(store.path)


def test_every_field_of_a_session_and_its_turns_comes_back_exactly(store: Store) -> None:
    first = turn_of(7)
    store.put(FULL_SESSION, (first, FULL_TURN))
    with Store.open() as again:
        assert again.session(FULL_SESSION.id) == FULL_SESSION
        assert again.turns(FULL_SESSION.id) == (first, FULL_TURN)


@pytest.mark.parametrize(
    ("full", "plain"),
    [
        (FULL_SESSION, Session("", 0.0, 0.0, "")),
        (FULL_TURN, Turn(0, None, "", 0.0)),
        (FULL_SESSION.settings, Settings()),
        (FULL_TURN.feeds[1], Feed(0, 2)),
    ],
    ids=lambda record: type(record).__name__,
)
def test_the_full_records_leave_no_field_at_its_default(full: object, plain: object) -> None:
    for each in fields(full):  # type: ignore[arg-type]
        assert getattr(full, each.name) != getattr(plain, each.name), each.name


def test_a_record_with_nothing_in_it_comes_back_too(store: Store) -> None:
    store.put(session_of())
    store.put(session_of(head=1), (Turn(1, None, "", 0.0),))
    assert store.session("5e5510") == session_of(head=1)
    assert store.turns("5e5510") == (Turn(1, None, "", 0.0),)


def test_writing_again_changes_nothing_and_writing_anew_replaces(store: Store) -> None:
    turns = chain_of(3)
    for _ in range(2):
        store.put(session_of(head=3), turns)
    assert store.turns("5e5510") == tuple(turns)
    grown = replace(FULL_TURN, id=2, parent=1)
    store.put(session_of(head=3), (grown,))
    assert store.turns("5e5510") == (turns[0], grown, turns[2])


def test_turns_come_in_the_order_in_which_they_were_made(store: Store) -> None:
    turns = [turn_of(9), turn_of(2, 9), turn_of(5, 2), turn_of(1, 9)]
    for turn in turns:
        store.put(session_of(head=turn.id), (turn,))
    store.put(session_of(head=2), (turns[1],))
    assert store.turns("5e5510") == tuple(turns)


def test_the_same_turn_ids_in_two_sessions_are_two_turns(store: Store) -> None:
    store.put(session_of("a", head=1), (turn_of(1, user="甲"),))
    store.put(session_of("b", head=1), (turn_of(1, user="乙"),))
    assert [store.turns(one)[0].user for one in "ab"] == ["甲", "乙"]


def test_what_turns_share_is_kept_once(store: Store) -> None:
    long = replace(FULL_TURN.preamble[0], content="很长" * 50_000)
    turns = [replace(FULL_TURN, id=turn, parent=None, preamble=(long,)) for turn in range(1, 20)]
    store.put(session_of(head=1), turns)
    assert store.turns("5e5510") == tuple(turns)
    assert sum(file.stat().st_size for file in data_folder().iterdir()) < 2 * 2**20


def test_ten_thousand_turns_take_little_room_and_come_back(store: Store) -> None:
    runs = (replace(FULL_TURN.runs[0], sampling=replace(SAMPLING, seed=7)),)
    turns = [
        turn_of(n, n - 1 or None, reply="答" * 20, tail=tuple(range(60)), runs=runs)
        for n in range(1, 10_001)
    ]
    store.put(session_of(head=10_000), turns)
    assert store.turns("5e5510") == tuple(turns)
    store.close()
    assert store.path.stat().st_size < 10_000 * 600


def test_the_folder_and_every_file_are_the_users_alone(store: Store) -> None:
    store.put(session_of(head=1), chain_of(1))
    assert stat.S_IMODE(data_folder().stat().st_mode) == 0o700
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in data_folder().iterdir()}
    names = {"conversations.db", "conversations.db-wal", "conversations.db-shm"}
    assert files == dict.fromkeys(names, 0o600)


def test_the_file_is_private_before_anything_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    connect = sqlite3.connect

    def watched(*args: object, **kwargs: object) -> sqlite3.Connection:
        modes.append(stat.S_IMODE((data_folder() / "conversations.db").stat().st_mode))
        return connect(*args, **kwargs)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", watched)
    before = os.umask(0)
    try:
        Store.open().close()
    finally:
        os.umask(before)
    assert modes == [0o600]


def test_a_file_that_others_could_read_is_closed_to_them(store: Store) -> None:
    store.close()
    store.path.chmod(0o644)
    Store.open().close()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_writes_go_ahead_into_a_log_and_wait_for_the_disk(store: Store) -> None:
    with store._database.transaction() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_where_there_can_be_no_log_a_journal_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def elsewhere(address: str, **kwargs: object) -> sqlite3.Connection:
        # A way to the file that has no shared memory, as network filesystems have none.
        return connect(f"{address}&vfs=unix-dotfile", **kwargs)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", elsewhere)
    with Store.open(tmp_path / "kept.db") as store:
        store.put(session_of(head=2), chain_of(2))
        with store._database.transaction() as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    with Store.open(tmp_path / "kept.db") as store:
        assert store.turns("5e5510") == tuple(chain_of(2))


def test_what_is_deleted_leaves_the_disk(store: Store) -> None:
    secret = "机密 secret"
    kept = replace(FULL_TURN, parent=None, user=secret, reply=secret)
    store.put(session_of("gone", head=kept.id, name=secret), (kept,))
    store.put(session_of("stays", head=1), chain_of(1))
    store.close()
    assert secret.encode() in store.path.read_bytes()
    store = Store.open()
    store.delete("gone")
    written = b"".join(file.read_bytes() for file in data_folder().iterdir())
    assert secret.encode() not in written
    assert "你是助手".encode() not in written
    assert [one.id for one in store.sessions()] == ["stays"]
    assert store.turns("stays") == tuple(chain_of(1))
    with pytest.raises(StoreError, match="no conversation 'gone'"):
        store.delete("gone")
    store.close()


def test_another_processs_branches_and_name_stay(store: Store) -> None:
    store.put(session_of(head=1), chain_of(1))
    with Store.open() as other:
        theirs = replace(other.session("5e5510"), branch="theirs", name="theirs")
        other.put(replace(theirs, branches={"main": 1, "theirs": 2}, updated=9.0), (turn_of(2, 1),))
    ours = session_of(head=3, branches={"main": 3, "ours": 1}, updated=5.0)
    store.put(ours, (turn_of(3, 1),))
    seen = store.session("5e5510")
    assert seen.branches == {"main": 3, "ours": 1, "theirs": 2}
    assert (seen.name, seen.updated, seen.branch) == ("theirs", 9.0, "main")
    assert [turn.id for turn in store.turns("5e5510")] == [1, 2, 3]


def test_a_branch_that_was_not_moved_here_is_not_moved_back(store: Store) -> None:
    store.put(session_of(head=1), chain_of(1))
    with Store.open() as other:
        other.put(session_of(head=2), (turn_of(2, 1),))
    store.put(session_of(head=1, settings=Settings(max_tokens=9)))
    seen = store.session("5e5510")
    assert seen.head == 2
    assert seen.settings.max_tokens == 9
    store.put(session_of(head=None))
    assert store.session("5e5510").head is None


def test_a_name_is_not_lost_by_a_process_that_does_not_know_it(store: Store) -> None:
    store.put(session_of())
    store.rename("5e5510", "登山")
    store.put(session_of(updated=2.0))
    assert store.session("5e5510").name == "登山"
    store.put(session_of(name="下山"))
    assert store.session("5e5510").name == "下山"
    store.put(session_of())
    assert store.session("5e5510").name is None
    store.rename("5e5510", "又")
    with Store.open() as other:
        other.put(session_of())
    assert store.session("5e5510").name == "又"


def test_a_session_that_was_deleted_elsewhere_does_not_come_back_in_part(store: Store) -> None:
    store.put(session_of(head=2), chain_of(2))
    with Store.open() as other:
        other.delete("5e5510")
    with pytest.raises(StoreError, match=r"no longer in .*deleted"):
        store.put(session_of(head=3), (turn_of(3, 2),))
    assert store.sessions() == ()
    with pytest.raises(StoreError, match="no longer in"):
        store.put(session_of(head=2))
    store.put(session_of(head=3), (*chain_of(2), turn_of(3, 2)))
    assert len(store.turns("5e5510")) == 3


def test_a_session_is_found_by_id_by_name_and_by_the_beginning_of_its_id(store: Store) -> None:
    store.put(session_of("abc123"))
    store.put(session_of("abd456", name="登山 Plan"))
    store.put(session_of("abd", name="abc123"))
    found = {
        "abc123": "abc123",
        "abc": "abc123",
        "登山 PLAN": "abd456",
        "登山 ｐｌａｎ": "abd456",
        "abd4": "abd456",
        "abd": "abd",
    }
    assert {reference: store.session(reference).id for reference in found} == found


def test_a_reference_that_fits_none_or_several_says_what_is_near(store: Store) -> None:
    store.put(session_of("abc123"))
    store.put(session_of("abd456", name="登山计划"))
    with pytest.raises(StoreError, match=r"'ab' may be any of 2 conversations \(.*abc123.*\)"):
        store.session("ab")
    with pytest.raises(StoreError, match=r"no conversation '登山计'.*near it: 登山计划"):
        store.session("登山计")
    with pytest.raises(StoreError, match=r"no conversation '%' in .*sessions` lists them"):
        store.session("%")
    with pytest.raises(StoreError, match="no conversation ''"):
        store.session("")
    with pytest.raises(StoreError, match="no conversation"):
        store.turns("nowhere")


def test_a_name_is_given_once_and_taken_away(store: Store) -> None:
    store.put(session_of("a"))
    store.put(session_of("b"))
    store.rename("a", "Mountain")
    store.rename("a", "Mountain")
    with pytest.raises(StoreError, match="conversation a is named 'Mountain' already"):
        store.rename("b", "ＭＯＵＮＴＡＩＮ")
    with pytest.raises(StoreError, match="can't be named ' '"):
        store.rename("b", " ")
    with pytest.raises(StoreError, match="no conversation 'c'"):
        store.rename("c", "Hill")
    store.rename("a", None)
    assert store.session("a").name is None


def test_a_list_outlives_turns_that_lead_round(store: Store) -> None:
    turns = [turn_of(1), turn_of(2, 1), turn_of(3, 2)]
    store.put(session_of("a", head=3), turns)
    with store._database.transaction(write=True) as db:
        db.execute("UPDATE turns SET parent = 3 WHERE id = 1")
    (summary,) = store.sessions()
    assert (summary.turns, summary.all_turns) == (3, 3)
    assert store.holding([turns]) == [None]


def test_sessions_are_listed_newest_first_with_their_figures(store: Store) -> None:
    assert store.sessions() == ()
    assert store.latest() is None
    first = turn_of(1, user="  世界上\n最高的山？" + "长" * 200)
    store.put(session_of("old", head=2, updated=5.0), (first, turn_of(2, 1)))
    store.put(session_of("new", updated=7.0, branches={"main": None, "b": None}, name="名"))
    new, old = store.sessions()
    assert (new.id, new.name, new.title, new.turns, new.branches) == ("new", "名", "", 0, 2)
    assert (old.id, old.name, old.turns, old.branches, old.updated) == ("old", None, 2, 1, 5.0)
    assert old.title == ("世界上 最高的山？" + "长" * 200)[:80]
    latest = store.latest()
    assert latest is not None and latest.id == "new"
