"""Reading question files: JSON Lines whose every line has the fields that a measure asks for.

A line that lacks one is named with its file and number. What the fields mean is left to
the measures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chatcli.errors import TrainingError

__all__ = ["OURS", "Item", "patterns", "read_passages", "read_questions", "text", "texts"]

OURS = Path(__file__).parents[1] / "questions"  # those that come with chatcli

Item = dict[str, Any]
Check = Callable[[Any], str]  # what is wrong with a value, "" where nothing is


def text(value: Any) -> str:
    """A Check: a string with something in it."""
    return "" if isinstance(value, str) and value else "is no text"


def texts(value: Any) -> str:
    """A Check: a list of such strings, and at least one."""
    right = isinstance(value, list) and value and not any(map(text, value))
    return "" if right else "is no list of texts"


def patterns(value: Any) -> str:
    """A Check: a list of regular expressions."""
    if wrong := texts(value):
        return wrong
    try:
        for each in value:
            re.compile(each)
    except re.error as error:
        return f"has a bad pattern ({error})"
    return ""


def read_questions(path: Path, fields: Mapping[str, Check]) -> list[Item]:
    """The objects of a JSON Lines file; `lang`, where a line has it, is a string too.

    Raises TrainingError naming file, line and field, and where there is no question at all.
    """
    items = [
        _item(line, fields, f"{path}, line {number}")
        for number, line in enumerate(_read(path).splitlines(), 1)
        if line.strip()
    ]
    if not items:
        raise TrainingError(f"{path} holds no questions; add some or take the file away")
    return items


def _item(line: str, fields: Mapping[str, Check], where: str) -> Item:
    try:
        item = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise TrainingError(f"{where}: not JSON ({error}); mend the line") from error
    if not isinstance(item, dict):
        raise TrainingError(f"{where}: not a JSON object; mend the line")
    for name, check in fields.items():
        if wrong := check(item.get(name)):
            got = f"got {item[name]!r}" if name in item else "it isn't there"
            raise TrainingError(f"{where}: {name} {wrong}; {got}")
    if not isinstance(item.setdefault("lang", ""), str):
        raise TrainingError(f"{where}: lang is no text; got {item['lang']!r}")
    return item


def read_passages(path: Path) -> list[str]:
    """The passages of a text file, parted by blank lines. Raises as `read_questions` does."""
    passages = [part.strip() for part in re.split(r"\n\s*\n", _read(path))]
    if not any(passages):
        raise TrainingError(f"{path} holds no passages; add some or take the file away")
    return [passage for passage in passages if passage]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TrainingError(f"{path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise TrainingError(f"{path}: not UTF-8 at byte {error.start}; convert it") from error
