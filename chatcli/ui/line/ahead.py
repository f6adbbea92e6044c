"""What was typed while there was no prompt: before the first, in a command, after a reply.

The terminal takes it in its own line mode, in which Enter is a newline. It is made the keys
that it would have been at the prompt, so that each line is sent at its Enter, and Alt-Enter,
arrows and triple quotes mean there what they always do.
"""

from __future__ import annotations

import os
import select

from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

__all__ = ["as_keys", "waiting"]

_MOST = 1 << 16


def waiting(descriptor: int) -> str:
    """The whole lines that wait in a terminal; what isn't ended yet stays there."""
    if os.name == "nt":
        return ""  # a console's keys can't be waited for so
    typed = b""
    while len(typed) < _MOST and select.select([descriptor], [], [], 0)[0]:
        piece = os.read(descriptor, 4096)
        if not piece:  # Ctrl-D, or a terminal that is gone: the prompt will find out
            break
        typed += piece
    return typed.decode("utf-8", "replace")


def as_keys(text: str) -> list[KeyPress]:
    """The keys of what was typed where Enter is a newline.

    A lone Escape at the end is none: it would change what the next key means.
    """
    keys: list[KeyPress] = []
    Vt100Parser(keys.append).feed_and_flush(text.replace("\n", "\r"))
    while keys and keys[-1].key == Keys.Escape:
        keys.pop()
    return keys
