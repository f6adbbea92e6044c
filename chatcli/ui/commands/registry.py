"""What a slash command is, and how one is found in a line.

    /set temperature 0.7      the command `set`, with the argument "temperature 0.7"
    /usr/bin is a folder      a message, for no command's name is followed by a slash
    //set is a command        the message "/set is a command": one slash is taken off

Each group of commands is a module that exports `COMMANDS`; `all` joins them. What commands
act on is a `ui.repl.Repl`:

    env, display              the terminal, and how replies are shown (display is assignable)
    talk                      the conversation (assignable: /open, /new)
    store, keeper             where conversations are kept; None where they aren't
    load(reference)           the checkpoint that --model would load
    reply                     the last reply that was shown, with its steps; None before one
    say(text)                 a remark
    show(start, prefix="")    run a reply on the screen: `start` gets Frames and Interrupt, and
                              gives the chunks
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.ui.repl import Repl

__all__ = [
    "GROUPS",
    "Command",
    "Word",
    "as_message",
    "find",
    "no_argument",
    "no_words",
    "split_line",
]

# In the order of /help.
GROUPS = ("Replies", "Settings", "Branches", "Looking", "Conversations", "Screen")

# A Chinese keyboard types the wide slash.
_SLASH = re.compile(r"[/／]([A-Za-z][A-Za-z-]*|\?)(?:\s+(.*))?", re.DOTALL)

_ESCAPED = re.compile(r"[/／]{2,}(?:[A-Za-z][A-Za-z-]*|\?)(?:\s|$)")


class Word(str):
    """A word that Tab offers, with what it is."""

    __slots__ = ("about",)
    about: str

    def __new__(cls, text: str, about: str = "") -> Word:
        word = super().__new__(cls, text)
        word.about = about
        return word


def no_words(repl: Repl, typed: str) -> Iterable[str]:
    """Completion of a command whose argument can be anything, or that takes none."""
    return ()


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command.

    name, aliases   without the slash
    usage           its argument, as /help shows it: "KEY VALUE"; "" where it takes none
    help            what it does, in a few words
    group           one of GROUPS
    run             gets what follows the name, stripped; False ends the chat. Raises ChatcliError
                    for what can't be done, which is shown as one line
    complete        whole arguments that the one typed so far (unstripped) may become, `Word`s
                    where one needs explaining; those that can't follow are dropped by the caller
    details         more lines for `/help NAME`
    """

    name: str
    usage: str
    help: str
    group: str
    run: Callable[[Repl, str], bool]
    complete: Callable[[Repl, str], Iterable[str]] = no_words
    details: str = ""
    aliases: tuple[str, ...] = ()


def split_line(line: str) -> tuple[str, str] | None:
    """The name and the argument of the command that a line is; None where it is a message."""
    found = _SLASH.fullmatch(line.strip())
    return None if found is None else (found[1], (found[2] or "").strip())


def as_message(line: str) -> str:
    """What a line that is no command says: less one slash where it is a command but for that."""
    return line[1:] if _ESCAPED.match(line) else line


def find(commands: Sequence[Command], name: str, typed: str = "") -> Command:
    """The command called `name`. Raises UsageError, with the nearest, where there is none.

    `typed` is how the line begins in which it was asked for, less the slash, if not with `name`.
    """
    known = {each: command for command in commands for each in (command.name, *command.aliases)}
    if name in known:
        return known[name]
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean /{near[0]}?" if near else "/help lists them"
    raise UsageError(f"no command /{name}; {hint} (a message that starts so: //{typed or name})")


def no_argument(name: str, argument: str) -> None:
    """Raises UsageError where a command that takes no argument got one."""
    if argument:
        raise UsageError(f"/{name} takes no argument, but got {argument!r}")
