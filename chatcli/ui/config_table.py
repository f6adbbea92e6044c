"""The table of `chatcli config`: options, their values, and who says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chatcli.text.visible import visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.environment import Environment
from chatcli.ui.theme import Paint

__all__ = ["Setting", "show_settings"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What an option of a command is without a flag.

    `source` is "default", "environment" or "config"; `where` is the variable, or the table
    and line of the config file; "" for a default. `shown` is the value in words, `command`
    whose option it is (or, where one value holds for several commands, theirs).
    """

    command: str
    option: str
    value: Any
    shown: str
    source: str
    where: str = ""


def show_settings(env: Environment, settings: Sequence[Setting], *, commands: bool = False) -> None:
    """A row for each; with `commands`, what they hold for too."""
    width = env.columns() if env.stdout_is_terminal else None
    holders = Column("holds for", [each.command for each in settings], rank=1)
    table = [
        Column("option", [_inert(each.option) for each in settings]),
        Column("value", [_inert(each.shown) for each in settings], gives=True),
        Column("from", [_inert(each.where or each.source) for each in settings]),
        *([holders] if commands else []),
    ]
    titles, *rows = table_lines(table, width)
    env.write("\n".join([Paint(env)("heading", titles), *rows]) + "\n")


def _inert(text: str) -> str:
    return visible(text, keep_newlines=False)
