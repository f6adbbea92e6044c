"""What Tab offers in a line that starts with a slash: names of commands, then their arguments.

Which words an argument can be is up to each command; here they are held to what was typed,
and cut to the word that the cursor is in, so that a menu isn't wide.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chatcli.ui.commands.registry import Command
from chatcli.ui.line.session import Completion

if TYPE_CHECKING:
    from chatcli.ui.repl import Repl

__all__ = ["completions", "path_words"]


def completions(repl: Repl, commands: Sequence[Command], line: str) -> Iterator[Completion]:
    """What may follow in `line`, the text up to the cursor."""
    name, space, rest = line.partition(" ")
    if not space:
        for command in commands:
            if command.name.startswith(name[1:]):
                more = " " if command.usage else ""
                yield Completion(f"/{command.name}{more}", 0, command.help)
        return
    typed = rest.lstrip(" ")
    for command in commands:
        if name[1:] in (command.name, *command.aliases):
            yield from _arguments(repl, command, typed, len(line) - len(typed))


def _arguments(repl: Repl, command: Command, typed: str, start: int) -> Iterator[Completion]:
    """The arguments that `typed`, at index `start` of the line, may become; each once."""
    done = typed.rfind(" ") + 1
    words = dict.fromkeys(each for each in command.complete(repl, typed) if each != typed)
    for word in words:
        if word.startswith(typed):
            yield Completion(word[done:], start + done, getattr(word, "about", ""))


def path_words(typed: str) -> Iterator[str]:
    """Files and folders whose path begins with `typed`; a folder ends in a slash."""
    folder, beginning = os.path.split(os.path.expanduser(typed))
    shown = typed[: len(typed) - len(beginning)]
    try:
        entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(beginning) and (beginning or not entry.name.startswith(".")):
            yield shown + entry.name + ("/" if entry.is_dir() else "")
