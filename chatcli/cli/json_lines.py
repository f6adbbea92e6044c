"""JSON Lines as input: each line an object, with its place for whoever has to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from chatcli.errors import ChatcliError, UsageError

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["Line", "read_lines", "shortly"]

_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One object of a file; `number` counts lines from 1."""

    source: str
    number: int
    fields: Mapping[str, Any]

    @property
    def where(self) -> str:
        """ "tasks.jsonl, line 3"."""
        return f"{self.source}, line {self.number}"

    def refuse(self, message: str) -> NoReturn:
        """Raise UsageError under the line's name."""
        raise UsageError(f"{self.where}: {message}")

    @contextmanager
    def named(self) -> Iterator[None]:
        """Put the line's name before whatever error is raised inside."""
        try:
            yield
        except ChatcliError as error:
            if str(error).startswith(self.where):
                raise
            raise type(error)(f"{self.where}: {error}") from error


def read_lines(file: Path | None, env: Environment) -> Iterator[Line]:
    """The objects of `file`, or of stdin where it is None, as they come; empty lines are none.

    Raises UsageError on a line that isn't a JSON object in UTF-8, and where there is no line.
    """
    source = "standard input" if file is None else file.name
    lines = env.lines() if file is None else _file_lines(file)
    number = 0
    for number, text in enumerate(lines, 1):
        if text.strip():
            yield Line(source, number, _object(text, f"{source}, line {number}"))
    if number == 0:
        raise UsageError(f"{source} is empty; give it a JSON object on each line")


def shortly(value: object) -> str:
    """A value as an error shows it."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _file_lines(file: Path) -> Iterable[str]:
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                yield _decoded(line, f"{file.name}, line {number}")
    except OSError as error:
        raise UsageError(f"can't read {file}: {error.strerror or error}") from error


def _decoded(line: bytes, where: str) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{where} isn't UTF-8: byte 0x{line[error.start]:02X} at its byte "
            f"{error.start + 1:,}; convert it first (iconv -t utf-8)"
        ) from error


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON ({error}); mend the line") from error
    if not isinstance(value, dict):
        raise UsageError(f"{where}: not a JSON object but {shortly(value)}; mend the line")
    return value
