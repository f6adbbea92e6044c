"""The file of the store: made private, opened for writing or at least reading, kept an eye on.

It gives transactions, notices when the file is removed or replaced while it is open, and
tries again where a write was impossible before. Tables and rows are left to `schema`, `rows`
and `store`.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chatcli.chat.faults import (
    BUSY_SECONDS,
    fault_line,
    faults,
    file_fault,
    primary_code,
    unwritable_line,
)
from chatcli.chat.plain import decoded
from chatcli.chat.schema import MIGRATIONS, migrate, stored_version
from chatcli.errors import StoreError
from chatcli.folders import private_folder

__all__ = ["Database", "require_folder"]

# What is deleted is overwritten too; nothing that a foreign file brings along is executed.
_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
)

# Where one of these keeps the file from being opened for writing, it may still be read.
_STILL_READABLE = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
}


class Database:
    """One file, open for as long as this object is; any thread of this process may use it.

    Raises StoreError where it can't be opened at all, from `transaction` too.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        _make_private(path, create=create)
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._identity: tuple[int, int] | None = _identity(path)
        self._db, self._refused = _connect(path)

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """All that happens inside is seen and done as one; written safely when it ends well."""
        if os.getpid() != self._process:  # SQLite's connections don't survive a fork
            raise StoreError(f"{self.path} was opened before a fork; open it anew after it")
        with self._lock, faults(self.path):
            self._attend(write)
            db = self._db
            try:
                db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # what failed is the news, not that
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                raise

    def forget_deleted(self) -> None:
        """Leave nothing of what was deleted in the log beside the file, if nobody else reads."""
        with self._lock, faults(self.path):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def close(self) -> None:
        """Let go of the file; closing twice does nothing."""
        if os.getpid() == self._process:
            with self._lock, faults(self.path):
                self._db.close()

    def _attend(self, write: bool) -> None:
        """See that the file is still the one that was opened; try again where it was refused."""
        identity = _identity(self.path)
        if identity != self._identity or (write and self._refused):
            self._db.close()  # first: a new connection would share what the old may not do
            self._identity = None  # so that a failure is tried again
            self._db, self._refused = _connect(self.path)
            self._identity = identity
        if write and self._refused:
            raise StoreError(self._refused)


def _make_private(path: Path, *, create: bool) -> None:
    """Make folder and file where they are missing, for the user alone from the first moment."""
    try:
        if not path.exists():
            if not create:
                raise StoreError(
                    f"nothing is kept yet: there is no {path}; `chatcli chat` makes it"
                )
            private_folder(path.parent)
            with suppress(FileExistsError):  # another process was quicker
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{path} is not a regular file; move it away")
    except OSError as error:
        raise file_fault(path, error) from error


def require_folder(path: Path) -> None:
    """Raise StoreError where no store can be made at `path`: only making its folder tells."""
    try:
        private_folder(path.parent)
    except OSError as error:
        raise file_fault(path, error) from error


def _share_modes(path: Path) -> None:
    """Close the file to others, and let those beside it be as writable as it is.

    SQLite makes them so, but one made when the file was read-only would stay like that.
    """
    with suppress(OSError):  # someone else's, or a disk without permissions
        mode = path.stat().st_mode & 0o700
        for suffix in ("", "-wal", "-shm", "-journal"):
            file = _beside(path, suffix)
            if file.exists() and stat.S_IMODE(file.stat().st_mode) != mode:
                file.chmod(mode)


def _beside(path: Path, suffix: str) -> Path:
    """SQLite's file of that kind; where `path` is a link, it stands beside what that leads to."""
    real = path.resolve()
    return real.with_name(real.name + suffix)


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise StoreError(
            f"{path} was removed while it was in use; put it back, or start chatcli anew"
        ) from None
    except OSError as error:
        raise file_fault(path, error) from error
    return found.st_dev, found.st_ino


def _connect(path: Path) -> tuple[sqlite3.Connection, str | None]:
    """A connection and, where it can only read, the line that says why."""
    _share_modes(path)
    # SQLite would open a read-only file for writing and complain at the first write.
    if not (os.access(path, os.W_OK) and os.access(_beside(path, "").parent, os.W_OK)):
        with faults(path):
            return _open_to_read(path), unwritable_line(path)
    with faults(path):
        try:
            return _open(path, "mode=rw"), None
        except sqlite3.Error as error:
            if primary_code(error) not in _STILL_READABLE:
                raise
            try:
                return _open_to_read(path), fault_line(path, error)
            except (sqlite3.Error, StoreError):
                raise error from None


def _open_to_read(path: Path) -> sqlite3.Connection:
    try:
        return _open(path, "mode=ro")
    except sqlite3.Error:
        # Even reading a file that has a log needs a place beside it, unless nobody writes.
        log = _beside(path, "-wal")
        if log.exists() and log.stat().st_size:
            raise
        return _open(path, "mode=ro&immutable=1")


def _open(path: Path, way: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?{way}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,  # transactions begin and end where `transaction` says so
        check_same_thread=False,  # `Database` has a lock
    )
    try:
        db.text_factory = decoded
        for pragma in _PRAGMAS:
            db.execute(pragma)
        version = stored_version(db, path)
        if way == "mode=rw":
            _keep_log(db)
            migrate(db, path)
        elif version < len(MIGRATIONS):
            raise StoreError(f"{path} must be brought up to date first; make it writable")
    except BaseException:
        db.close()
        raise
    return db


def _keep_log(db: sqlite3.Connection) -> None:
    """Write ahead into a log, where the filesystem can; elsewhere SQLite keeps a journal.

    Either is safe, so what else is wrong is left to the first real write to say; where another
    program is in the way just now, a later opening makes the change.
    """
    with suppress(sqlite3.OperationalError):
        db.execute("PRAGMA journal_mode = WAL").fetchone()
