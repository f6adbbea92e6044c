"""The file of lines typed before: one JSON string a line, oldest first, the user's alone.

Two chats may write it at once; the newest entries are kept. A file that can't be used is
said once, and then nothing is kept. Going through the lines is the business of `prompt`.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from chatcli.folders import private_folder

try:
    import fcntl
except ImportError:  # Windows has none: the last to write a line there wins
    fcntl = None  # type: ignore[assignment]

__all__ = ["HistoryFile"]

_ENTRIES = 10_000  # kept
_SLACK = 1_000  # more entries than that beyond those kept, and the file is written anew
_BYTES = 4 << 20  # of the file, read and kept
_LONGEST = 64 << 10  # characters of an entry; a longer one isn't kept
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)


class HistoryFile:
    """The history in the file at `path`; `notice` gets one line where it can't be used."""

    def __init__(self, path: Path, notice: Callable[[str], None]) -> None:
        self._path, self._notice = path, notice
        self._usable = True
        self._last: str | None = None

    def entries(self) -> list[str]:
        """The newest entries, oldest first; none where the file can't be read."""
        try:
            with self._locked(os.O_RDONLY) as descriptor:
                data = _tail(descriptor)
                entries, damaged = _parsed(data)
                if damaged and not entries:
                    return self._give_up("read", "it isn't a line history")
                long = os.fstat(descriptor).st_size > _BYTES or len(entries) > _ENTRIES + _SLACK
                if damaged or long:
                    self._rewrite(entries)
        except FileNotFoundError:
            return []
        except OSError as error:
            return self._give_up("read", error.strerror or str(error))
        entries = entries[-_ENTRIES:]
        self._last = entries[-1] if entries else None
        return entries

    def append(self, text: str) -> None:
        """Keep `text` as the newest entry, unless it is blank or the newest already."""
        if not self._usable or not text.strip() or text == self._last or len(text) > _LONGEST:
            return
        self._last = text
        line = json.dumps(text, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        try:
            private_folder(self._path.parent)
            with self._locked(_FLAGS) as descriptor:
                _add(descriptor, line)
        except OSError as error:
            self._give_up("written", error.strerror or str(error))

    def _give_up(self, what: str, reason: str) -> list[str]:
        self._usable = False
        self._notice(
            f"the line history {self._path} can't be {what}: {reason}; "
            "lines are remembered in this chat only; mend or remove it"
        )
        return []

    @contextlib.contextmanager
    def _locked(self, flags: int) -> Iterator[int]:
        """The file, opened, for this process alone. Raises OSError."""
        if self._path.exists() and not stat.S_ISREG(self._path.stat().st_mode):
            raise OSError("it isn't a file")
        descriptor = os.open(self._path, flags, 0o600)
        try:
            _lock(descriptor)
            if not os.path.samestat(os.fstat(descriptor), os.stat(self._path)):
                os.close(descriptor)  # another chat wrote it anew while this one waited
                descriptor = os.open(self._path, flags, 0o600)
                _lock(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _rewrite(self, entries: list[str]) -> None:
        """Put the newest entries in the file's place. What fails here, `append` will say."""
        lines = [json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries[-_ENTRIES:]]
        target = self._path.resolve()
        with contextlib.suppress(OSError):
            descriptor, name = tempfile.mkstemp(prefix="history", dir=target.parent)
            try:
                with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
                    file.writelines(lines)
                os.replace(name, target)
            except OSError:
                os.unlink(name)


def _lock(descriptor: int) -> None:
    """Wait for the file, but not for ever: a chat that was stopped may hold it."""
    for _ in range(50 if fcntl else 0):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:  # a file system without locks
            return None


def _tail(descriptor: int) -> bytes:
    """The last _BYTES of the file, from the beginning of a line."""
    beyond = max(0, os.fstat(descriptor).st_size - _BYTES)
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(beyond)
        if beyond:
            file.readline()
        return file.read()


def _parsed(data: bytes) -> tuple[list[str], int]:
    """The entries, and how many lines aren't one (torn by a crash, or of something else)."""
    entries, damaged = [], 0
    for line in filter(bytes.strip, data.split(b"\n")):
        try:
            entry = json.loads(line.decode())  # json would look for the encoding of bytes
        except ValueError:
            entry = None
        if isinstance(entry, str):
            entries.append(entry)
        else:
            damaged += 1
    return entries, damaged


def _add(descriptor: int, line: bytes) -> None:
    """Write `line` at the end, whole or not at all. Raises OSError."""
    if hasattr(os, "fchmod"):
        with contextlib.suppress(OSError):  # it may be another user's
            os.fchmod(descriptor, 0o600)
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if size and os.lseek(descriptor, -1, os.SEEK_END) and os.read(descriptor, 1) != b"\n":
        line = b"\n" + line
    try:
        while line:
            line = line[os.write(descriptor, line) :]
    except OSError:
        os.ftruncate(descriptor, size)
        raise
