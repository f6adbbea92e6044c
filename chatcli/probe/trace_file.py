"""The file of a trace: lines that each vouch for all before them, compressed by its ending.

It is appended to as it goes and reaches the disk every few seconds, so what a killed run
leaves can be read. What the lines say is the business of `tracing` and `trace_reading`.
"""

from __future__ import annotations

import gzip
import lzma
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from chatcli.errors import OutputError, TraceError, UsageError

__all__ = ["TraceFile", "check_trace_path", "trace_lines"]

_CHECK = ',"check":"'
_LONGEST = 1 << 26  # bytes of a line; a million ids of a prompt take a tenth
_GZIP_LEVEL, _XZ_PRESET = 1, 0  # more costs time with every token, and saves little
_TOGETHER = 32  # lines that are compressed at once, which is faster than one by one
_SECONDS = {".gz": 2.0, ".xz": 10.0}  # between two times that all is on the disk; xz starts anew


def check_trace_path(path: Path, force: bool) -> None:
    """Raise UsageError where a trace can't or mustn't be written there."""
    if path.suffix.lower() in (".zst", ".zstd", ".bz2", ".zip"):
        raise UsageError(f"{path}: {path.suffix} isn't written; end it in .jsonl, .gz or .xz")
    if path.exists() and not (force and path.is_file()):
        remedy = "choose another name, or --force" if path.is_file() else "name a file"
        raise UsageError(f"{path} exists; {remedy}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}; make it first")


class TraceFile:
    """A trace to write, for the user alone (0600). Raises OutputError where it can't be."""

    def __init__(self, path: Path, *, force: bool = False) -> None:
        check_trace_path(path, force)
        self._path, self._kind = path, path.suffix.lower()
        self._sum = 0
        self._held: list[bytes] = []
        try:
            self._raw: IO[bytes] = os.fdopen(os.open(path, _flags(force), 0o600), "wb")
            os.chmod(path, 0o600)
        except FileExistsError:
            raise UsageError(f"{path} exists by now; choose another name, or --force") from None
        except OSError as error:
            raise self._failed(error) from error
        self._packed = self._packer()
        self._settled = time.monotonic()

    def write(self, line: str) -> None:
        """Append a JSON object that isn't empty, written without spaces at its end."""
        self._sum = zlib.crc32(line.encode(), self._sum)
        try:
            self._held.append(f'{line[:-1]}{_CHECK}{self._sum:08x}"}}\n'.encode())
            if len(self._held) == _TOGETHER:
                self._pack()
            if time.monotonic() - self._settled > _SECONDS.get(self._kind, 2.0):
                self._settle()
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Write what is still held back, and close."""
        try:
            self._pack()
            self._packed.close()
            self._raw.close()
        except OSError as error:
            raise self._failed(error) from error

    def _settle(self) -> None:
        """What was written so far can be read, whatever happens."""
        self._pack()
        if self._kind == ".xz":  # which knows no half-finished stream
            self._packed.close()
            self._packed = self._packer()
        else:
            self._packed.flush()
        self._raw.flush()
        self._settled = time.monotonic()

    def _pack(self) -> None:
        self._packed.write(b"".join(self._held))
        self._held.clear()

    def _packer(self) -> IO[bytes]:
        packer: Any = self._raw
        if self._kind == ".gz":
            packer = gzip.GzipFile("", "wb", _GZIP_LEVEL, self._raw, mtime=0)
        elif self._kind == ".xz":
            packer = lzma.LZMAFile(self._raw, "wb", preset=_XZ_PRESET)
        opened: IO[bytes] = packer
        return opened

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"can't write the trace {self._path}: {error.strerror or error}")


def _flags(force: bool) -> int:
    return os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)


def trace_lines(path: Path) -> Iterator[str]:
    """The lines of a trace, without what vouches for them.

    Raises TraceError on a line that was changed, EOFError where the file breaks off.
    """
    check, number = 0, 0
    for line in _raw_lines(path):
        number += 1
        if not line.endswith(b"\n"):
            if len(line) < _LONGEST:
                raise EOFError
            raise TraceError(f"{path}: line {number} has no end; this is no trace")
        body, sign, told = line.decode("utf-8", "replace").rstrip("\n").rpartition(_CHECK)
        if not sign:
            what = "was changed" if number > 1 else "is none of a trace's"
            raise TraceError(f"{path}: line {number} {what}; record it again with --trace")
        check = zlib.crc32(f"{body}}}".encode(), check)
        if told != f'{check:08x}"}}':
            raise TraceError(
                f"{path}: line {number} or one before it was edited or damaged, so nothing in it "
                "can be relied on; record it again with --trace"
            )
        yield body + "}"


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            begin = file.peek(6)[:6]
            unpacked: Any = file
            if begin.startswith(b"\x1f\x8b"):
                unpacked = gzip.GzipFile(fileobj=file)
            elif begin.startswith(b"\xfd7zXZ"):
                unpacked = lzma.LZMAFile(file)
            while line := unpacked.readline(_LONGEST):
                yield line
    except (zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise TraceError(f"{path} is damaged ({error}); record it again with --trace") from error
    except OSError as error:
        raise TraceError(f"can't read {path}: {error.strerror or error}") from error
