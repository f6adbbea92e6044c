"""What the commands that look have in common: which turn is meant, and where a view goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chatcli.chat.types import Turn
from chatcli.errors import UsageError
from chatcli.text.visible import visible
from chatcli.ui.commands.registry import Word

if TYPE_CHECKING:
    from chatcli.ui.repl import Repl

__all__ = ["numbered_turn", "show_view", "turn_numbers"]

_ABOUT = 40  # characters of a message that Tab shows beside a number


def numbered_turn(repl: Repl, argument: str, command: str) -> tuple[int, Turn]:
    """The turn that a number names, the last one where there is none. Raises UsageError."""
    if argument and not argument.isdecimal():
        raise UsageError(f"/{command} wants the number of a turn, but got {argument!r}")
    number = int(argument) if argument else len(repl.talk.path)
    return number, repl.talk.turn(number)


def show_view(repl: Repl, lines: Sequence[str]) -> None:
    """A view is for the person: on the terminal, but never among the replies of a pipe."""
    text = "\n".join(lines)
    if repl.env.stdout_is_terminal:
        repl.env.write(text + "\n")
    else:
        repl.say(text)


def turn_numbers(repl: Repl, typed: str) -> Iterator[str]:
    """The numbers of the turns, newest first."""
    path = repl.talk.path
    for number in range(len(path), 0, -1):
        about = " ".join(path[number - 1].user.split())[:_ABOUT]
        yield Word(str(number), visible(about, keep_newlines=False))
