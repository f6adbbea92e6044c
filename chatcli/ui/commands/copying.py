"""A reply to the clipboard of the terminal: /copy."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chatcli.errors import UsageError
from chatcli.ui.clipboard import clipboard_sequence, multiplexer
from chatcli.ui.commands.registry import Command, Word
from chatcli.ui.commands.views import numbered_turn, turn_numbers
from chatcli.ui.figures import count

if TYPE_CHECKING:
    from chatcli.ui.repl import Repl

__all__ = ["COMMANDS"]

# A fenced block of Markdown; one that is still open reaches to the end.
_CODE = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,})[^\n]*\n(?P<code>.*?)(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)


def _copy(repl: Repl, argument: str) -> bool:
    words = argument.split()
    number, turn = numbered_turn(repl, " ".join(word for word in words if word != "code"), "copy")
    if "code" in words:
        blocks = [found["code"] for found in _CODE.finditer(turn.reply)]
        if not blocks:
            raise UsageError(f"reply {number} has no block of code; /copy {number} copies it whole")
        text, what = blocks[-1].removesuffix("\n"), f"the last code block of reply {number}"
    else:
        text, what = turn.reply, f"reply {number}"
    if not repl.env.cursor:
        raise UsageError("/copy needs a terminal that has a clipboard; /export FILE writes a file")
    through = multiplexer(os.environ)
    repl.env.write(clipboard_sequence(text, through))
    repl.say_facts(f"sent {what} to the clipboard", count(len(text), "character"))
    if through == "tmux":
        repl.say("tmux passes it on if its set-clipboard is on")
    return True


def _copy_words(repl: Repl, typed: str) -> Iterator[str]:
    yield Word("code", "the last block of code")
    yield from turn_numbers(repl, typed)


COMMANDS = (
    Command(
        "copy",
        "[N] [code]",
        "copy a reply, or the last code block in it, to the clipboard",
        "Looking",
        _copy,
        _copy_words,
        "through the terminal (OSC 52), so it works over ssh too; tmux needs set-clipboard on",
    ),
)
