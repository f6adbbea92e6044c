"""What can be wrong with the file of kept conversations, each in one line with its remedy.

SQLite's error codes become StoreErrors here, and so do the errors of making the file. What is
wrong inside a row is said in `rows`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chatcli.errors import StoreError

__all__ = ["BUSY_SECONDS", "fault_line", "faults", "file_fault", "primary_code", "unwritable_line"]

# How long a lock of another process is waited for.
BUSY_SECONDS = 2.0

_ELSEWHERE = "or name another folder in CHATCLI_DATA"


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn what SQLite raises about the store at `path` into StoreErrors."""
    try:
        yield
    except sqlite3.Error as error:
        if primary_code(error) is None:  # a misuse of the library, not a fault of the file
            raise
        raise StoreError(fault_line(path, error)) from error
    except UnicodeDecodeError as error:  # SQLite quotes damaged text, and the driver chokes on it
        raise StoreError(_damaged(path, error)) from error


def file_fault(path: Path, error: OSError) -> StoreError:
    """For a store at `path` that can't be made or looked at."""
    named = "" if error.filename in (None, str(path)) else f"{error.filename}: "
    return StoreError(
        f"can't keep conversations in {path}: {named}{error.strerror or error}; mend that, "
        f"{_ELSEWHERE}"
    )


def primary_code(error: sqlite3.Error) -> int | None:
    """SQLite's result code without its finer distinctions; None where it gave none."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def fault_line(path: Path, error: sqlite3.Error) -> str:
    """What SQLite found wrong, and the remedy."""
    match primary_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return (
                f"{path} is locked: another program has been at it for more than "
                f"{BUSY_SECONDS:g} seconds; let it finish, or close it"
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return unwritable_line(path)
        case sqlite3.SQLITE_FULL:
            return f"{path} can't grow: the disk is full; free some space"
        case sqlite3.SQLITE_IOERR:
            return f"{path} can't be read or written ({error}); check the disk, its space and quota"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_ERROR:
            # An error in our own statements is one in the tables: these are not as we made them.
            return _damaged(path, error)
        case sqlite3.SQLITE_NOTADB:
            return f"{path} isn't a store of conversations; move it away, {_ELSEWHERE}"
        case sqlite3.SQLITE_CANTOPEN:
            return f"{path} can't be opened; check who may read and write it and its folder"
    return f"{path} can't be used ({_brief(error)}); move it away, {_ELSEWHERE}"


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"{path} is damaged ({_brief(error)}); move it away and a new one is made, or "
        "recover it with `sqlite3 OLD .recover | sqlite3 NEW`"
    )


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:80]


def unwritable_line(path: Path) -> str:
    """For a store that can be read at most."""
    if os.access(path, os.W_OK):
        return f"{path} can't be written: its folder is read-only; make that writable"
    return f"{path} is read-only; make it writable, {_ELSEWHERE}"
