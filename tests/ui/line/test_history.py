"""The file of lines typed before: shared, bounded, private, and never in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chatcli.ui.line import history
from chatcli.ui.line.history import HistoryFile


class Kept:
    """A history in a fresh folder, and what it remarked."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "data" / "history"
        self.notes: list[str] = []

    def open(self) -> HistoryFile:
        return HistoryFile(self.path, self.notes.append)

    def write(self, data: bytes) -> None:
        self.path.parent.mkdir()
        self.path.write_bytes(data)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_entries_come_back_in_order_whatever_is_in_them(kept: Kept) -> None:
    entries = ["你好", "a\nb\r\n\u2028\x85c", "/set x 1", ' "quotes" \\', "\x1b[2J", "🙂"]
    for entry in entries:
        kept.open().append(entry)
    assert kept.open().entries() == entries
    assert kept.notes == []


def test_the_file_and_its_folder_are_the_user_s_alone(kept: Kept) -> None:
    kept.open().append("a")
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert kept.path.parent.stat().st_mode & 0o777 == 0o700
    kept.path.chmod(0o644)
    kept.open().append("b")
    assert kept.path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_made_before_there_is_something_to_keep(kept: Kept) -> None:
    assert kept.open().entries() == []
    kept.open().append(" \n")
    assert not kept.path.parent.exists()


def test_a_line_repeated_at_once_is_kept_once(kept: Kept) -> None:
    first = kept.open()
    for entry in ("a", "a", "b", "a"):
        first.append(entry)
    second = kept.open()
    assert second.entries() == ["a", "b", "a"]
    second.append("a")
    assert second.entries() == ["a", "b", "a"]


def test_two_chats_at_once_keep_every_line(kept: Kept) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from chatcli.ui.line.history import HistoryFile\n"
        "history = HistoryFile(Path(sys.argv[1]), print)\n"
        "for number in range(300): history.append(f'{sys.argv[2]} {number}')"
    )
    chats = [
        subprocess.Popen([sys.executable, "-c", code, str(kept.path), name])
        for name in ("甲", "乙")
    ]
    assert [chat.wait(60) for chat in chats] == [0, 0]
    entries = kept.open().entries()
    for name in ("甲", "乙"):
        assert [e for e in entries if e.startswith(name)] == [f"{name} {n}" for n in range(300)]


def test_only_the_newest_entries_are_kept(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_ENTRIES", 10)
    monkeypatch.setattr(history, "_SLACK", 5)
    keeping = kept.open()
    for number in range(20):
        keeping.append(str(number))
    assert kept.open().entries() == [str(number) for number in range(10, 20)]
    assert len(kept.path.read_bytes().splitlines()) == 10
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(kept.path.parent) == ["history"]
    keeping.append("goes to the new file")
    assert kept.open().entries()[-1] == "goes to the new file"


def test_the_file_is_bounded_in_bytes(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_BYTES", 1000)
    monkeypatch.setattr(history, "_LONGEST", 100)
    keeping = kept.open()
    keeping.append("x" * 101)
    for number in range(30):
        keeping.append(f"{number:02}" + "x" * 97)
    entries = kept.open().entries()
    assert [entry[:2] for entry in entries] == [str(number) for number in range(21, 30)]
    assert kept.path.stat().st_size <= 1000


def test_a_torn_line_is_passed_over_and_mended(kept: Kept) -> None:
    kept.write('"a"\n"b\n"c"\n[1]\n\n"torn 你'.encode()[:-1])
    kept.open().append("d")
    assert kept.open().entries() == ["a", "c", "d"]
    assert kept.path.read_text() == '"a"\n"c"\n"d"\n'
    assert kept.notes == []


@pytest.mark.parametrize("data", [b"\xff\x00\xfe\n\x80", b"ls -l\ncd /\n", b"\x00" * 5000])
def test_a_file_that_is_no_history_is_said_once_and_left_alone(kept: Kept, data: bytes) -> None:
    kept.write(data)
    keeping = kept.open()
    assert keeping.entries() == []
    keeping.append("a")
    (note,) = kept.notes
    assert note == (
        f"the line history {kept.path} can't be read: it isn't a line history; "
        "lines are remembered in this chat only; mend or remove it"
    )
    assert kept.path.read_bytes() == data


def test_a_folder_or_a_pipe_in_its_place_is_said_once(kept: Kept) -> None:
    kept.path.mkdir(parents=True)
    keeping = kept.open()
    assert keeping.entries() == []
    keeping.append("a")
    assert [note.split(": ")[1].split(";")[0] for note in kept.notes] == ["it isn't a file"]
    kept.path.rmdir()
    os.mkfifo(kept.path)
    assert kept.open().entries() == []
    assert len(kept.notes) == 2


def test_a_folder_that_cannot_be_made_is_said_once(kept: Kept) -> None:
    kept.path.parent.write_text("in the way")
    keeping = kept.open()
    assert keeping.entries() == []
    keeping.append("a")
    keeping.append("b")
    assert len(kept.notes) == 1


@pytest.mark.parametrize("name", ["write", "open"])
def test_what_cannot_be_written_is_said_once_and_leaves_no_torn_line(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    keeping = kept.open()
    keeping.append("whole")
    write, calls = os.write, 0

    def full(descriptor: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:3])

    def read_only(*args: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, name, full if name == "write" else read_only)
        keeping.append("torn")
        keeping.append("not tried")
    reason = "No space left on device" if name == "write" else "Permission denied"
    (note,) = kept.notes
    assert f"can't be written: {reason}; lines are remembered in this chat only" in note
    assert kept.path.read_text() == json.dumps("whole") + "\n"


def test_a_chat_that_was_stopped_with_the_lock_does_not_hold_the_others(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    kept.open().append("a")
    with kept.path.open("rb") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        kept.open().append("b")
        assert kept.open().entries() == ["a", "b"]
