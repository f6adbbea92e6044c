"""Reading training text: documents and conversations out of files and folders.

Files are text (documents between blank lines) or JSON Lines with `text` or `messages`, plain
or compressed. A bad line is counted and named, never fatal; deciding that nothing is left is
the caller's.
"""

from __future__ import annotations

import gzip
import json
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from chatcli.errors import TrainingError
from chatcli.text.types import Message
from chatcli.train.vocabulary import ROLES

__all__ = [
    "BadLine",
    "Conversation",
    "Reading",
    "input_files",
    "read_any",
    "read_chats",
    "read_conversations",
    "read_documents",
    "read_json",
]

Conversation = tuple[Message, ...]

COMPRESSED = (".gz", ".xz")
TEXT = (".txt", ".md")
READ_IN_FOLDERS = (*TEXT, ".jsonl")


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

    def summary(self) -> Iterator[str]:
        """One line for a person: how many, and the first few by name."""
        if self.bad:
            yield f"{len(self.bad):,} bad lines left out:"
        for each in self.bad[:5]:
            yield f"  {each.path}, line {each.line}: {each.why}"


def input_files(path: Path) -> Iterator[Path]:
    """`path` itself, or every text and JSON Lines file under it, in order of their names.

    Raises TrainingError where there is none.
    """
    if not path.is_dir():
        yield path
        return
    found = [each for each in sorted(path.rglob("*")) if each.is_file() and _readable(each)]
    if not found:
        raise TrainingError(
            f"folder {path} holds no {', '.join(READ_IN_FOLDERS)} file, plain, .gz or .xz"
        )
    yield from found


def _readable(path: Path) -> bool:
    return _kind(path) in READ_IN_FOLDERS


def _kind(path: Path) -> str:
    inner = path.with_suffix("") if path.suffix in COMPRESSED else path
    return inner.suffix


def read_any(path: Path, reading: Reading) -> Iterator[str | Conversation]:
    """The documents of a text file; of JSON Lines each `text`, and the `messages`."""
    for file in input_files(path):
        if _kind(file) == ".jsonl":
            yield from _read_records(file, reading)
        else:
            yield from read_documents(file, reading)


def _read_records(path: Path, reading: Reading) -> Iterator[str | Conversation]:
    for number, record in read_json(path, reading):
        if "messages" in record:
            conversation = _messages(record["messages"])
            if isinstance(conversation, str):
                reading.bad.append(BadLine(path, number, conversation))
            else:
                yield conversation
        elif isinstance(record.get("text"), str):
            yield record["text"]
        else:
            reading.bad.append(BadLine(path, number, 'neither "messages" nor a string "text"'))


def read_documents(path: Path, reading: Reading) -> Iterator[str]:
    """Documents of a text file, separated by blank lines; or the `text` of JSON Lines."""
    if _kind(path) == ".jsonl":
        for number, record in read_json(path, reading):
            if isinstance(record.get("text"), str):
                yield record["text"]
            else:
                reading.bad.append(BadLine(path, number, 'no string under "text"'))
        return
    lines: list[str] = []
    for _, line in _lines(path, reading):
        if line.strip():
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def read_chats(path: Path, reading: Reading) -> Iterator[tuple[Path, int, Conversation]]:
    """The conversations of a file or a folder, each with its file and line; no other text."""
    for file in input_files(path):
        if _kind(file) in TEXT:
            reading.bad.append(BadLine(file, 1, "a text file; conversations are JSON Lines"))
            continue
        for number, record in read_json(file, reading):
            conversation = _messages(record.get("messages"))
            if isinstance(conversation, str):
                reading.bad.append(BadLine(file, number, conversation))
            else:
                yield file, number, conversation


def read_conversations(path: Path, reading: Reading) -> Iterator[Conversation]:
    """Conversations of a JSON Lines file: `{"messages": [{"role", "content"}, …]}`."""
    for _, _, conversation in read_chats(path, reading):
        yield conversation


def read_json(path: Path, reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers (from 1) and objects of a JSON Lines file."""
    for number, line in _lines(path, reading):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            reading.bad.append(BadLine(path, number, f"not JSON: {error.msg}"))
            continue
        except RecursionError:
            reading.bad.append(BadLine(path, number, "JSON nested too deeply"))
            continue
        if isinstance(record, dict):
            yield number, record
        else:
            reading.bad.append(BadLine(path, number, "not a JSON object"))


def _messages(rows: Any) -> Conversation | str:
    """The turns of a conversation, or why they are none."""
    if not isinstance(rows, list) or not rows:
        return '"messages" is no list of turns'
    turns: list[Message] = []
    for row in rows:
        role = row.get("role") if isinstance(row, dict) else None
        if role not in ROLES:
            return f"a message's role is {role!r}; use {', '.join(ROLES)}"
        if not isinstance(row.get("content"), str):
            return "a message has no text as its content"
        if role == "system" and turns:
            return "a system message stands after the first turn"
        if turns and turns[-1].role == role:
            return f"two {role} messages follow each other"
        turns.append(Message(role, row["content"]))
    if turns[-1].role != "assistant":
        return "the last message isn't the assistant's"
    return tuple(turns)


def _lines(path: Path, reading: Reading) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends; one that isn't UTF-8 is bad."""
    try:
        with _open(path) as file:
            for number, line in enumerate(file, 1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    reading.bad.append(BadLine(path, number, f"not UTF-8 at byte {error.start}"))
                    continue
                yield number, text.rstrip("\r\n")
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        raise TrainingError(f"{path}: damaged or cut short ({error}); copy it again") from error
    except OSError as error:
        raise TrainingError(f"{path}: {error.strerror}; check the path") from error


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    if path.suffix == ".xz":
        return lzma.open(path, "rb")
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")
