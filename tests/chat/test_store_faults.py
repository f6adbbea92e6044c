"""What can be wrong with the store, each met for real: one line, and nothing is lost."""

from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from chatcli.chat import database, schema
from chatcli.chat.store import Store
from chatcli.errors import StoreError
from chatcli.folders import data_folder
from tests.chat.stored import FULL_SESSION, FULL_TURN, chain_of, session_of, turn_of

NOBODY = 65534


@pytest.fixture
def path() -> Path:
    """A store with two conversations, closed."""
    with Store.open() as store:
        store.put(session_of(head=3), chain_of(3))
        store.put(FULL_SESSION, (turn_of(7), FULL_TURN))
    return store.path


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that another user can reach too."""
    folder = Path(tempfile.mkdtemp(prefix="chatcli-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def refusal(act: Callable[[], object]) -> str:
    """The one line that it is refused with."""
    with pytest.raises(StoreError) as caught:
        act()
    line = str(caught.value)
    assert "\n" not in line
    return line


def as_plain_user(folder: Path, act: Callable[[], str]) -> str:
    """What `act` gives in a process without the superuser's powers, who owns the folder."""
    if os.getuid():
        return act()
    for file in (folder, *folder.rglob("*")):
        os.chown(file, NOBODY, NOBODY)
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = os.fork()
    if not child:
        try:
            os.setuid(NOBODY)
            os.write(writing, act().encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, encoding="utf-8") as pipe:
        return pipe.read()


def read_and_write(path: Path) -> str:
    """How many turns can be read, and what a write says."""
    with Store.open(path) as store:
        count = len(store.turns("5e5510"))
        try:
            store.put(session_of(head=4), (turn_of(4, 3),))
        except StoreError as error:
            return f"{count} turns; {error}"
    return f"{count} turns"


def test_a_store_that_is_not_there_is_made_only_when_asked() -> None:
    line = refusal(lambda: Store.open(create=False))
    assert "nothing is kept yet" in line and str(data_folder()) in line
    assert not data_folder().exists()
    Store.open().close()
    Store.open(create=False).close()


def test_a_locked_store_can_be_read_and_says_who_waits_for_whom(
    path: Path, impatient: None
) -> None:
    with Store.open() as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert f"{path} is locked" in refusal(lambda: store.put(session_of(head=3)))
        assert len(store.turns("5e5510")) == 3
        Store.open().close()
        other.rollback()
        store.put(session_of(head=3))


def test_a_store_that_another_program_has_for_itself_is_named_locked(
    path: Path, impatient: None
) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert f"{path} is locked" in refusal(Store.open)
        other.rollback()
    Store.open().close()


def test_a_read_only_file_can_be_read(shared_folder: Path) -> None:
    path = shared_folder / "kept.db"
    with Store.open(path) as store:
        store.put(session_of(head=3), chain_of(3))
    path.chmod(0o400)
    said = as_plain_user(shared_folder, lambda: read_and_write(path))
    assert said.startswith(f"3 turns; {path} is read-only; make it writable")
    assert path.stat().st_mode & 0o777 == 0o400


def test_a_file_in_a_read_only_folder_can_be_read(shared_folder: Path) -> None:
    path = shared_folder / "kept.db"
    with Store.open(path) as store:
        store.put(session_of(head=3), chain_of(3))
    shared_folder.chmod(0o555)
    said = as_plain_user(shared_folder, lambda: read_and_write(path))
    shared_folder.chmod(0o755)
    assert said.startswith(f"3 turns; {path} can't be written: its folder is read-only")


def test_a_store_that_becomes_writable_is_written(shared_folder: Path) -> None:
    path = shared_folder / "kept.db"
    with Store.open(path) as store:
        store.put(session_of(head=3), chain_of(3))
    path.chmod(0o400)

    def mended() -> str:
        with Store.open(path) as store:
            with suppress(StoreError):
                store.put(session_of(head=4), (turn_of(4, 3),))
            path.chmod(0o600)
            store.put(session_of(head=4), (turn_of(4, 3),))
            return str(len(store.turns("5e5510")))

    assert as_plain_user(shared_folder, mended) == "4"


def test_a_folder_that_nothing_can_be_made_in_is_named(shared_folder: Path) -> None:
    shared_folder.chmod(0o555)
    path = shared_folder / "data" / "kept.db"
    said = as_plain_user(shared_folder, lambda: refusal(lambda: Store.open(path)))
    shared_folder.chmod(0o755)
    assert said.startswith(f"can't keep conversations in {path}: {path.parent}: Permission denied")
    assert "CHATCLI_DATA" in said


def test_a_file_that_may_not_be_read_is_named(shared_folder: Path) -> None:
    path = shared_folder / "kept.db"
    Store.open(path).close()
    path.chmod(0)
    said = as_plain_user(shared_folder, lambda: refusal(lambda: Store.open(path)))
    assert said.startswith(f"{path} can't be opened; check who may read")


def test_what_is_not_a_file_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path} is not a regular file" in refusal(lambda: Store.open(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(lambda: Store.open(tmp_path / "pipe"))
    (tmp_path / "file").write_text("")
    line = refusal(lambda: Store.open(tmp_path / "file" / "kept.db"))
    assert f"{tmp_path / 'file'}: File exists" in line


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "kept.db").touch()
    with Store.open(tmp_path / "kept.db") as store:
        assert store.sessions() == ()


def test_a_link_leads_to_a_store_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "real.db").touch()
    (tmp_path / "kept.db").symlink_to(tmp_path / "disk" / "real.db")
    with Store.open(tmp_path / "kept.db") as store:
        store.put(session_of(head=3), chain_of(3))
        modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "disk").iterdir()}
        assert modes == {"real.db": 0o600, "real.db-wal": 0o600, "real.db-shm": 0o600}
        assert len(store.turns("5e5510")) == 3


def test_garbage_is_not_a_store_and_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    path.write_bytes(random.Random(1).randbytes(9000))
    before = path.read_bytes()
    assert "isn't a store of conversations; move it away" in refusal(lambda: Store.open(path))
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (url)")
    before = path.read_bytes()
    assert "a database of another program" in refusal(lambda: Store.open(path))
    assert path.read_bytes() == before
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE bookmarks")
        other.execute("PRAGMA application_id = 77")
    assert "a database of another program" in refusal(lambda: Store.open(path))


def test_a_newer_layout_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    line = refusal(Store.open)
    assert "by a newer chatcli (layout 99, this one knows up to 2); update chatcli" in line


def test_an_older_layout_is_brought_up_to_date_or_left_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ("ALTER TABLE turns ADD COLUMN mood TEXT", "UPDATE turns SET mood = 'calm'")
    bad = (*schema.MIGRATIONS, add, ("no statement",))
    monkeypatch.setattr(schema, "MIGRATIONS", bad)
    refusal(Store.open)
    monkeypatch.setattr(schema, "MIGRATIONS", bad[:-1])
    with Store.open() as store, store._database.transaction() as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
        assert db.execute("SELECT DISTINCT mood FROM turns").fetchall() == [("calm",)]


def test_an_older_layout_that_is_read_only_says_so(
    shared_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared_folder / "kept.db"
    Store.open(path).close()
    path.chmod(0o400)
    monkeypatch.setattr(database, "MIGRATIONS", (*schema.MIGRATIONS, ()))
    said = as_plain_user(shared_folder, lambda: refusal(lambda: Store.open(path)))
    assert said == f"{path} must be brought up to date first; make it writable"


def test_a_truncated_store_is_damaged(path: Path) -> None:
    whole = path.read_bytes()
    for size in range(1, len(whole), 1531):
        path.write_bytes(whole[:size])
        line = refusal(lambda: use_all(path))
        assert str(path) in line


def test_flipped_bits_raise_nothing_but_store_errors(path: Path) -> None:
    whole, luck = path.read_bytes(), random.Random(4)
    refused = 0
    for _ in range(120):
        damaged = bytearray(whole)
        for _ in range(luck.choice((1, 8, 64))):
            damaged[luck.randrange(100, len(whole))] ^= 1 << luck.randrange(8)
        path.write_bytes(damaged)
        try:
            use_all(path)
        except StoreError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 10


def use_all(path: Path) -> None:
    """Read and write all there is."""
    with Store.open(path) as store:
        found = store.sessions()
        store.search("山")
        store.latest()
        for one in found:
            store.turns(one.id)
            store.session(one.id)
        store.put(session_of(head=4), (*chain_of(4), FULL_TURN))
        store.delete("5e5510")


def edited(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        assert other.execute(statement, values).rowcount


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE turns SET runs = 'nonsense'", "is damaged"),
        ("UPDATE turns SET runs = '[[1]]'", "is damaged"),
        ("UPDATE turns SET runs = '{}'", "is damaged"),
        ("UPDATE turns SET runs = replace(runs, 'interrupted', 'bored')", "is damaged"),
        ("UPDATE turns SET feeds = '[[1.5]]'", "is damaged"),
        ("UPDATE turns SET feeds = " + "'" + "[" * 99999 + "'", "is damaged"),
        ("UPDATE turns SET tail = x'010203'", "is damaged"),
        ("UPDATE turns SET user = x'01'", "is damaged"),
        ("UPDATE turns SET created = 'noon'", "is damaged"),
        ("UPDATE turns SET preamble = 99", "is damaged"),
        ("UPDATE parts SET json = replace(json, 'top_k', 'top_q')", "doesn't know"),
        ("UPDATE parts SET json = replace(json, '0.95', '9.5')", "doesn't know"),
        ("UPDATE sessions SET settings = '{\"mood\": 1}'", "doesn't know"),
        ("UPDATE sessions SET settings = '[]'", "is damaged"),
        ("UPDATE sessions SET branches = '{}'", "is damaged"),
        ('UPDATE sessions SET branches = \'{"支线": "x"}\'', "is damaged"),
        ("UPDATE sessions SET seed = 'x'", "is damaged"),
        ("UPDATE sessions SET settings = replace(settings, '\"max_tokens\":17,', '')", ""),
    ],
)
def test_what_cannot_be_understood_in_a_row_names_the_row(
    path: Path, statement: str, what: str
) -> None:
    edited(path, statement)
    with Store.open() as store:
        assert len(store.sessions()) == 2

        def read() -> object:
            return store.session(FULL_SESSION.id), store.turns(FULL_SESSION.id)

        if not what:
            assert store.session(FULL_SESSION.id).settings.max_tokens == 512
        else:
            line = refusal(read)
            assert what in line
            assert FULL_SESSION.id in line or "turn " in line


def test_a_full_disk_is_named_and_the_store_recovers(path: Path) -> None:
    long = turn_of(4, 3, reply="长" * 100_000)
    with Store.open() as store:
        store._database._db.execute("PRAGMA max_page_count = 1")
        assert "the disk is full; free some space" in refusal(
            lambda: store.put(session_of(head=4), (long,))
        )
        assert store.session("5e5510").head == 3
        store._database._db.execute("PRAGMA max_page_count = 100000")
        store.put(session_of(head=4), (long,))
        assert store.turns("5e5510")[-1] == long


LIMITED = """
import resource, sys
from pathlib import Path
from chatcli.chat.store import Store
from chatcli.errors import StoreError
from tests.chat.stored import session_of, turn_of

store = Store.open(Path(sys.argv[1]))
long = turn_of(4, 3, reply="long" * 100_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    store.put(session_of(head=4), (long,))
except StoreError as error:
    print(error)
print(len(store.turns("5e5510")))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.put(session_of(head=4), (long,))
print(len(store.turns("5e5510")))
"""


def test_a_file_that_may_not_grow_is_named_and_the_store_recovers(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert soft == hard == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    line, before, after = done.stdout.splitlines()
    assert line.startswith(f"{path} can't be read or written (disk I/O error)")
    assert (before, after) == ("3", "4")


def test_a_store_that_is_removed_while_in_use_says_so_and_recovers(path: Path) -> None:
    aside = path.with_name("aside")
    with Store.open() as store:
        path.rename(aside)
        line = refusal(lambda: store.put(session_of(head=3)))
        assert line.startswith(f"{path} was removed while it was in use")
        assert "was removed" in refusal(store.sessions)
        aside.rename(path)
        store.put(session_of(head=4), (turn_of(4, 3),))
        assert len(store.turns("5e5510")) == 4


def test_a_store_that_is_replaced_while_in_use_is_taken_up(path: Path, tmp_path: Path) -> None:
    with Store.open(tmp_path / "other.db") as other:
        other.put(session_of("other"))
    with Store.open() as store:
        path.unlink()
        (tmp_path / "other.db").rename(path)
        assert "no longer in" in refusal(lambda: store.put(session_of(head=4), (turn_of(4, 3),)))
        store.put(session_of("new", head=1, updated=2.0), chain_of(1))
        assert [one.id for one in store.sessions()] == ["new", "other"]
    with Store.open() as store:
        assert [one.id for one in store.sessions()] == ["new", "other"]


def test_a_store_is_not_used_across_a_fork(path: Path) -> None:
    with Store.open() as store:
        store._database._process -= 1
        assert "opened before a fork" in refusal(store.sessions)
        store._database._process += 1
