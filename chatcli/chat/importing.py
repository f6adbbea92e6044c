"""Conversations out of `messages` JSON: a file of lines, one each, or a single object.

Texts come without ids, so their turns have none, and the next reply goes on from text. A
file is taken whole or refused at its first fault, named with its line. What a text spells
stays text: control tokens and control characters in it are pointed out, and mean nothing.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from chatcli.chat.tree import new_turn_id
from chatcli.chat.types import Session, Settings, Turn
from chatcli.errors import StoreError
from chatcli.text.json_text import json_text
from chatcli.text.types import Message

__all__ = ["Imported", "read_import"]

ROLES = ("system", "user", "assistant")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TOKEN = re.compile(r"<[|｜][^\s<>]{1,40}[|｜]>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAMED = 5  # control tokens that one remark names
_SHOWN = 40  # characters of a value that a message repeats


@dataclass(frozen=True, slots=True)
class Imported:
    """One conversation that was read, and remarks about its texts."""

    session: Session
    turns: tuple[Turn, ...]
    remarks: tuple[str, ...] = ()


def read_import(
    path: Path, *, model: str, settings: Settings, now: float, text: str | None = None
) -> list[Imported]:
    """Every conversation of a file, in its order.

    `text` is what was read already, and `path` then a name for it. `model` is what loads the
    checkpoint of their next replies, `settings` (but for the preamble) what these are made
    with, `now` (seconds since 1970) when they begin here.
    Raises StoreError, naming file, line, value and remedy.
    """
    start = Session("", now, now, model, settings=settings)
    found: list[Imported] = []
    for line, record in _records(
        path, _read(path) if text is None else text.removeprefix("\ufeff")
    ):
        where = f"{path}, line {line}"
        found.append(_imported(_messages(where, record), start))
    if not found:
        raise StoreError(f'{path} holds no conversation: a line is {{"messages": [ … ]}}')
    return found


def _records(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """The JSON values of a file with the lines they begin on: one for all, or one a line."""
    try:
        whole = _parsed(text)
    except ValueError:
        pass
    else:
        yield text[: len(text) - len(text.lstrip())].count("\n") + 1, whole
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, _parsed(line)
            except ValueError as error:
                raise StoreError(
                    f"{path}, line {number}: not JSON, {error}; a line is one whole object"
                ) from error


def _parsed(text: str) -> Any:
    """Raises ValueError, whatever is wrong."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.colno:,}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; check the path") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise StoreError(
            f"{path}, line {line}: byte {data[error.start]:#04x} isn't UTF-8; convert the file "
            "first (iconv -t utf-8)"
        ) from error


def _messages(where: str, record: Any) -> list[Message]:
    """The messages of one object, checked: a system prompt, then user and assistant in turn."""
    rows = record.get("messages") if isinstance(record, dict) else None
    if not isinstance(rows, list) or not rows:
        raise StoreError(
            f'{where} holds {_shown(record)}, but wants an object with "messages", a list of '
            '{"role", "content"}'
        )
    messages: list[Message] = []
    for number, row in enumerate(rows, 1):
        here = f"{where}: message {number}"
        messages.append(_message(here, row))
        _check_place(here, messages)
    if messages[-1].role == "system":
        raise StoreError(f"{where} has a system message alone; add what the user says")
    return messages


def _message(here: str, row: Any) -> Message:
    if not isinstance(row, dict):
        raise StoreError(f'{here} is {_shown(row)}, but must be an object with "role", "content"')
    role, content = row.get("role"), row.get("content")
    if role not in ROLES:
        raise StoreError(f"{here} has the role {_shown(role)}; use {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise StoreError(f"{here} has {_shown(content)} as its content, which must be text")
    if not content and role != "system":
        raise StoreError(f"{here} is empty; write what the {role} says, or leave the turn out")
    if lone := _SURROGATE.search(content):
        raise StoreError(
            f"{here} holds \\u{ord(lone[0]):04x}, half of a character; write the whole one"
        )
    return Message(role, content)


def _check_place(here: str, messages: Sequence[Message]) -> None:
    """Whether the newest message may follow those before it."""
    role = messages[-1].role
    before = messages[-2].role if len(messages) > 1 else None
    if role == "system" and before is not None:
        again = any(message.role == "system" for message in messages[:-1])
        what = "a second system message" if again else "a system message after the first turn"
        raise StoreError(f"{here} is {what}; only the first message may be the system's")
    if role == before:
        raise StoreError(f"{here} is the {role}'s, like the one before it; join them into one")
    if role == "assistant" and before != "user":
        raise StoreError(f"{here} is the assistant's, but nothing was asked; put a user's first")


def _imported(messages: Sequence[Message], start: Session) -> Imported:
    preamble = tuple(message for message in messages if message.role == "system")
    said = [message.content for message in messages if message.role != "system"]
    turns: list[Turn] = []
    for user, reply in zip_longest(said[::2], said[1::2], fillvalue=""):
        parent = turns[-1].id if turns else None
        turn = Turn(new_turn_id(), parent, user, start.created, reply=reply, preamble=preamble)
        turns.append(turn)
    # A message that nobody answered yet hangs below the head.
    head = next((turn.id for turn in reversed(turns) if turn.reply), None)
    session = replace(
        start,
        id=secrets.token_hex(4),
        branches={"main": head},
        settings=replace(start.settings, preamble=preamble),
        seed=secrets.randbits(64),
    )
    return Imported(session, tuple(turns), tuple(_remarks(messages)))


def _remarks(messages: Sequence[Message]) -> Iterator[str]:
    controls = sum(len(_CONTROL.findall(message.content)) for message in messages)
    if controls:
        yield f"kept as text: {controls:,} control character{'' if controls == 1 else 's'}"
    tokens = dict.fromkeys(token for each in messages for token in _TOKEN.findall(each.content))
    if tokens:
        more = f" and {len(tokens) - _NAMED:,} more" if len(tokens) > _NAMED else ""
        named = ", ".join(list(tokens)[:_NAMED])
        yield f"kept as text, not as control tokens: {named}{more}"


def _shown(value: Any) -> str:
    """A value as JSON, short."""
    try:
        text = json_text(value)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
