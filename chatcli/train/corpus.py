"""Reading training text: documents and conversations out of plain, .gz or .xz files.

A bad line is counted and named, never fatal; deciding that nothing is left is the caller's.
"""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from chatcli.errors import TrainingError
from chatcli.text.types import Message

__all__ = [
    "BadLine",
    "Conversation",
    "Reading",
    "read_conversations",
    "read_documents",
    "read_json",
]

Conversation = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out: where it is, and why."""

    path: Path
    line: int
    why: str


@dataclass(slots=True)
class Reading:
    """What reading has found wrong so far."""

    bad: list[BadLine] = field(default_factory=list)


def read_documents(path: Path, reading: Reading) -> Iterator[str]:
    """Documents of a text file, separated by blank lines; or the `text` of JSON Lines."""
    if ".jsonl" in path.suffixes:
        for number, record in read_json(path, reading):
            if isinstance(record.get("text"), str):
                yield record["text"]
            else:
                reading.bad.append(BadLine(path, number, 'no string under "text"'))
        return
    lines: list[str] = []
    with _open(path) as file:
        for line in file:
            if line.strip():
                lines.append(line.rstrip("\n"))
            elif lines:
                yield "\n".join(lines)
                lines = []
    if lines:
        yield "\n".join(lines)


def read_conversations(path: Path, reading: Reading) -> Iterator[Conversation]:
    """Conversations of a JSON Lines file: `{"messages": [{"role", "content"}, …]}`."""
    for number, record in read_json(path, reading):
        conversation = _messages(record.get("messages"))
        if conversation is None:
            reading.bad.append(BadLine(path, number, "no user and assistant turns in messages"))
        else:
            yield conversation


def read_json(path: Path, reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers (from 1) and objects of a JSON Lines file."""
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                reading.bad.append(BadLine(path, number, f"not JSON: {error.msg}"))
                continue
            if isinstance(record, dict):
                yield number, record
            else:
                reading.bad.append(BadLine(path, number, "not a JSON object"))


def _messages(rows: Any) -> Conversation | None:
    if not isinstance(rows, list) or not rows:
        return None
    turns = []
    for row in rows:
        if not isinstance(row, dict) or row.get("role") not in ("system", "user", "assistant"):
            return None
        if not isinstance(row.get("content"), str):
            return None
        turns.append(Message(row["role"], row["content"]))
    return tuple(turns) if turns[-1].role == "assistant" else None


def _open(path: Path) -> IO[str]:
    try:
        if path.suffix == ".xz":
            return lzma.open(path, "rt", encoding="utf-8", errors="replace")
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8", errors="replace")
        return path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise TrainingError(f"{path}: {error.strerror}; check the corpus folder") from error
