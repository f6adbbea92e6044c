"""The config file as it is written: keys, the tables they stand in, and their lines.

TOML in `config.toml` of the user's config folder. What the keys mean, and whether there are
such options, is in `configuration`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcli.errors import ConfigError
from chatcli.folders import config_folder

__all__ = ["Entry", "config_path", "read_entries"]


_BRACKET = re.compile("[]}]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A key, written with "_", and its value; or a table's heading, with `key` "" and no value.

    `table` are the names of the tables that it stands in, outermost first; `line` is 0 where
    the file is written so that it can't be told.
    """

    table: tuple[str, ...]
    key: str
    value: Any
    line: int

    @property
    def place(self) -> str:
        """The line in words, to be put behind the file's name."""
        return f", line {self.line}" if self.line else ""


def config_path() -> Path:
    """Where the config file is, or would be."""
    return config_folder() / "config.toml"


def read_entries() -> tuple[Entry, ...]:
    """All that the user's file says; nothing where there is none.

    Raises ConfigError where it can't be read.
    """
    path = config_path()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; mend that or move it away") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start + 1:,} isn't UTF-8; save the file as UTF-8"
        ) from error
    text = text.replace("\r\n", "\n")
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML, {error}; {_remedy(text, error)}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: tables nested too deeply; write them flat") from error
    return tuple(_entries(found, (), _lines(text)))


def _remedy(text: str, error: tomllib.TOMLDecodeError) -> str:
    """What people trip over most in Chinese is that only ASCII names go without quotes."""
    place = re.search(r"at line (\d+)", str(error))
    line = text.split("\n")[int(place[1]) - 1] if place else ""
    if "key" in str(error) and not line.isascii():
        return 'a name that isn\'t plain ASCII wants quotes, as in [presets."诗意"]'
    return 'a line is key = value, and a text stands in quotes, as in model = "tiny"'


def _entries(
    found: Mapping[str, Any], table: tuple[str, ...], lines: Mapping[tuple[str, ...], int]
) -> Iterator[Entry]:
    for written, value in found.items():
        path, key = (*table, written), written.replace("-", "_")
        line = lines.get(path, 0)
        if isinstance(value, dict):
            yield Entry(path, "", None, line)
            yield from _entries(value, path, lines)
        else:
            yield Entry(table, key, value, line)


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """The line on which each key and table begins: the file is read statement by statement.

    A statement over several lines is no TOML before its last one.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    pending, start, closing = "", 1, _BRACKET
    for number, line in enumerate(text.split("\n"), 1):
        pending += line.lstrip() + "\n"
        if start < number and not closing.search(line):
            continue  # to try each line of a long text would take the square of its length
        try:
            statement = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            closing = _closing(line) if start == number else closing
            continue
        paths = list(_paths(statement))
        heading = pending.startswith("[")
        for path in paths:
            lines.setdefault(path if heading else (*table, *path), start)
        table = paths[-1] if heading else table
        pending, start = "", number + 1
    return lines


def _closing(first: str) -> re.Pattern[str]:
    """What the last line has of a statement over several lines that begins with `first`."""
    opened = (quotes for quotes in ('"""', "'''") if first.count(quotes) % 2)
    quotes = next(opened, None)
    return _BRACKET if quotes is None else re.compile(quotes)


def _paths(statement: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Every table and key in a statement, the outer ones first."""
    for name, value in statement.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *inner) for inner in _paths(value))
