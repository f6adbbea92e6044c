"""Several processes at one store, and processes that are killed: real ones, at random moments."""

from __future__ import annotations

import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chatcli.chat.store import Store

ROOT = Path(__file__).parents[2]
# What a kill may cost: seconds of the reply that was growing.
PROMISE = 2.0


def until(true: Callable[[], object]) -> None:
    """Wait for another process."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)


@dataclass
class Writer:
    """A process of `writing`, and what it was promised."""

    process: int
    session: str
    store: Path
    log: Path

    @property
    def begun(self) -> bool:
        """Whether it was promised anything yet."""
        return self.log.exists() and self.log.stat().st_size > 0

    @property
    def promises(self) -> list[list[str]]:
        """Line by line, word by word; a line that was cut short is none."""
        return [line.split() for line in self.log.read_text().rpartition("\n")[0].splitlines()]

    @property
    def running(self) -> bool:
        with suppress(ProcessLookupError):
            os.kill(self.process, 0)
            return True
        return False

    def kill(self) -> None:
        """Kill it for real."""
        os.kill(self.process, signal.SIGKILL)
        until(lambda: not self.running)

    def check(self, killed: float = -math.inf) -> None:
        """Hold the store to what was promised; `killed` is when that happened."""
        with Store.open(self.store) as opened:
            turns = {turn.id: turn for turn in opened.turns(self.session)}
        for turn in turns.values():
            assert turn.user == f"message {turn.id}"
            assert turn.tail == tuple(range(len(turn.tail)))
            assert turn.reply == "字" * len(turn.tail)
        for kind, *words in self.promises:
            assert kind != "notice", words
            if kind == "message":
                assert int(words[0]) in turns
            elif kind == "reply":
                assert len(turns[int(words[0])].tail) == int(words[1])
            elif kind == "token" and float(words[2]) < killed - PROMISE:
                assert len(turns[int(words[0])].tail) >= int(words[1])


@dataclass
class Writers:
    """Starts the processes of `writing`."""

    server: subprocess.Popen[str]
    started: list[Writer] = field(default_factory=list)

    def start(self, store: Path, log: Path, turns: int = 0) -> Writer:
        """A process at `store`, in a session and with luck of its own."""
        session = f"s{len(self.started)}"
        words = (store, log, session, len(self.started), turns)
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write("\t".join(map(str, words)) + "\n")
        self.server.stdin.flush()
        self.started.append(Writer(int(self.server.stdout.readline()), session, store, log))
        return self.started[-1]


@pytest.fixture
def writers() -> Iterator[Writers]:
    """None of them had anything to complain of; what still runs at the end is killed."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.chat.writing"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as server:
        made = Writers(server)
        yield made
        for writer in made.started:
            with suppress(ProcessLookupError):
                os.kill(writer.process, signal.SIGKILL)
        assert server.communicate() == ("", "")


def intact(store: Path) -> bool:
    with closing(sqlite3.connect(store)) as db:
        return db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_kill_at_any_moment_loses_no_message_and_two_seconds_at_most(
    writers: Writers, tmp_path: Path
) -> None:
    luck = random.Random(9)
    # Each three share a store, so some are killed while others write.
    alive = [writers.start(tmp_path / f"{n // 3}.db", tmp_path / f"log{n}") for n in range(12)]
    ends: dict[str, float] = {}
    while alive:
        for writer in list(alive):
            name = writer.session
            assert writer.running, "it ended before it could be killed"
            if name not in ends and writer.begun:
                ends[name] = time.monotonic() + luck.uniform(0.0, 3.2)
            elif time.monotonic() >= ends.get(name, math.inf):
                ends[name] = time.monotonic()
                writer.kill()
                alive.remove(writer)
        time.sleep(0.01)
    for writer in writers.started:
        writer.check(ends[writer.session])
        assert intact(writer.store)


def test_a_store_survives_being_killed_again_and_again(writers: Writers, tmp_path: Path) -> None:
    store, luck = tmp_path / "kept.db", random.Random(3)
    for n in range(13):
        writer = writers.start(store, tmp_path / f"log{n}")
        until(lambda writer=writer: writer.begun or not writer.running)  # type: ignore[misc]
        time.sleep(luck.uniform(0, 0.1))
        writer.kill()
        writer.check()
    for writer in writers.started:
        writer.check()
    assert intact(store)


def test_several_that_write_at_once_do_not_disturb_each_other(
    writers: Writers, tmp_path: Path
) -> None:
    for n in range(4):
        writers.start(tmp_path / "kept.db", tmp_path / f"log{n}", 20)
    for writer in writers.started:
        until(lambda writer=writer: not writer.running)  # type: ignore[misc]
        assert writer.promises[-1] == ["end"]
        assert sum(line[0] == "reply" for line in writer.promises) == 20
        writer.check()
    assert intact(tmp_path / "kept.db")


def test_many_that_make_the_store_at_once_all_find_it_made(
    writers: Writers, tmp_path: Path
) -> None:
    # How two may meet between two statements is test_schema's to try, one by one.
    for attempt in range(2):
        store = tmp_path / str(attempt) / "kept.db"
        made = [writers.start(store, tmp_path / f"log{attempt}-{n}", 1) for n in range(8)]
        for writer in made:
            until(lambda writer=writer: not writer.running)  # type: ignore[misc]
            assert writer.promises[-1] == ["end"]
            writer.check()
        with Store.open(store) as opened, opened._database.transaction() as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_two_in_one_conversation_keep_both_their_turns(tmp_path: Path) -> None:
    store = tmp_path / "kept.db"
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from chatcli.chat.store import Store\n"
        "from tests.chat.stored import session_of, turn_of\n"
        "branch, first = sys.argv[2], int(sys.argv[3])\n"
        "with Store.open(Path(sys.argv[1])) as store:\n"
        "    for n in range(first, first + 50):\n"
        "        parent = n - 1 if n > first else None\n"
        "        session = session_of(branch=branch, branches={'main': None, branch: n})\n"
        "        store.put(session, (turn_of(n, parent),))\n"
    )
    begun = [
        subprocess.Popen([sys.executable, "-c", program, store, branch, first], cwd=ROOT)
        for branch, first in (("a", "100"), ("b", "200"))
    ]
    assert [process.wait() for process in begun] == [0, 0]
    with Store.open(store) as opened:
        assert opened.session("5e5510").branches == {"main": None, "a": 149, "b": 249}
        assert {turn.id for turn in opened.turns("5e5510")} == {*range(100, 150), *range(200, 250)}
